# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm doctor for pipelines, in a Blender that need not have GazeSplat enabled:

    blender -b SHOT.blend --python-exit-code 1 --python EXTENSION/gazesplat_addon/farm/doctor.py -- [--fix] [--json] [--save]

It prints the findings and ends with an error when the file is not ready. ``--fix`` mends what can be mended by itself, ``--save``
then saves the file, ``--json`` prints plain data.
"""
from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str]) -> int:
    """Examine the open file's scene; return 0 when it is ready for a farm, else 1."""
    parser = argparse.ArgumentParser(prog="doctor.py", description="Check a .blend for render farms.")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended by itself")
    parser.add_argument("--save", action="store_true", help="save the file after mending")
    parser.add_argument("--json", action="store_true", help="print plain data")
    asked = parser.parse_args(argv)
    check = _package("gazesplat_addon.farm.check").check(bpy.context.scene, fix=asked.fix)
    if asked.save and check.mended:
        bpy.ops.wm.save_mainfile()
    sys.stdout.write(f"{json.dumps(check.as_dict()) if asked.json else check.text}\n")
    return 0 if check.passed else 1


def _package(name: str):
    """Import a module of this extension without registering it."""
    if "gazesplat" not in sys.modules:
        spec = importlib.util.spec_from_file_location("gazesplat", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
        package = importlib.util.module_from_spec(spec)
        sys.modules["gazesplat"] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"gazesplat.{name}")


if __name__ == "__main__":
    code = main(sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else [])
    if code:
        raise SystemExit(code)
