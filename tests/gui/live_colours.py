# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a windowed Blender: the live display's colours, as the screen shows them, and F12's of the same view.

Arguments after ``--``: folder of the checkout, a portrait, folder for pictures. Writes pictures and ``report.json`` there.
"""
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

ROOT, PORTRAIT, OUT = map(Path, sys.argv[sys.argv.index("--") + 1:][:3])
sys.path.insert(0, str(Path(__file__).parent))
import screen
import session

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


def steps() -> Iterator[float]:
    """Everything; each yield gives Blender's event loop so many seconds."""
    gs = session.enable(ROOT)
    display = importlib.import_module(f"{session.EXTENSION}.gazesplat_addon.viewport.display").display
    yield from session.portrait_before_camera(gs, PORTRAIT)
    scene, (portrait,) = bpy.context.scene, gs.portraits()
    portrait.gaze = (9.0, -4.0)
    portrait.root["blink_left"] = 0.3
    area, region = screen.area(), screen.region("WINDOW")
    for name, (mode, engine, shading, view) in CASES.items():
        portrait.setup_render(engine=engine, colour_mode="scene-linear" if mode == "linear" else "exact")
        for key, value in {"view_transform": "Standard", "look": "None", "exposure": 0.0, "gamma": 1.0, **view}.items():
            setattr(scene.view_settings, key, value)
        if mode == "exact" and engine != "gazesplat":
            scene.view_settings.view_transform = view.get("view_transform", "Standard")
        area.spaces.active.shading.type = shading
        yield from session.settle(display)
        np.savez_compressed(OUT / f"{name}.npz", live=screen.pixels(region), f12=session.rendered(OUT / f"{name}.png", alpha=True))
    report["problem"] = display.problem


session.drive(steps(), report, OUT / "report.json")
