# SPDX-License-Identifier: GPL-3.0-or-later
"""What a globe may learn from the photo: hardly anything beside lids and under reflections, whose errors it would make up for, no hairs."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.model import refine
from gazesplat.backend.model.scan import EyeRuler, FaceScan
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.render.numba_training import backward, forward
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


def test_a_splat_alone_weighs_its_footprint() -> None:
    splats, groups, rig = synthetic_portrait()
    one = splats.select(np.flatnonzero(groups == parts.code("left", parts.SCLERA))[:1])
    posed = pose_splats(one, np.zeros(1, np.uint8), replace(rig, eyes={}), Pose())
    w2c = np.array(rig.camera.w2c)
    at = w2c[:3] @ np.append(posed.means[0], 1.0)
    camera = Camera(64, 64, 6000.0, 6000.0, 32.0 - 6000.0 * at[0] / at[2], 32.0 - 6000.0 * at[1] / at[2], w2c)
    _, tape = forward(posed, camera, RenderSettings())
    weight = backward(tape, np.ones((64, 64, 3), np.float32)).colours[0, 0]
    assert weight == pytest.approx(refine._footprint(posed, camera)[0, 0], rel=0.1)


def test_a_lash_over_the_white_of_an_eye_is_not_learned_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dark hair that the photo shows over the sclera must not turn with the globe; a shade over all of it may."""
    monkeypatch.setattr(refine, "ALIKE_IRIS_RADII", 0.9)       # this globe has few splats
    splats, groups, rig = synthetic_portrait()
    eye = rig.eyes["left"]
    w2c = np.array(rig.camera.w2c)
    iris = w2c[:3] @ np.append(eye.iris_centre_m, 1.0)
    focal = 30.0 * iris[2] / eye.iris_radius_m
    camera = Camera(240, 160, focal, focal, 120.0 - focal * iris[0] / iris[2], 80.0 - focal * iris[1] / iris[2], w2c)
    shown = np.ascontiguousarray(render(pose_splats(splats, groups, rig, Pose()), camera, RenderSettings()).rgb, np.float32)
    shown *= 0.9
    columns = slice(172, 175)      # beside the iris, between the lids
    shown[74:84, columns] *= 0.3
    flat = np.full((160, 240), float(iris[2]), np.float32)
    scan = FaceScan(shown, np.zeros((478, 3)), {}, focal, focal, camera.cx, camera.cy, w2c, np.ones_like(flat), flat, flat, {}, EyeRuler())
    fitted = refine.fit_colours(scan, splats, groups, rig, lambda share, text: None)
    sclera = np.flatnonzero(groups == parts.code("left", parts.SCLERA))
    at = splats.means[sclera] @ w2c[:3, :3].T + w2c[:3, 3]
    x, y = at[:, 0] / at[:, 2] * focal + camera.cx, at[:, 1] / at[:, 2] * focal + camera.cy
    front = (at[:, 2] < iris[2] + 0.008) & (np.abs(y - 80.0) < 14.0)
    change = (fitted.colours[sclera] - splats.colours[sclera]).mean(1)
    under = front & (np.abs(x - 173.5) < 3.0) & (np.abs(y - 79.0) < 4.0)
    beside = front & (np.abs(x - 165.5) < 3.5)
    assert under.sum() >= 1 and beside.sum() >= 4
    assert change[beside].mean() < -0.02, "it does learn how bright the photo is"
    assert change[under].mean() > change[beside].mean() - 0.06
