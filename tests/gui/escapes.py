# SPDX-License-Identifier: GPL-3.0-or-later
"""Esc in a real window while a job runs: out of all that an artist escapes from, and over the tab, where it is meant for the job."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import bpy
from screen import area, click, key, middle, move, path_under_mouse, pixels, redraw, region, save_png, until, window

SETTLE_S = 0.4
STEP_PX = 13


def tried(job: object, cancel: ModuleType, report: dict, out: Path) -> Iterator[float]:
    """Press Esc where it is meant for something else, for a job that took long, and for one that did not.

    ``cancel`` is the operator's module. The report's ``escape`` says for each of the first whether the job outlived it.
    """
    report["escape"] = outlived = {}
    for way in (over_the_view, out_of_a_transform, out_of_the_search, out_of_a_field, over_another_tab, out_of_the_playback):
        yield from way(report)
        outlived[way.__name__] = not (job.stopping or job.ended)
    asked, cancel.ASK_AFTER_S = cancel.ASK_AFTER_S, 0.0
    yield from key("ESC", *middle(region()))
    yield SETTLE_S
    save_png(out / "cancel_asked.png", pixels(area()))
    yield from key("ESC", *middle(region()))
    yield SETTLE_S
    outlived["out_of_the_question"] = not (job.stopping or job.ended)
    cancel.ASK_AFTER_S = asked
    yield from key("ESC", *middle(region()))
    yield from until(lambda: job.ended)
    report["escaped"] = job.state


def over_the_view(report: dict) -> Iterator[float]:
    """Esc with the mouse over the 3D view."""
    yield from key("ESC", *middle(region("WINDOW")))


def out_of_a_transform(report: dict) -> Iterator[float]:
    """G, over to the sidebar, Esc: the cube is back where it was."""
    cube = bpy.data.objects["Cube"]
    yield from key("G", *middle(region("WINDOW")))
    yield from move(*middle(region()))
    report["transformed_m"] = cube.location.length
    yield from key("ESC", *middle(region()))
    report["transformed_back_m"] = cube.location.length


def out_of_the_search(report: dict) -> Iterator[float]:
    """F3 over the sidebar, Esc."""
    yield from key("F3", *middle(region()))
    yield SETTLE_S
    yield from key("ESC", *middle(region()))


def out_of_a_field(report: dict) -> Iterator[float]:
    """A double click into the field for the photo's path, some letters, Esc: the field is left as it was."""
    side = region()
    x = side.x + int(0.5 * side.width)
    for y in range(side.y + side.height - STEP_PX, side.y, -STEP_PX):
        yield from move(x, y)
        if "gazesplat.photo" in path_under_mouse():
            break
    yield from click(x, y)
    yield from click(x, y)
    yield from key("X", x, y, unicode="x")
    yield from key("ESC", x, y)
    report["field"] = bpy.context.scene.gazesplat.photo


def over_another_tab(report: dict) -> Iterator[float]:
    """Esc over the tab Tool."""
    region().active_panel_category = "Tool"
    redraw()
    yield from key("ESC", *middle(region()))
    region().active_panel_category = "GazeSplat"
    redraw()


def out_of_the_playback(report: dict) -> Iterator[float]:
    """Esc over the tab ends the playback."""
    yield from key("SPACE", *middle(region("WINDOW")))
    yield SETTLE_S
    played = window().screen.is_animation_playing
    yield from key("ESC", *middle(region()))
    report["playback_ended"] = played and not window().screen.is_animation_playing
