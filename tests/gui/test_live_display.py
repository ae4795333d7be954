# SPDX-License-Identifier: GPL-3.0-or-later
"""The live display in a real window: the viewport's pixels are those of the readable reference, in every shading mode.

The environment variable GAZESPLAT_GUI_BLENDER names the executable of a windowed Blender.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.render import reference
from gazesplat.backend.render.interface import Camera, RenderSettings
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.splat.ply import read_ply
from tests.portrait_files import write_portrait

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("live_display.py")
POSE = Pose({"left": EyePose(12.0, -5.0, 0.5), "right": EyePose(12.0, -5.0, 0.0)})
STEP = 1.0 / 255.0


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> tuple[Path, Path, dict]:
    """(portrait's folder, folder of pictures, report) of one run in a window."""
    program = os.environ.get("GAZESPLAT_GUI_BLENDER")
    if not program:
        pytest.skip("GAZESPLAT_GUI_BLENDER names no Blender that opens a window on a virtual screen")
    out = tmp_path_factory.mktemp("window")
    portrait = write_portrait(out / "Mara", head_count=4000, sh_degree=1)
    environment = {**os.environ, "GAZESPLAT_GUI_OUT": str(out), "GAZESPLAT_GUI_PORTRAIT": str(portrait)}
    command = [sys.executable, str(ROOT / "dev.py"), "gui", "--blender", program, "--script", str(SCRIPT)]
    subprocess.run(command, env=environment, check=True, timeout=600, stdin=subprocess.DEVNULL)
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert "traceback" not in report, report["traceback"]
    return portrait, out, report


def expected(portrait: Path, view: dict, pose: Pose) -> np.ndarray:
    """Return the reference's picture (H, W, 4) of what a viewport's matrices show."""
    splats = read_ply(portrait / "portrait.ply")
    rig, groups = load_sidecar(portrait, len(splats))
    (width, height), p = view["size"], np.array(view["projection"])
    w2c, parallel = np.diag([1.0, -1.0, -1.0, 1.0]) @ np.array(view["view"]), p[3, 3] == 1.0
    shift_x, shift_y = (p[0, 3], p[1, 3]) if parallel else (-p[0, 2], -p[1, 2])
    if parallel:
        w2c[2, 3] += 10.0     # Blender's parallel views look from the midst of the scene
    camera = Camera(width, height, p[0, 0] * width / 2, p[1, 1] * height / 2, (1.0 + shift_x) * width / 2, (1.0 - shift_y) * height / 2,
                    w2c, orthographic=parallel)
    eye = camera.position if not parallel else camera.position - 1e6 * w2c[2, :3]
    return reference.render(pose_splats(splats, groups, rig, pose, eye), camera, RenderSettings(transmittance_stop=0.0)).rgba()


def displayed(out: Path, name: str) -> np.ndarray:
    """Return display values (H, W, 3) of the layer, an sRGB texture: Blender shows the light in it to the power of 1/2.2."""
    stored = np.load(out / f"{name}.npy")[..., :3]
    return np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4) ** (1.0 / 2.2)


def test_viewport_shows_the_reference(seen):
    portrait, out, report = seen
    for mode in ("parallel", "solid", "material", "wireframe", "reopened"):
        wanted = expected(portrait, report["modes"][mode], POSE)
        opaque = wanted[..., 3] > 0.999
        assert opaque.mean() > 0.05
        error = np.abs(displayed(out, mode)[opaque] - wanted[opaque][:, :3].clip(0.0, 1.0))
        assert np.percentile(error, 99.5) <= 2.0 * STEP and error.mean() < 0.7 * STEP, (mode, error.mean() / STEP)
    at_rest = np.abs(displayed(out, "rest")[opaque] - wanted[opaque][:, :3])
    assert at_rest.max() > 0.2     # the pose is seen


def test_gaze_change_sends_at_most_the_order_of_the_eyes(seen):
    _, _, report = seen
    # Where the eyes' splats stand in the order, and padding; a blink that is seen half way may be sorted twice.
    assert report["gaze_texture_bytes"] <= 3 * 8 * (report["eye_splats"] + 1024)


def test_nothing_is_drawn_when_switched_off_or_disabled(seen):
    _, out, report = seen
    assert report["problem"] == "" and report["off"] is False
    for mode in ("off", "disabled"):
        assert np.load(out / f"{mode}.npy")[..., 3].max() == 0.0, mode
