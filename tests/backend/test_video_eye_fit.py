# SPDX-License-Identifier: GPL-3.0-or-later
"""Built eyes that are in the wrong place and of the wrong colour find both in views from other sides, and stay eyes that can move."""
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.video import eye_fit
from gazesplat.backend.video.eye_mould import ALONG, AWAY, Mould, Shape
from gazesplat.backend.video.eye_views import EyeView
from gazesplat.gazesplat_addon.rig import parts
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from tests.synthetic import synthetic_portrait

SIDE = "left"
GLOBE_BACK_M, CORNER_BACK_M = 0.0010, 0.0020
DARKER = 0.08
LONGER = 1.06


def quiet(done: float, text: str) -> None:
    assert 0.0 <= done <= 1.0 and text


def camera_at(yaw_deg: float) -> Camera:
    """60 cm from the eye, ten pixels an iris radius."""
    turn, (s, c) = np.eye(4), (np.sin(np.radians(yaw_deg)), np.cos(np.radians(yaw_deg)))
    turn[:3, :3] = [[c, s, 0.0], [0.0, 0.0, -1.0], [-s, c, 0.0]]
    turn[:3, 3] = [-0.0315, 0.0, 0.6]
    return Camera(160, 120, 1000.0, 1000.0, 80.0, 60.0, turn)


def drawn(splats, groups, rig, camera, pose=None):
    """A picture as a phone takes it: finer than its pixels, averaged."""
    fine = render(pose_splats(splats, groups, rig, pose or Pose(), camera.position), camera.scaled(2), RenderSettings())
    rgba = np.dstack([fine.rgb, fine.alpha]).reshape(camera.height, 2, camera.width, 2, 4).mean((1, 3))
    return rgba[..., :3], rgba[..., 3]


def true_shape() -> Shape:
    """Globe and outer corner lie deeper than they were built."""
    shape = Shape.as_built()
    shape.shift[:] = [0.0, GLOBE_BACK_M, 0.0]
    net = shape.along_ray.reshape(2, len(AWAY), len(ALONG))
    net[:, :, -4:] = CORNER_BACK_M
    return shape


def views_of(splats, groups, rig) -> list[EyeView]:
    """Seven pictures of an arc; the phone exposes them ever longer."""
    found = []
    for n, yaw in enumerate((-36.0, -24.0, -12.0, 0.0, 12.0, 24.0, 36.0)):
        rgb, alpha = drawn(splats, groups, rig, camera_at(yaw))
        found.append(EyeView((rgb + (1.0 - alpha[..., None]) * np.float32(0.3)) * np.float32(LONGER ** (n - 3)), alpha, camera_at(yaw)))
    return found


@pytest.fixture(scope="module")
def story():
    splats, groups, rig = synthetic_portrait(head_count=2500, sh_degree=1)
    splats = replace(splats, sh_rest=np.zeros_like(splats.sh_rest))
    rig = replace(rig, eyes={SIDE: rig.eyes[SIDE]})
    eye = eye_fit.EyeFit(SIDE, splats, groups, rig, [])
    eye.shape = true_shape()
    truth, true_rig = eye.fitted(splats), replace(rig, eyes={SIDE: eye.mould.shaped_rig(eye.shape)})
    lid, iris = (np.isin(groups, [parts.code(SIDE, p) for p in which]) for which in ((parts.LOWER_LID,), (parts.IRIS, parts.PUPIL)))
    truth = replace(truth, colours=(truth.colours - DARKER * (lid | iris)[:, None]).clip(0.0, 1.0).astype(np.float32))
    fitted, found = eye_fit.fit_eyes(splats, groups, rig, views_of(truth, groups, true_rig), quiet)
    return SimpleNamespace(splats=splats, groups=groups, rig=rig, truth=truth, true_rig=true_rig, fitted=fitted, found=found, lid=lid,
                           iris=iris)


def test_globe_and_corner_are_found_from_the_side(story):
    eye, true, built = (rig.eyes[SIDE] for rig in (story.found, story.true_rig, story.rig))
    assert np.linalg.norm(np.subtract(eye.centre_m, true.centre_m)) < 0.4 * GLOBE_BACK_M
    assert np.linalg.norm(np.subtract(eye.iris_centre_m, eye.centre_m)) == pytest.approx(built.lever_yaw_m, abs=1e-6)
    corner = np.isin(story.groups, [parts.code(SIDE, parts.UPPER_LID), parts.code(SIDE, parts.LOWER_LID)])
    corner &= np.hypot(story.splats.means[:, 0] - built.centre_m[0] - built.outer_x_m, story.splats.means[:, 2]) < 0.004
    deeper = (story.fitted.means - story.splats.means)[corner, 1].mean()
    assert 0.5 * CORNER_BACK_M < deeper < 1.4 * CORNER_BACK_M


def test_a_view_that_was_not_fitted_comes_nearer(story):
    camera = camera_at(30.0)
    wanted, _ = drawn(story.truth, story.groups, story.true_rig, camera)
    before, after = (np.square(drawn(splats, story.groups, rig, camera)[0] - wanted).mean()
                     for splats, rig in ((story.splats, story.rig), (story.fitted, story.found)))
    assert after < 0.4 * before


def test_lids_learn_colours_and_irises_and_head_keep_theirs(story):
    kept = story.iris | (story.groups == parts.HEAD)
    np.testing.assert_array_equal(story.fitted.colours[kept], story.splats.colours[kept])
    np.testing.assert_array_equal(story.fitted.means[story.groups == parts.HEAD], story.splats.means[story.groups == parts.HEAD])
    change = story.fitted.colours[story.lid] - story.splats.colours[story.lid]
    assert -1.4 * DARKER < np.median(change) < -0.4 * DARKER
    by_side = story.fitted.sh_rest[story.lid, 2]        # along x: what exposure would teach them
    assert np.abs(np.median(by_side)) < 0.02
    assert np.abs(change).max() <= eye_fit.MOST_CHANGE_OF[parts.LOWER_LID] + 1e-6


@pytest.mark.parametrize("pose", [Pose.both(yaw_deg=30.0), Pose.both(yaw_deg=-30.0), Pose.both(pitch_deg=20.0), Pose.both(blink=1.0)],
                         ids=["left", "right", "up", "shut"])
def test_a_fitted_eye_moves_as_the_true_one(story, pose):
    camera = camera_at(20.0)
    wanted, _ = drawn(story.truth, story.groups, story.true_rig, camera, pose)
    before, after = (np.square(drawn(splats, story.groups, rig, camera, pose)[0] - wanted).mean()
                     for splats, rig in ((story.splats, story.rig), (story.fitted, story.found)))
    assert after < 0.6 * before


def test_a_shut_upper_lid_comes_to_lie_before_the_lower_one() -> None:
    """Behind it, the lash line would be hidden; views of open eyes do not say so, and may have it there."""
    splats, groups, rig = synthetic_portrait(head_count=200)
    fit = eye_fit.EyeFit(SIDE, splats, groups, replace(rig, eyes={SIDE: rig.eyes[SIDE]}), [])
    assert fit.mould.shaped_rig(fit.shape).lead_m == 0.0
    net = fit.shape.along_ray.reshape(2, len(AWAY), len(ALONG))
    net[0, 0], net[1, 0] = 0.0012, -0.0003
    eye = fit.mould.shaped_rig(fit.shape)
    assert eye.lead_m == pytest.approx(0.0015, abs=1e-6)
    back = replace(rig, eyes={SIDE: eye}), replace(rig, eyes={SIDE: replace(eye, lead_m=0.0)})
    shaped, camera = fit.fitted(splats), camera_at(0.0)
    lashes = groups == parts.code(SIDE, parts.UPPER_LASH)
    for blink, forward in ((0.0, 0.0), (0.5, 0.25), (1.0, 1.0)):
        led, not_led = (pose_splats(shaped, groups, one, Pose.both(blink=blink), camera.position).means for one in back)
        moved = ((led - not_led) @ np.asarray(eye.frame))[lashes]
        assert moved[:, 2].max() == pytest.approx(forward * eye.lead_m, rel=0.02, abs=1e-7) and np.abs(moved[:, :2]).max() < 1e-7
    upper = np.isin(groups, [parts.code(SIDE, part) for part in (parts.UPPER_LASH, parts.UPPER_LID, parts.UPPER_SHADE)])
    np.testing.assert_array_equal(led[~upper], not_led[~upper])


def test_a_mould_knows_its_own_slope():
    splats, groups, rig = synthetic_portrait(head_count=200)
    random, eye_point = np.random.default_rng(4), np.array([0.05, -0.6, 0.02])
    mould = Mould(SIDE, pose_splats(splats, groups, rig, Pose(), eye_point), rig.eyes[SIDE], eye_point)
    d_means, d_factors = (random.normal(size=(len(mould.rows), *more)).astype(np.float32) for more in ((3,), (3, 3)))
    d_factors[np.isin(mould.parts, (*parts.GLOBE_PARTS, parts.HIGHLIGHT))] = 0.0

    def loss(shape: Shape) -> float:
        means, factors = mould.shaped(shape, np.zeros(3))
        return float((means.astype(float) * d_means).sum() + (factors.astype(float) * d_factors).sum())

    shape = true_shape()
    got = mould.gradient(shape, mould.shaped(shape, np.zeros(3))[0], d_means, d_factors)
    for name, step in (("along_ray", 1e-3), ("across", 1e-3), ("shift", 1e-3), ("turn", 1e-2), ("lash", 0.2)):
        way = random.normal(size=getattr(shape, name).shape).astype(np.float32)
        ends = [loss(replace(shape, **{name: getattr(shape, name) + end * step * way})) for end in (1.0, -1.0)]
        slope, steepest = float((getattr(got, name) * way).sum()), float(np.abs(getattr(got, name)).max())
        assert (ends[0] - ends[1]) / (2.0 * step) == pytest.approx(slope, rel=0.03, abs=0.03 * steepest), name


def test_lids_are_kept_before_the_globe():
    """A lid that goes back further than the globe allows is pushed out; one that stays where it was built is not."""
    splats, groups, rig = synthetic_portrait(head_count=200)
    eye_point = np.array([0.0, -0.6, 0.0])
    mould = Mould(SIDE, pose_splats(splats, groups, rig, Pose(), eye_point), rig.eyes[SIDE], eye_point)
    assert not mould.barrier(Shape.as_built()).any()
    deep = Shape.as_built()
    deep.along_ray[:] = 0.003
    pushed = mould.barrier(deep).reshape(2, len(AWAY), len(ALONG))
    assert (pushed >= 0.0).all() and pushed[0, 0, 5] > 0.0
    forward = Shape.as_built()
    forward.shift[1] = -0.003
    assert mould.barrier(forward).any()
