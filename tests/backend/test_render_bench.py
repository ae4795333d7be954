# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser's benchmark runs, and its gates are ratios and counts."""
from __future__ import annotations

import json

import numpy as np

from gazesplat.backend.bench import engine, rasteriser
from gazesplat.backend.bench.head_scene import head_camera, synthetic_head
from gazesplat.backend.render import RenderSettings, numba_tiles


def test_small_run_prints_a_table_and_writes_json(tmp_path, capsys):
    target = tmp_path / "rasteriser.json"
    assert rasteriser.main(["--small", "--repeats", "1", "--json", str(target)]) == 0
    assert "2K 96x64" in capsys.readouterr().out
    report = json.loads(target.read_text("utf-8"))
    assert report["reference"]["psnr_db"] >= 90.0
    assert report["reference"]["ratio"] > 20.0
    assert 0.0 < report["cases"][0]["gflop"] < 1.0


def test_engine_small_run_prints_its_figures_and_writes_json(tmp_path, capsys):
    target = tmp_path / "engine.json"
    assert engine.main(["--small", "--repeats", "1", "--json", str(target)]) == 0
    assert "a glance, windows" in capsys.readouterr().out
    report = json.loads(target.read_text("utf-8"))
    assert min(report["psnr_db"].values()) >= 90.0 and len(report["psnr_db"]) == 4
    assert report["worker"]["square_glance_windows"]["bytes_sent"] < 4096
    assert "blender" not in report


def test_hidden_splats_cost_nothing():
    """Of a head of solid splats the far half is hidden, and tiles that are finished stop early."""
    head, camera = synthetic_head(20_000), head_camera(256, 256)
    work = {}
    for name, opacity in (("faint", 0.05), ("solid", 1.0)):
        strips = np.zeros(1, np.int64)
        posed = type(head)(head.means, head.factors * np.float32(4.0), np.full(len(head), opacity, np.float32), head.colours, head.groups)
        numba_tiles.render(posed, camera, RenderSettings(), threads=1, strips_blended=strips)
        work[name] = strips[0]
    assert work["solid"] < 0.6 * work["faint"]
