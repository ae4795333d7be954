# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion benchmark holds its own bars and tells a still face from a living one."""
from __future__ import annotations

import json

import pytest

from gazesplat.backend.bench import motion
from gazesplat.gazesplat_addon.gaze.presets import all_presets


def test_benchmark_prints_a_table_and_writes_json(tmp_path, capsys):
    assert motion.main(["--minutes", "3", "--seed", "1", "--json", str(tmp_path / "motion.json")]) == 0
    rows = json.loads((tmp_path / "motion.json").read_text("utf-8"))
    assert list(rows) == [*all_presets(), "browser GazeSplat"]
    assert all(rows[name]["in_band_24"] >= 0.95 for name in all_presets())
    assert capsys.readouterr().out.count("\n") == len(motion.COLUMNS) + 1


def test_the_original_never_darts_and_never_blinks():
    row = motion.run_original(60.0)
    assert row["fastest_deg_s"] == pytest.approx(1.75, abs=0.01)
    assert row["saccades_per_minute"] == row["blinks_per_minute"] == 0


def test_a_missed_bar_is_named():
    row = motion.run_preset(all_presets()["listening"], 60.0, seed=1)
    assert motion.broken_bars(row | {"blinks_per_minute": 90.0}) == ["blink rate in its range"]
