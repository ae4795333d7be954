# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye benchmark on targets that the public heads do not have: one eye shut, gazes off the grid."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.bench import eye_lids
from gazesplat.backend.bench.eye_reading import HEAD_FROM_PORTRAIT, reading_errors
from gazesplat.backend.bench.eyes import Portrait, _kind, pose_of
from gazesplat.backend.eyes.geometry import from_eye
from gazesplat.gazesplat_addon.rig import lids
from gazesplat.gazesplat_addon.rig.sidecar import save_sidecar
from gazesplat.gazesplat_addon.splat.ply import write_ply
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


def test_margins_and_size_of_an_iris_are_held_against_the_truth():
    _, _, rig = synthetic_portrait()
    w2c, focal_px = np.array(rig.camera.w2c), 900.0
    camera = {"w2c": w2c.tolist(), "fx": focal_px, "fy": focal_px, "cx": 256.0, "cy": 256.0}

    def seen(points: np.ndarray) -> np.ndarray:
        x, y, z = w2c[:3, :3] @ points.T + w2c[:3, 3:]
        return np.stack([focal_px * x / z + 256.0, focal_px * y / z + 256.0], 1)

    frame = {"eyes": {}, "eyes2d": {}}
    for side, eye in rig.eyes.items():
        x = np.linspace(eye.inner_x_m, eye.outer_x_m, 200)
        rest = lids.margins(eye, x, 0.0, 0.0, 0.0)
        upper, lower = (seen(from_eye(eye, np.stack([x, y, lids.lid_height(eye, x, y)], 1))) for y in (rest.upper_rest, rest.lower_rest))
        iris = w2c[:3, :3] @ np.array(eye.iris_centre_m) + w2c[:3, 3]
        farther = w2c[:3, :3].T @ (1.02 * iris - w2c[:3, 3])
        frame["eyes"][side[0].upper()] = {"iris_world": farther.tolist()}
        frame["eyes2d"][side[0].upper()] = {"lid_upper_px": (upper + [0.0, 1.5]).tolist(), "lid_lower_px": lower.tolist()}
    found = reading_errors(rig, np.eye(4), camera, frame)
    assert found["upper_px_mean"] == pytest.approx(1.5, abs=0.02) and found["upper_px_sd"] < 0.02
    assert found["lower_px_mean"] == pytest.approx(0.0, abs=0.02)
    assert found["iris_radius_off"] == pytest.approx(0.02, abs=1e-6)


def test_a_row_of_lids_shows_one_eye_from_open_to_shut(tmp_path):
    splats, groups, rig = synthetic_portrait()
    write_ply(tmp_path / "portrait.ply", splats)
    save_sidecar(tmp_path, rig, groups)
    row = eye_lids.portrait_row(tmp_path).astype(int)
    tiles = np.split(row, len(eye_lids.BLINKS), axis=1)
    changed = [np.abs(tile - tiles[0]).mean() for tile in tiles]
    assert row.shape == (188, 1500, 3) and changed[0] == 0.0 and np.all(np.diff(changed) > 0.0)


def test_truth_is_shown_in_the_order_in_which_lids_come_down():
    def target(role: str, left: float, right: float) -> dict:
        return {"role": role, "stem": f"{role}_{left}", "camera": {}, "gaze": [0.0, 0.0], "blink": {"L": left, "R": right}}

    request = {"input": "input.png", "camera": {},
               "targets": [target("blink", 1.0, 1.0), target("gaze", 0.0, 0.0), target("blink", 0.0, 0.9), target("blink", 0.25, 0.25)]}
    assert [one["file"] for one in eye_lids._from_open_to_shut(request)] == ["input.png", "blink_0.25.png", "blink_1.0.png"]
