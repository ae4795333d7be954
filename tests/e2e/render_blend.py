# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a child process: a farm that never heard of GazeSplat renders a file, scripts switched off.

    python render_blend.py FILE.blend FOLDER FRAME [FRAME ...]
The last line of stdout is what the file holds, as JSON.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy


def main(blend: str, folder: str, *frames: str) -> None:
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    bpy.ops.wm.open_mainfile(filepath=blend, use_scripts=False)
    scene = bpy.context.scene
    for frame in map(int, frames):
        scene.frame_set(frame)
        scene.render.filepath = str(Path(folder) / f"{frame:04d}.png")
        bpy.ops.render.render(write_still=True)
    drivers = [curve.driver for block in (*bpy.data.objects, *bpy.data.node_groups) if block.animation_data is not None
               for curve in block.animation_data.drivers]
    print("\n" + json.dumps({
        "modules": [name for name in sys.modules if "gazesplat" in name.lower()],
        "addons": [one.module for one in bpy.context.preferences.addons if "gazesplat" in one.module],
        "drivers": len(drivers), "not_simple": [one.expression for one in drivers if not one.is_simple_expression],
        "outside_files": list(bpy.utils.blend_paths(absolute=True, packed=False)),
        "texts": [text.name for text in bpy.data.texts],
    }))


if __name__ == "__main__":
    main(*sys.argv[1:])
