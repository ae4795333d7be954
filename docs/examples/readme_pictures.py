# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what ``python3 dev.py demo`` wrote into the README's pictures.

    python docs/examples/readme_pictures.py demo docs/images

The Python needs the ``bpy`` module.
"""
from __future__ import annotations

import sys
from pathlib import Path

import demo_clip

QUALITY = 88


def main(demo: str, images: str) -> None:
    """Write both pictures as JPEGs."""
    Path(images).mkdir(parents=True, exist_ok=True)
    for name in ("contact_sheet", "eyes_2x"):
        demo_clip.write(demo_clip.read(Path(demo).absolute() / f"{name}.png"), Path(images).absolute() / f"{name}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main(*sys.argv[1:])
