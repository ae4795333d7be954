# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a windowed Blender: the live display's colours, as the screen shows them, and F12's of the same view.

Arguments after ``--``: folder of the checkout, a portrait, folder for pictures. Writes pictures and ``report.json`` there.
"""
import importlib
import json
import os
import sys
import traceback
from pathlib import Path

import addon_utils
import bpy
import numpy as np

ROOT, PORTRAIT, OUT = map(Path, sys.argv[sys.argv.index("--") + 1:][:3])
sys.path.insert(0, str(Path(__file__).parent))
import screen

EXTENSION = "bl_ext.user_default.gazesplat"
FULL_FRAME_ZOOM = 50.0 * (2.0 - 2.0 ** 0.5)    # at which the camera's frame fills the region
# name: colour mode, engine, shading, view settings
CASES = {
    "exact-engine": ("exact", "gazesplat", "SOLID", {}),
    "exact-cycles": ("exact", "cycles", "MATERIAL", {}),
    "exact-eevee": ("exact", "eevee", "WIREFRAME", {}),
    "exact-agx": ("exact", "gazesplat", "SOLID", {"view_transform": "AgX"}),
    "exact-exposed": ("exact", "cycles", "SOLID", {"exposure": -0.6, "gamma": 1.2}),
    "linear-agx": ("linear", "cycles", "MATERIAL", {"view_transform": "AgX"}),
    "linear-filmic": ("linear", "cycles", "SOLID", {"view_transform": "Filmic", "look": "High Contrast", "exposure": 0.5, "gamma": 1.1}),
}
report: dict = {}


def picture(scene: bpy.types.Scene, name: str) -> np.ndarray:
    """Return what F12 writes, (H, W, 4) uint8 with straight alpha, from the top."""
    scene.render.film_transparent = True
    files = scene.render.image_settings
    files.file_format, files.color_mode, files.color_depth = "PNG", "RGBA", "8"
    scene.render.filepath = str(OUT / f"{name}.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "CHANNEL_PACKED"
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return np.rint(255.0 * values.reshape(image.size[1], image.size[0], 4)[::-1]).astype(np.uint8)


def steps():
    """Everything; each yield gives Blender's event loop so many seconds."""
    extensions = Path(bpy.utils.user_resource("EXTENSIONS")) / "user_default"
    extensions.mkdir(parents=True, exist_ok=True)
    (extensions / "gazesplat").symlink_to(ROOT)
    addon_utils.enable(EXTENSION, default_set=True)
    gs = importlib.import_module(EXTENSION)
    display = importlib.import_module(f"{EXTENSION}.gazesplat_addon.viewport.display").display
    scene = bpy.context.scene
    for one in list(scene.objects):
        bpy.data.objects.remove(one)
    portrait = gs.load(PORTRAIT, name="Mara")
    portrait.look_at(None)
    portrait.gaze = (9.0, -4.0)
    portrait.root["blink_left"] = 0.3
    # Turned away from the camera: seen from the front, the made-up irises lie at one depth, and rounding would sort them.
    bpy.context.view_layer.update()
    scene.camera.parent, scene.camera.matrix_world = None, scene.camera.matrix_world.copy()
    portrait.root.rotation_euler = 0.05, -0.1, 0.2
    area, region = screen.area(), screen.region("WINDOW")
    space = area.spaces.active
    space.overlay.show_overlays = space.show_gizmo = space.show_region_header = space.show_region_toolbar = False
    space.show_region_tool_header = False
    space.region_3d.view_perspective = "CAMERA"
    yield 1.0
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = region.width, region.height, 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    space.region_3d.view_camera_zoom, space.region_3d.view_camera_offset = FULL_FRAME_ZOOM, (0.0, 0.0)
    for name, (mode, engine, shading, view) in CASES.items():
        portrait.setup_render(engine=engine, colour_mode="scene-linear" if mode == "linear" else "exact")
        for key, value in {"view_transform": "Standard", "look": "None", "exposure": 0.0, "gamma": 1.0, **view}.items():
            setattr(scene.view_settings, key, value)
        if mode == "exact" and engine != "gazesplat":
            scene.view_settings.view_transform = view.get("view_transform", "Standard")
        space.shading.type = shading
        for _ in range(6):
            area.tag_redraw()
            yield 0.25
        np.savez_compressed(OUT / f"{name}.npz", live=screen.pixels(region), f12=picture(scene, name))
    report["problem"] = display.problem


def run() -> None:
    """Drive the steps by a timer and leave."""
    walking = steps()

    def tick() -> float:
        try:
            return next(walking)
        except StopIteration:
            (OUT / "report.json").write_text(json.dumps(report), "utf-8")
        except BaseException:  # noqa: BLE001 - whatever it is, the test that waits shall read it
            (OUT / "report.json").write_text(json.dumps({"traceback": traceback.format_exc()}), "utf-8")
        sys.stdout.flush()
        os._exit(0)

    bpy.app.timers.register(tick, first_interval=0.5)


bpy.context.preferences.view.show_splash = False
run()
