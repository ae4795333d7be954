# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for Blender's program where there is only the ``bpy`` module: what render farms and pipelines call.

    python blender_program.py -b FILE -Y --python-exit-code 1 --python SCRIPT -- ARGUMENT ...
It has an empty profile, no add-ons, and scripts are off.
"""
from __future__ import annotations

import runpy
import sys

import bpy


def main(argv: list[str]) -> None:
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    bpy.ops.wm.open_mainfile(filepath=argv[argv.index("-b") + 1], use_scripts=False)
    runpy.run_path(argv[argv.index("--python") + 1], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv)
