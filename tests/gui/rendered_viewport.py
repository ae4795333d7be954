# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a windowed Blender: the Rendered viewport with our engine against F12, pixel by pixel as the screen shows it.

Arguments after ``--``: folder of the checkout, folder of a portrait, folder for pictures. Writes ``report.json`` there, or the traceback.
The screen is read from the frame buffer file of a virtual X server, which the variable GUI_BLENDER_FB names.
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

LIMIT_S = 120.0
EDGE_PX = 40    # where Blender puts handles for folded regions
report: dict = {}


def steps() -> Iterator[float]:
    """Everything; each yield gives Blender's event loop so many seconds."""
    gs = session.enable(ROOT)
    viewport = importlib.import_module(f"{session.EXTENSION}.gazesplat_addon.engine.viewport")
    inverse_view = importlib.import_module(f"{session.EXTENSION}.gazesplat_addon.engine.inverse_view")
    lives = []
    begin = viewport.LiveView.__init__
    viewport.LiveView.__init__ = lambda self, *given: (begin(self, *given), lives.append(self))[0]
    yield from session.portrait_before_camera(gs, PORTRAIT)
    scene, (portrait,) = bpy.context.scene, gs.portraits()
    portrait.setup_render(engine="gazesplat")
    scene.world = scene.world or bpy.data.worlds.new("World")
    area, region = screen.area(), screen.region("WINDOW")
    area.spaces.active.shading.type = "RENDERED"

    def settled():
        """Draw, and say whether what was asked for is answered, with the inverse of the scene's view."""
        screen.redraw()
        made = lives and inverse_view.is_made(scene.view_settings.view_transform)
        if not made or lives[-1].refiner._busy or lives[-1].refiner.shown is None:
            return False
        inverse, shown = inverse_view.inverse_of(scene.view_settings.view_transform), lives[-1].refiner.shown
        up_to_date = lives[-1]._film["cube"] == (inverse.digest if inverse is not None else None)
        return up_to_date and shown.fine and shown.question is lives[-1].refiner._asked

    for view in ("Standard", "AgX"):
        scene.view_settings.view_transform = view
        yield 1.0
        yield from screen.until(settled, LIMIT_S)
        yield 1.0
        screen.redraw()
        there, here = screen.pixels(region).astype(int), session.rendered(OUT / f"{view}.png", alpha=False).astype(int)
        np.savez_compressed(OUT / f"{view}.npz", viewport=there, f12=here)
        inner = slice(EDGE_PX, -EDGE_PX)
        difference = np.abs(there - here)[inner, inner]
        report[view] = {"largest": int(difference.max()), "above_2": float((difference > 2).mean()), "spread": int(here.max() - here.min())}
    live, before = lives[-1], lives[-1].refiner.drawn
    for _ in range(5):
        area.tag_redraw()
        yield 0.3
    report["drawn_at_rest"] = live.refiner.drawn - before
    looking = screen.pixels(region).astype(int)
    portrait.gaze = (20.0, 0.0)
    yield from screen.until(lambda: live.refiner.drawn > before, LIMIT_S)
    yield from screen.until(settled, LIMIT_S)
    screen.redraw()
    report["changed_by_gaze"] = int((np.abs(screen.pixels(region) - looking).max(axis=2) > 10).sum())
    area.spaces.active.shading.type = "SOLID"
    yield from screen.until(lambda: live.refiner._closed, 10.0)
    report["closed"] = live.refiner._closed


session.drive(steps(), report, OUT / "report.json")
