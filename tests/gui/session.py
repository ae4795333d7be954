# SPDX-License-Identifier: GPL-3.0-or-later
"""How a script inside a window is driven, and how it puts a portrait before a camera that fills the viewport."""
from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import addon_utils
import bpy
import numpy as np
import screen

EXTENSION = "bl_ext.user_default.gazesplat"
QUIET_DRAWS, DRAWN_S = 4, 0.2
FULL_FRAME_ZOOM = 50.0 * (2.0 - 2.0 ** 0.5)    # at which the camera's frame fills the region


def drive(walk: Iterator[float], report: dict, path: Path) -> None:
    """Go step by step by a timer, each step's value the seconds that Blender's event loop gets; write the report and leave Blender.

    What the walk raises becomes the report's ``traceback``.
    """
    def tick() -> float:
        try:
            return next(walk)
        except StopIteration:
            pass
        except BaseException:  # noqa: BLE001 - whatever it is, the test that waits shall read it
            report["traceback"] = traceback.format_exc()
        path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        sys.stdout.flush()
        os._exit(0)

    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.use_preferences_save = False
    bpy.app.timers.register(tick, first_interval=0.5, persistent=True)


def enable(checkout: Path) -> ModuleType:
    """Enable the extension as it lies in a checkout, and return it."""
    extensions = Path(bpy.utils.user_resource("EXTENSIONS")) / "user_default"
    extensions.mkdir(parents=True, exist_ok=True)
    (extensions / "gazesplat").symlink_to(checkout)
    addon_utils.enable(EXTENSION, default_set=True)
    return importlib.import_module(EXTENSION)


def portrait_before_camera(gs: ModuleType, folder: Path) -> Iterator[float]:
    """Load a portrait into the empty scene, seen by a camera whose frame is the whole viewport; ``gs.portraits()[0]`` afterwards."""
    scene = bpy.context.scene
    for one in list(scene.objects):
        bpy.data.objects.remove(one)
    portrait = gs.load(folder, name="Mara")
    portrait.look_at(None)
    # Turned away from the camera: seen from the front, the made-up irises lie at one depth, and rounding would sort them.
    bpy.context.view_layer.update()
    scene.camera.parent, scene.camera.matrix_world = None, scene.camera.matrix_world.copy()
    portrait.root.rotation_euler = 0.05, -0.1, 0.2
    space, region = screen.area().spaces.active, screen.region("WINDOW")
    space.overlay.show_overlays = space.show_gizmo = space.show_region_header = space.show_region_toolbar = False
    space.show_region_tool_header = False
    space.region_3d.view_perspective = "CAMERA"
    yield 1.0
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = region.width, region.height, 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    space.region_3d.view_camera_zoom, space.region_3d.view_camera_offset = FULL_FRAME_ZOOM, (0.0, 0.0)


def settle(display: object) -> Iterator[float]:
    """Draw until the live display has sorted for the view and has the tables of the scene's colours; on a busy machine that takes long."""
    quiet = 0
    while quiet < QUIET_DRAWS:
        screen.redraw()
        yield DRAWN_S
        busy = display._wanted_viewing is not None or any(one.sorter.busy for one in display._painters.values())
        quiet = 0 if busy else quiet + 1


def rendered(path: Path, *, alpha: bool) -> np.ndarray:
    """Return what F12 writes of the scene into a PNG, (H, W, 3 or 4) of 8 bits from the top; alpha is straight."""
    files = bpy.context.scene.render.image_settings
    files.file_format, files.color_mode, files.color_depth = "PNG", "RGBA" if alpha else "RGB", "8"
    bpy.context.scene.render.film_transparent = alpha
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "CHANNEL_PACKED"
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return np.rint(255.0 * values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3 + alpha]).astype(np.uint8)
