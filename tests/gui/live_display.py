# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a windowed Blender, started by test_live_display.py: loads a portrait and tells what its viewport shows.

Pictures are read from the layer on which add-ons draw, just before Blender merges it over the scene.
"""
from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import gpu
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import screen
import session

OUT = Path(os.environ["GAZESPLAT_GUI_OUT"])
SETTLE_S, SHORT_S = 1.0, 0.2
GAZE, BLINK_LEFT = (12.0, -5.0), 0.5

_wanted: list[str] = []
report: dict = {"modes": {}}


def _read_layer() -> None:
    """Save the layer of this draw under the name that is wanted, with the view it was drawn for."""
    if not _wanted or bpy.context.region.type != "WINDOW":
        return
    name = _wanted.pop()
    left, bottom, width, height = gpu.state.viewport_get()
    layer = gpu.state.active_framebuffer_get().read_color(left, bottom, width, height, 4, 0, "FLOAT")
    layer.dimensions = width * height * 4
    np.save(OUT / f"{name}.npy", np.array(layer, np.float32).reshape(height, width, 4)[::-1])
    view = bpy.context.region_data
    report["modes"][name] = {"view": [list(row) for row in view.view_matrix], "projection": [list(row) for row in view.window_matrix],
                             "size": [width, height]}


def _shown(name: str) -> Iterator[float]:
    """Wait until the sorted picture is drawn, then have it saved."""
    yield from session.settle(importlib.import_module(f"{session.EXTENSION}.gazesplat_addon.viewport.display").display)
    _wanted.append(name)
    while _wanted:
        screen.area().tag_redraw()
        yield SHORT_S


def steps() -> Iterator[float]:
    """Do what an artist does; each yield gives Blender's event loop that many seconds."""
    yield SETTLE_S
    for old in list(bpy.data.objects):
        bpy.data.objects.remove(old)
    extension = importlib.import_module(session.EXTENSION)
    display = importlib.import_module(f"{session.EXTENSION}.gazesplat_addon.viewport.display").display
    traffic = importlib.import_module(f"{session.EXTENSION}.gazesplat_addon.viewport.traffic").traffic
    portrait = extension.load(os.environ["GAZESPLAT_GUI_PORTRAIT"], name="Mara")
    portrait.setup_render(engine="eevee")
    portrait.look_at(None)
    space = screen.area().spaces.active
    space.overlay.show_overlays = space.show_gizmo = space.show_region_header = space.show_region_toolbar = False
    view = space.region_3d
    view.view_perspective, view.view_distance, view.view_location = "PERSP", 0.45, (0.0, 0.05, 0.0)
    view.view_rotation = (0.7, 0.7, 0.1, 0.1)
    bpy.types.SpaceView3D.draw_handler_add(_read_layer, (), "WINDOW", "POST_PIXEL")
    yield from _shown("rest")
    before = traffic.copy()
    portrait.gaze = GAZE
    portrait.root["blink_left"] = BLINK_LEFT
    portrait.root.update_tag()
    yield from _shown("solid")
    report["gaze_texture_bytes"] = traffic.since(before).texture_bytes
    report["eye_splats"] = sum(len(held.sortable.moving) for held in display.portraits._held.values())
    for mode in ("MATERIAL", "WIREFRAME"):
        space.shading.type = mode
        yield from _shown(mode.lower())
    space.shading.type = "SOLID"
    view.view_perspective = "ORTHO"
    yield from _shown("parallel")
    view.view_perspective = "PERSP"
    blend = OUT / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    yield SETTLE_S
    yield from _shown("reopened")
    preferences = bpy.context.preferences.addons[session.EXTENSION].preferences
    preferences.live_display = False
    yield SETTLE_S
    report["off"] = display.active
    yield from _shown("off")
    preferences.live_display = True
    yield SETTLE_S
    bpy.ops.preferences.addon_disable(module=session.EXTENSION)
    yield from _shown("disabled")
    report["problem"] = display.problem


session.drive(steps(), report, OUT / "report.json")
