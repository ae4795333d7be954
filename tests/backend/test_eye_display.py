# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye benchmark's pictures from Blender: the engines' eyes are the fast engine's eyes, in place and posed alike."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.bench.eye_display import ROOT, Shown, as_text, cross_check, sample_of
from gazesplat.backend.bench.eyes import SUPERSAMPLE
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.gazesplat_addon.rig.aim import eye_poses_toward
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import SourceCamera
from tests.synthetic import synthetic_portrait


def shown(stem: str, target_m: np.ndarray, blink: dict[str, float]) -> tuple:
    """Return a made-up portrait and one target of it whose truth is the fast engine's own picture."""
    splats, groups, rig = synthetic_portrait(head_count=900)
    middle = np.array(rig.camera.w2c)[:3] @ np.append(np.mean([eye.iris_centre_m for eye in rig.eyes.values()], axis=0), 1.0)
    focal = 96 * middle[2] / 0.2
    # The principal point lies away from the middle, as a lens shift shows it.
    camera = SourceCamera(96, 72, focal, focal, 40.0 - focal * middle[0] / middle[2], 30.0 - focal * middle[1] / middle[2], rig.camera.w2c)
    aimed = eye_poses_toward(rig, target_m)
    pose = Pose({side: EyePose(eye.yaw_deg, eye.pitch_deg, blink[side]) for side, eye in aimed.eyes.items()})
    seen = Camera(camera.width, camera.height, focal, focal, camera.cx, camera.cy, np.array(camera.w2c))
    drawn = render(pose_splats(splats, groups, rig, pose), seen.scaled(SUPERSAMPLE), RenderSettings())
    picture = np.clip(drawn.rgb, 0.0, 1.0).reshape(72, SUPERSAMPLE, 96, SUPERSAMPLE, 3).mean((1, 3)).astype(np.float32)
    eyes = np.zeros((72, 96), bool)
    eyes[20:40, 12:68] = True
    one = Shown(stem, "gaze", camera, target_m, blink, picture, picture, np.zeros_like(picture), np.ones_like(eyes), eyes)
    return splats, groups, rig, one


def test_cycles_shows_the_fast_engines_eyes():
    if not list(ROOT.glob(".venv/blender-*/bin/python")):
        pytest.skip("no Blender is set up")
    splats, groups, rig, one = shown("aside", np.array([0.12, -0.6, -0.05]), {"left": 0.0, "right": 0.4})
    (row,) = cross_check(splats, groups, rig, [one], SUPERSAMPLE, engines=("CYCLES",))
    assert row["cycles"]["likeness_db"] > 50.0, row
    assert "aside" in as_text([row])


def test_a_sample_spans_the_targets():
    targets = list(range(18))
    assert sample_of(targets, 4) == [0, 6, 11, 17]
    assert sample_of(targets, 40) == targets
