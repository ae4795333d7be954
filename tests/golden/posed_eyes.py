# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender side of ``bench eyes --cross-check``: poses a portrait by its controls and renders windows round its eyes.

    posed_eyes.py FOLDER CYCLES|EEVEE

FOLDER holds a portrait and ``tasks.json``; NAME.ENGINE.png is written beside them, 16 bits, ``supersample`` times as large.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import tests.conftest  # noqa: F401  loads the checkout as the package gazesplat, with an empty profile

import bpy  # isort: skip

from gazesplat.gazesplat_addon.rig.sidecar import SourceCamera  # isort: skip
from gazesplat.gazesplat_addon.scene import camera, eye_rig, portrait_object, store  # isort: skip
from gazesplat.tests.golden import scenes  # isort: skip


def main() -> None:
    """Render every task of a folder."""
    folder, engine = Path(sys.argv[1]), sys.argv[2]
    work = json.loads((folder / "tasks.json").read_text("utf-8"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    root = portrait_object.load_portrait(folder, name="Head", scene=scene)
    portrait_object.set_up_render(root, scene, engine=engine)
    # Over black, colours stay as they were blended.
    scene.render.film_transparent, scene.world = False, None
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    output = scene.render.image_settings
    output.file_format, output.color_mode, output.color_depth = "PNG", "RGB", "16"
    for task in work["tasks"]:
        pose(root, task)
        aim(root, scene, task, 100 * work["supersample"])
        scene.render.filepath = str(folder / f"{task['name']}.{engine}.png")
        bpy.ops.render.render(write_still=True)


def pose(root: bpy.types.Object, task: dict) -> None:
    """Let both eyes look at the task's point and shut them as far as it says."""
    eye_rig.look_at(root, task["target_m"])
    for side, shut in task["blink"].items():
        root[f"blink_{side}"] = shut


def aim(root: bpy.types.Object, scene: bpy.types.Scene, task: dict, percent: int) -> None:
    """Look through the task's camera at the task's window (x0, y0, x1, y1), pixels at 100 percent from the top left."""
    source = SourceCamera(**task["camera"])
    camera.set_photo_camera(store.part_of(root, store.CAMERA), source)
    portrait_object.frame_photo(root, scene)
    scenes.set_size(scene, source.width, source.height, percent)
    x0, y0, x1, y1 = task["window"]
    scale = percent // 100
    scenes.set_window(scene, *(scale * value for value in (x0, y0, x1 - x0, y1 - y0)))


if __name__ == "__main__":
    main()
