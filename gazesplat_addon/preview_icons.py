# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that jobs leave on disk, as icons that panels can show."""
from __future__ import annotations

from pathlib import Path

import bpy
import bpy.utils.previews

LARGEST_BYTES = 8 << 20

_pictures: bpy.utils.previews.ImagePreviewCollection | None = None


def icon_of(path: Path | None) -> int:
    """Return the icon number of a picture, 0 where there is none; a file that has changed is read again."""
    if _pictures is None or path is None:
        return 0
    try:
        status = path.stat()
    except OSError:
        return 0
    if not 0 < status.st_size <= LARGEST_BYTES:
        return 0
    name = f"{path}?{status.st_mtime_ns}"
    if name not in _pictures:
        for older in [one for one in _pictures if one.rpartition("?")[0] == str(path)]:
            del _pictures[older]
        _pictures.load(name, str(path), "IMAGE")
    return _pictures[name].icon_id


def register() -> None:
    """Make room for the pictures."""
    global _pictures
    _pictures = bpy.utils.previews.new()


def unregister() -> None:
    """Let go of them."""
    global _pictures
    bpy.utils.previews.remove(_pictures)
    _pictures = None
