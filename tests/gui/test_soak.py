# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing grows in a real window either, where handlers, timers and the live display are Blender's own.

GAZESPLAT_GUI_SOAK says how long: "500,2000" are the cycles and frames of docs/benchmarks.md, the default is a small piece.
"""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.portrait_files import write_portrait

ROOT = Path(__file__).resolve().parents[2]
SMALL = "24,120"
MOST_KB_PER_STEP = 1500.0    # as in tests/blender/test_soak.py


def test_nothing_grows_in_a_window(tmp_path):
    program = os.environ.get("GAZESPLAT_GUI_BLENDER")
    if not program:
        pytest.skip("GAZESPLAT_GUI_BLENDER names no Blender that opens a window on a virtual screen")
    cycles, frames = os.environ.get("GAZESPLAT_GUI_SOAK", SMALL).split(",")
    portrait = write_portrait(tmp_path / "made-up", head_count=2000)
    environment = {**os.environ, "GUI_SIZE": "700x500", "GUI_TIMEOUT": "7200", "BLENDER_USER_RESOURCES": str(tmp_path / "profile")}
    script = Path(__file__).with_name("soak_window.py")
    command = [program, "--python", str(script), "--", str(ROOT), str(portrait), cycles, frames, str(tmp_path / "report.json")]
    subprocess.run(command, env=environment, check=False, timeout=7300, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert "traceback" not in report, report["traceback"]
    for part in report["parts"]:
        print({name: part[name] for name in ("part", "steps", "kb_per_step", "first_mb", "warm_mb", "last_mb")})
        assert not part["grown"], part
        assert part["kb_per_step"] < MOST_KB_PER_STEP, part
