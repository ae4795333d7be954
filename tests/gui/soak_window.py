# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a windowed Blender: the soak's walk (tests/bench/soak.py), every step of it drawn.

Arguments after ``--``: folder of the checkout, folder of a portrait, how many cycles, how many frames, where to write the report.
"""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT, PORTRAIT, CYCLES, FRAMES, REPORT = sys.argv[sys.argv.index("--") + 1:][:5]
sys.path[:0] = [ROOT, str(Path(__file__).parent)]

import bpy
import session
from screen import redraw

from tests.bench import soak

report: dict = {"version": bpy.app.version_string}


def steps() -> Iterator[float]:
    """Cycles, files, frames; between any two steps Blender's event loop runs."""
    parts: list[soak.Part] = []
    for _ in soak.walk(session.enable(Path(ROOT)), Path(PORTRAIT), cycles=int(CYCLES), frames=int(FRAMES), drawn=redraw, parts=parts):
        yield 0.0
    report["parts"] = [part.report() for part in parts]


session.drive(steps(), report, Path(REPORT))
