# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a windowed Blender: the Rendered viewport with our engine against F12, pixel by pixel as the screen shows it.

Arguments after ``--``: folder of the checkout, folder of a portrait, folder for pictures. Writes ``report.json`` there, or the traceback.
The screen is read from the frame buffer file of a virtual X server, which the variable GUI_BLENDER_FB names.
"""
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

import addon_utils
import bpy
import numpy as np

ROOT, PORTRAIT, OUT = map(Path, sys.argv[sys.argv.index("--") + 1:][:3])
EXTENSION = "bl_ext.user_default.gazesplat"
LIMIT_S = 120.0
EDGE_PX = 40    # where Blender puts handles for folded regions
FULL_FRAME_ZOOM = 50.0 * (2.0 - 2.0 ** 0.5)    # at which the camera's frame fills the region
report: dict = {}


def screen() -> np.ndarray:
    """Return what is on the screen, (H, W, 3) uint8, from the top: an XWD file of 32 bits a pixel."""
    raw = Path(os.environ["GUI_BLENDER_FB"]).read_bytes()
    head = np.frombuffer(raw, ">u4", 25)
    width, height, order, row, colours = (int(head[k]) for k in (4, 5, 7, 12, 19))
    rows = np.frombuffer(raw, np.uint8, row * height, int(head[0]) + 12 * colours).reshape(height, row)
    pixels = rows[:, :4 * width].reshape(height, width, 4)
    return pixels[..., [2, 1, 0]] if order == 0 else pixels[..., 1:]


def steps():
    """Everything, in steps between which Blender's loop runs: each yields a condition to wait for."""
    extensions = Path(bpy.utils.user_resource("EXTENSIONS")) / "user_default"
    extensions.mkdir(parents=True, exist_ok=True)
    (extensions / "gazesplat").symlink_to(ROOT)
    addon_utils.enable(EXTENSION, default_set=True)
    gs = importlib.import_module(EXTENSION)
    viewport = importlib.import_module(f"{EXTENSION}.gazesplat_addon.engine.viewport")
    lives = []
    begin = viewport.LiveView.__init__
    viewport.LiveView.__init__ = lambda self, *given: (begin(self, *given), lives.append(self))[0]
    scene = bpy.context.scene
    for one in list(scene.objects):
        bpy.data.objects.remove(one)
    portrait = gs.load(PORTRAIT, name="Mara")
    portrait.setup_render(engine="gazesplat")
    portrait.look_at(None)
    # Turned away from the camera: seen from the front, the made-up irises lie at one depth, and rounding would sort them.
    bpy.context.view_layer.update()
    scene.camera.parent, scene.camera.matrix_world = None, scene.camera.matrix_world.copy()
    portrait.root.rotation_euler = 0.05, -0.1, 0.2
    window = bpy.context.window_manager.windows[0]
    area = next(a for a in window.screen.areas if a.type == "VIEW_3D")
    region = next(r for r in area.regions if r.type == "WINDOW")
    space = area.spaces.active
    space.overlay.show_overlays = space.show_gizmo = space.show_region_header = space.show_region_toolbar = False
    space.show_region_tool_header = False
    space.region_3d.view_perspective = "CAMERA"
    yield lambda: False, 1.0
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = region.width, region.height, 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    scene.world = scene.world or bpy.data.worlds.new("World")
    space.region_3d.view_camera_zoom, space.region_3d.view_camera_offset = FULL_FRAME_ZOOM, (0.0, 0.0)
    space.shading.type = "RENDERED"

    def settled():
        return bool(lives) and not lives[-1].refiner._busy and lives[-1].refiner.shown is not None and lives[-1].refiner.shown.fine

    def shown():
        edge = window.height - region.y - region.height
        return screen()[edge:edge + region.height, region.x:region.x + region.width].astype(int)

    def f12(name):
        scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
        scene.render.filepath = str(OUT / f"{name}.png")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        image.colorspace_settings.name = "Non-Color"
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        return np.rint(255.0 * pixels.reshape(image.size[1], image.size[0], 4)[::-1, :, :3]).astype(int)

    for view in ("Standard", "AgX"):
        scene.view_settings.view_transform = view
        area.tag_redraw()
        yield lambda: False, 1.0
        yield settled, LIMIT_S
        yield lambda: False, 1.5
        there, here = shown(), f12(view)
        np.savez_compressed(OUT / f"{view}.npz", viewport=there, f12=here)
        inner = slice(EDGE_PX, -EDGE_PX)
        difference = np.abs(there - here)[inner, inner]
        report[view] = {"largest": int(difference.max()), "above_2": float((difference > 2).mean()), "spread": int(here.max() - here.min())}
    live, before = lives[-1], lives[-1].refiner.drawn
    for _ in range(5):
        area.tag_redraw()
        yield lambda: False, 0.3
    report["drawn_at_rest"] = live.refiner.drawn - before
    looking = shown()
    portrait.gaze = (20.0, 0.0)
    yield lambda: live.refiner.drawn > before, LIMIT_S
    yield settled, LIMIT_S
    yield lambda: False, 1.0
    report["changed_by_gaze"] = int((np.abs(shown() - looking).max(axis=2) > 10).sum())
    space.shading.type = "SOLID"
    yield lambda: live.refiner._closed, 10.0
    report["closed"] = live.refiner._closed


def run() -> None:
    """Drive the steps by a timer and leave."""
    walking, state = steps(), {"until": 0.0, "met": lambda: True}

    def tick() -> float:
        if not state["met"]() and time.monotonic() < state["until"]:
            return 0.05
        try:
            met, limit_s = next(walking)
            state.update(met=met, until=time.monotonic() + limit_s)
            return 0.05
        except StopIteration:
            (OUT / "report.json").write_text(json.dumps(report), "utf-8")
        except BaseException:  # noqa: BLE001 - whatever it is, the test that waits shall read it
            (OUT / "report.json").write_text(json.dumps({"traceback": traceback.format_exc()}), "utf-8")
        sys.stdout.flush()
        os._exit(0)

    bpy.app.timers.register(tick, first_interval=0.5)


bpy.context.preferences.view.show_splash = False
run()
