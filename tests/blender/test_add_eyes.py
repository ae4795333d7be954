# SPDX-License-Identifier: GPL-3.0-or-later
"""A splat head that another program made gets living eyes from Blender's console: they look, shut, and can be corrected."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.engine_pictures import rendered

ROOT = Path(__file__).resolve().parents[2]
UP_PX = 2.0

pytestmark = pytest.mark.skipif("GAZESPLAT_BACKEND_PYTHON" not in os.environ, reason="GAZESPLAT_BACKEND_PYTHON names no backend")


def shown(portrait, folder: Path, name: str) -> np.ndarray:
    """Return the picture (H, W, 4) that the portrait's own camera takes, as our engine draws it."""
    scene, camera = portrait.scene, json.loads((portrait.folder / "portrait.json").read_text("utf-8"))["camera"]
    scene.render.engine, scene.camera, scene.render.film_transparent = "GAZESPLAT", portrait.camera, True
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = camera["width"], camera["height"], 100
    return rendered(folder, name)


def test_a_head_from_elsewhere_looks_shuts_its_eyes_and_is_corrected(clean, gs, room, tmp_path, monkeypatch):
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    python = os.environ["GAZESPLAT_BACKEND_PYTHON"]
    subprocess.run([python, str(ROOT / "tests" / "foreign_head.py"), str(tmp_path)], check=True, capture_output=True, timeout=300)
    camera = json.loads((tmp_path / "camera.json").read_text("utf-8"))
    portrait = gs.add_eyes(tmp_path / "head.ply", photo=tmp_path / "view.png", focal_px=camera["focal_px"],
                           centre_px=camera["centre_px"], world_to_camera=camera["w2c"], name="Elsewhere")
    assert portrait.name == "Elsewhere" and portrait.rigged
    means = np.empty(3 * len(portrait.object.data.vertices), np.float32)
    portrait.object.data.attributes["position"].data.foreach_get("vector", means)
    assert 0.15 < np.ptp(means.reshape(-1, 3)[:, 2]) < 0.5, "a head in metres, upright"
    rest = shown(portrait, tmp_path, "rest")
    portrait.gaze = (20.0, 5.0)
    aside = shown(portrait, tmp_path, "aside")
    portrait.gaze = (0.0, 0.0)
    portrait.eyes.left.openness = portrait.eyes.right.openness = 0.0
    shut = shown(portrait, tmp_path, "shut")
    portrait.eyes.left.openness = portrait.eyes.right.openness = 1.0
    for other in (aside, shut):
        moved = np.abs(other - rest).max(-1) > 0.05
        assert 20 < moved.sum() < 0.03 * moved.size, "the eyes move, and nothing else"
    # What an artist draws is built, over the picture that was given; the head is the same.
    marks, heads = portrait.eye_marks, len(means)
    upper = np.array(marks["left"]["upper"])
    upper[1:-1, 1] -= UP_PX
    assert portrait.rebuild_eyes({"left": {"upper": upper.tolist()}}) == portrait
    np.testing.assert_allclose(np.array(portrait.eye_marks["left"]["upper"])[2], upper[2], atol=0.3)
    assert abs(3 * len(portrait.object.data.vertices) - heads) < 0.3 * heads
    changed = np.abs(shown(portrait, tmp_path, "corrected") - rest).max(-1) > 0.05
    columns = np.nonzero(changed.any(0))[0]
    middle = 0.5 * changed.shape[1]
    assert 10 < changed.sum() < 0.02 * changed.size and columns.min() > middle - 0.1 * changed.shape[1], "the left eye alone"
    assert bpy.context.scene.camera == portrait.camera
