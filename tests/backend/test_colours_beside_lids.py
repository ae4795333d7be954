# SPDX-License-Identifier: GPL-3.0-or-later
"""What a globe may learn from the photo: hardly anything beside lids and under reflections, whose errors it would make up for."""
from __future__ import annotations

import numpy as np

from gazesplat.backend.model import refine
from gazesplat.backend.render import Camera
from gazesplat.gazesplat_addon.rig import parts
from gazesplat.gazesplat_addon.rig.pose import Pose, PosedSplats, pose_splats
from tests.synthetic import synthetic_portrait


def test_globes_learn_freely_in_the_open_and_hardly_beside_what_covers_them():
    splats, groups, rig = synthetic_portrait()
    eye = rig.eyes["left"]
    w2c = np.array(rig.camera.w2c)
    iris = w2c[:3] @ np.append(eye.iris_centre_m, 1.0)
    focal = 40.0 * iris[2] / eye.iris_radius_m         # 40 pixels an iris
    camera = Camera(400, 300, focal, focal, 200.0 - focal * iris[0] / iris[2], 150.0 - focal * iris[1] / iris[2], w2c)
    posed = pose_splats(splats, groups, rig, Pose())
    limit = refine._covered_limit(posed, camera, rig)[:, 0]
    assert np.isinf(limit[groups == parts.HEAD]).all()
    assert np.isinf(limit[groups == parts.code("left", parts.UPPER_LID)]).all()
    globe = np.flatnonzero(parts.is_part(groups, "left", parts.GLOBE_PARTS))
    at = posed.means[globe] @ w2c[:3, :3].T + w2c[:3, 3]
    pixels = at[:, :2] / at[:, 2:] * focal + [camera.cx, camera.cy]
    covers = posed.means[parts.is_part(groups, "left", (*parts.LID_PARTS, parts.HIGHLIGHT))] @ w2c[:3, :3].T + w2c[:3, 3]
    covers = covers[:, :2] / covers[:, 2:] * focal + [camera.cx, camera.cy]
    nearest = np.array([np.hypot(*(covers - p).T).min() for p in pixels])
    inside = ((pixels > 5.0) & (pixels < [395.0, 295.0])).all(1)
    assert limit[globe].max() <= refine.MOST_CHANGE + 1e-6
    assert (limit[globe][inside & (nearest > 15.0)] > 0.9 * refine.MOST_CHANGE).all()
    assert (inside & (nearest > 15.0)).any()
    assert np.median(limit[globe][inside & (nearest < 1.0)]) < 0.4 * refine.MOST_CHANGE


def test_a_film_that_turns_its_edge_to_the_camera_learns_little():
    """Seen from the side, what it learned would add up along it to a dark arc."""
    camera = Camera(64, 64, 64.0, 64.0, 32.0, 32.0, np.eye(4))
    flat = np.diag([1e-4, 1e-4, 1e-6])
    a = np.radians(75.0)
    turn = np.array([[np.cos(a), 0.0, np.sin(a)], [0.0, 1.0, 0.0], [-np.sin(a), 0.0, np.cos(a)]])
    factors, grey = np.stack([flat, turn @ flat]), np.full((2, 3), 0.5)
    posed = PosedSplats(np.array([[0.0, 0.0, 0.5]] * 2), factors, np.ones(2), grey, np.zeros(2, np.uint8))
    share = refine._facing(posed, np.ones(2, bool), camera)[:, 0]
    assert share[0] > 0.95 and share[1] < 0.2
