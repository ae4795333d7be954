# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the sample portrait that the extension brings along, from the astronaut's photo: whole, and small enough to ship.

    .venv/backend/bin/python docs/examples/sample_portrait.py gazesplat_addon/sample
"""
from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHOTO = Path(__file__).with_name("astronaut.png")
CONSENT = "Public domain: NASA's official portrait of Eileen M. Collins (1999). It suggests no endorsement by NASA or by her."


def main(out: str) -> None:
    """Reconstruct at draft quality, and keep the splats as SPZ and the colours for linear light fitted to what SPZ keeps."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        command = [sys.executable, "-I", str(ROOT / "backend"), "reconstruct", str(PHOTO), "--out", str(made), "--quality", "draft"]
        subprocess.run([*command, "--option", f"consent={json.dumps(CONSENT)}", "--option", "linear_refit=false"], check=True)
        pack(made)
        linear = made / "portrait.linear.npz"
        subprocess.run([sys.executable, "-I", str(ROOT / "backend"), "refit", str(made / "portrait.spz"), "--out", str(linear)], check=True)
        shutil.rmtree(out, ignore_errors=True)
        Path(out).mkdir(parents=True)
        for name in ("portrait.spz", "portrait.json", "portrait.npz", linear.name):
            shutil.copyfile(made / name, Path(out) / name)


def pack(folder: Path) -> None:
    """Write portrait.spz beside portrait.ply, and take that away."""
    spec = importlib.util.spec_from_file_location("gazesplat", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["gazesplat"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    from gazesplat.gazesplat_addon.splat.files import read_splats, write_splats

    write_splats(folder / "portrait.spz", read_splats(folder / "portrait.ply"))
    (folder / "portrait.ply").unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
