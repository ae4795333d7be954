# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a windowed Blender: the soak's walk (tests/bench/soak.py), every step of it drawn.

Arguments after ``--``: folder of the checkout, folder of a portrait, how many cycles, how many frames, where to write the report.
"""
from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

import addon_utils
import bpy

ROOT, PORTRAIT, CYCLES, FRAMES, REPORT = sys.argv[sys.argv.index("--") + 1:][:5]
sys.path[:0] = [ROOT, str(Path(__file__).parent)]

from screen import redraw

from tests.bench import soak

EXTENSION = "bl_ext.user_default.gazesplat"


def run() -> None:
    """Drive the walk by a timer and leave."""
    extensions = Path(bpy.utils.user_resource("EXTENSIONS")) / "user_default"
    extensions.mkdir(parents=True, exist_ok=True)
    (extensions / "gazesplat").symlink_to(ROOT)
    addon_utils.enable(EXTENSION, default_set=True)
    parts: list[soak.Part] = []
    walk = soak.walk(importlib.import_module(EXTENSION), Path(PORTRAIT), cycles=int(CYCLES), frames=int(FRAMES), drawn=redraw, parts=parts)

    def tick() -> float:
        try:
            next(walk)
            return 0.0
        except StopIteration:
            report = {"version": bpy.app.version_string, "parts": [part.report() for part in parts]}
        except BaseException:  # noqa: BLE001 - whatever it is, the test that waits shall read it
            report = {"traceback": traceback.format_exc()}
        Path(REPORT).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        sys.stdout.flush()
        os._exit(0)

    bpy.app.timers.register(tick, first_interval=0.5, persistent=True)


bpy.context.preferences.view.show_splash = False
run()
