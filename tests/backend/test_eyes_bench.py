# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye benchmark on targets that the public heads do not have: one eye shut, gazes off the grid."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.bench.eyes import HEAD_FROM_PORTRAIT, Portrait, _kind, pose_of
from tests.synthetic import synthetic_portrait


def test_each_eye_blinks_by_itself():
    splats, groups, rig = synthetic_portrait()
    target = {"role": "blink", "gaze": [0.0, 0.0], "blink": {"L": 0.0, "R": 0.85}}
    pose = pose_of(Portrait(splats, groups, rig, np.eye(4), 0.0), {"gaze_distance_m": 0.6}, target)
    assert (pose.eyes["left"].blink, pose.eyes["right"].blink) == (0.0, 0.85)
    assert _kind(target) == "wink"


def test_eyes_converge_on_gazes_off_the_grid():
    splats, groups, rig = synthetic_portrait()
    target = {"role": "gaze", "gaze": [7.3, -4.1], "blink": {"L": 0.0, "R": 0.0}}
    pose = pose_of(Portrait(splats, groups, rig, np.eye(4), 0.0), {"gaze_distance_m": 0.6}, target)
    left, right = pose.eyes["left"], pose.eyes["right"]
    assert left.yaw_deg < 7.3 < right.yaw_deg
    axis = HEAD_FROM_PORTRAIT @ np.array(rig.eyes["left"].rest_axis)
    assert 0.5 * (left.pitch_deg + right.pitch_deg) + np.degrees(np.arcsin(axis[1])) == pytest.approx(-4.1, abs=0.5)
