# SPDX-License-Identifier: GPL-3.0-or-later
"""The Rendered viewport in a real window shows what F12 renders, rests when nothing changes, and follows the eyes."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.portrait_files import write_portrait

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "GAZESPLAT_GUI_BLENDER"


def test_rendered_viewport_is_f12(tmp_path):
    program = os.environ.get(VARIABLE)
    if not program:
        pytest.skip(f"{VARIABLE} names no Blender that opens a window on a virtual screen")
    write_portrait(tmp_path / "Mara", head_count=1500)
    environment = {**os.environ, "GUI_SIZE": "900x700", "BLENDER_USER_RESOURCES": str(tmp_path / "profile")}
    script = Path(__file__).with_name("rendered_viewport.py")
    subprocess.run([program, "--python", str(script), "--", str(ROOT), str(tmp_path / "Mara"), str(tmp_path)], env=environment,
                   check=False, timeout=500)
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert "traceback" not in report, report["traceback"]
    for view in ("Standard", "AgX"):
        # A splat ends where it covers less than 1/255: there, rounding may decide of single pixels.
        assert report[view]["spread"] > 100 and report[view]["above_2"] < 1e-5 and report[view]["largest"] <= 3, report
    assert report["drawn_at_rest"] == 0 and report["changed_by_gaze"] > 20 and report["closed"], report
