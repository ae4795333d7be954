# SPDX-License-Identifier: GPL-3.0-or-later
"""Both eyes meet at the point they look at, by the angles people's eyes turn."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.gazesplat_addon.rig.aim import eye_angles_toward, eye_poses_toward
from gazesplat.gazesplat_addon.rig.globe import gaze_rotation
from gazesplat.gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera
from tests.synthetic import synthetic_eye, synthetic_portrait

# Total vergence in degrees at a distance in metres, interpupillary distance 63 mm: 2 atan(31.5 mm / distance).
VERGENCE = [(0.3, 12.0), (0.5, 7.2), (1.0, 3.6), (2.0, 1.8), (5.0, 0.7)]


@pytest.fixture(scope="module")
def rig():
    return synthetic_portrait(head_count=1)[2]


def gaze_axis(eye, pose):
    """Return the posed gaze axis (3,) in the portrait frame."""
    first, second = gaze_rotation(np.radians(pose.yaw_deg), np.radians(pose.pitch_deg))
    return eye.gaze_frame() @ first @ second @ [0.0, 0.0, 1.0]


def turned(eye, yaw_deg, pitch_deg):
    """Return the eye as if the photo had shown it looking elsewhere."""
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    return replace(eye, rest_axis=(np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)))


@pytest.mark.parametrize("distance_m,vergence_deg", VERGENCE)
def test_vergence_matches_the_table_for_63_mm(rig, distance_m, vergence_deg):
    eyes = eye_poses_toward(rig, np.array([0.0, -distance_m, 0.0])).eyes
    assert eyes["right"].yaw_deg - eyes["left"].yaw_deg == pytest.approx(vergence_deg, abs=0.1)
    assert eyes["left"].yaw_deg == pytest.approx(-eyes["right"].yaw_deg)
    assert eyes["left"].pitch_deg == eyes["right"].pitch_deg == pytest.approx(0.0)


def test_signs_are_the_subjects_left_and_up():
    eye = synthetic_eye("left")
    ahead = np.asarray(eye.centre_m) + [0.0, -1.0, 0.0]
    assert eye_angles_toward(eye, ahead) == pytest.approx((0.0, 0.0))
    assert eye_angles_toward(eye, ahead + [1.0, 0.0, 0.0]) == pytest.approx((45.0, 0.0))
    assert eye_angles_toward(eye, ahead + [0.0, 0.0, 1.0]) == pytest.approx((0.0, 45.0))


@pytest.mark.parametrize("point_m", [(0.0, -0.3, 0.0), (0.3, -0.6, 0.2), (-0.5, -1.0, -0.3), (2.0, -4.0, 1.0)])
@pytest.mark.parametrize("rest", [(0.0, 0.0), (12.0, -5.0), (-20.0, 10.0)])
def test_posed_axes_pass_through_the_target_from_any_rest_gaze(point_m, rest):
    for side in ("left", "right"):
        eye = turned(synthetic_eye(side), *rest)
        rig = PortraitRig(SourceCamera(1, 1, 1.0, 1.0, 0.5, 0.5, tuple(map(tuple, np.eye(4)))), {side: eye})
        pose = eye_poses_toward(rig, np.asarray(point_m)).eyes[side]
        wanted = np.subtract(point_m, eye.centre_m)
        assert gaze_axis(eye, pose) == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-9)


def test_the_rest_gaze_is_subtracted():
    straight, aside = synthetic_eye("left"), turned(synthetic_eye("left"), 10.0, 0.0)
    point = np.array([0.2, -0.8, 0.0])
    assert eye_angles_toward(straight, point)[0] - eye_angles_toward(aside, point)[0] == pytest.approx(10.0)


def test_limits_are_left_to_the_caller(rig):
    assert eye_poses_toward(rig, np.array([1.0, 0.0, 0.0])).eyes["left"].yaw_deg == pytest.approx(90.0)


def test_a_head_without_eyes_has_an_empty_pose(rig):
    assert eye_poses_toward(replace(rig, eyes={}), np.array([0.0, -1.0, 0.0])).eyes == {}
