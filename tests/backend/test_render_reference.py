# SPDX-License-Identifier: GPL-3.0-or-later
"""The readable rasteriser against arithmetic done by hand (docs/rendering.md states the rules)."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.render.reference import project
from gazesplat.gazesplat_addon.rig.pose import PosedSplats
from gazesplat.gazesplat_addon.splat.arrays import rotation_matrices

SETTINGS = RenderSettings()
F = 100.0
CAMERA = Camera(65, 49, F, F, 32.5, 24.5)  # the axis meets the centre of pixel (32, 24)


def balls(centres, sigma_m, opacities, colours=None, groups=None) -> PosedSplats:
    n = len(centres)
    factors = np.broadcast_to(np.eye(3) * sigma_m, (n, 3, 3)).copy()
    return PosedSplats(np.array(centres, float), factors, np.broadcast_to(np.asarray(opacities, float), n).copy(),
                       np.ones((n, 3)) if colours is None else np.array(colours, float),
                       np.zeros(n, int) if groups is None else np.array(groups))


def picture(posed, camera=CAMERA, settings=SETTINGS, **passes):
    return render(posed, camera, settings, backend="reference", **passes)


def test_ball_on_the_axis_is_a_gaussian_with_the_low_pass_added():
    # sigma 0.02 m at 1 m and 100 px focal length: 2 px, variance 4 + 0.3.
    frame = picture(balls([[0, 0, 1.0]], 0.02, 0.8))
    for offset in (0, 1, 3, 5):
        expected = 0.8 * math.exp(-offset**2 / (2 * 4.3))
        assert frame.alpha[24, 32 + offset] == pytest.approx(expected, rel=1e-12)
        assert frame.alpha[24 - offset, 32] == pytest.approx(expected, rel=1e-12)
        assert frame.rgb[24, 32 - offset, 1] == pytest.approx(expected, rel=1e-12)
    # It ends where 0.8 exp(-r^2 / 8.6) meets 1/255: r = 6.76.
    assert frame.alpha[24, 32 + 6] > 0 and frame.alpha[24, 32 + 7] == 0


def test_ball_off_the_axis_is_stretched_along_the_slope():
    # At slopes (0.2, -0.1) the Jacobian is (f / z) [1 0 -kx; 0 1 -ky], so S = (f s / z)^2 (I + k k^T) + 0.3 I.
    z, sigma, k = 2.0, 0.05, np.array([0.2, -0.1])
    means = np.array([[k[0] * z, k[1] * z, z]])
    foot = project(means, np.eye(3)[None] * sigma, np.array([0.5]), CAMERA, SETTINGS)
    np.testing.assert_allclose(foot.centres_px[0], [32.5 + 20.0, 24.5 - 10.0])
    np.testing.assert_allclose(foot.covariances_px2[0], 6.25 * (np.eye(2) + np.outer(k, k)) + 0.3 * np.eye(2), rtol=1e-12)
    np.testing.assert_allclose(foot.conics[0] @ foot.covariances_px2[0], np.eye(2), atol=1e-12)


def test_footprint_is_the_projection_linearised_numerically():
    r = np.random.default_rng(0)
    n = 40
    w2c = np.eye(4)
    w2c[:3, :3] = rotation_matrices(r.normal(size=(1, 4)))[0]
    w2c[:3, 3] = [0.1, -0.2, 3.0]
    camera = Camera(640, 480, 700.0, 650.0, 300.0, 260.0, w2c)
    means, factors = r.uniform(-0.5, 0.5, (n, 3)), r.normal(0, 0.05, (n, 3, 3))

    def pixels(p):
        c = p @ w2c[:3, :3].T + w2c[:3, 3]
        return c[:, :2] / c[:, 2:] * [700.0, 650.0] + [300.0, 260.0]

    step = 1e-6
    axes = np.stack([(pixels(means + step * factors[:, :, k]) - pixels(means - step * factors[:, :, k])) / (2 * step)
                     for k in range(3)], 2)
    foot = project(means, factors, np.ones(n), camera, SETTINGS)
    np.testing.assert_allclose(foot.centres_px, pixels(means), rtol=1e-12)
    np.testing.assert_allclose(foot.covariances_px2, axes @ axes.transpose(0, 2, 1) + 0.3 * np.eye(2), rtol=1e-6, atol=1e-6)


def test_slopes_are_clamped_beyond_the_frustum():
    # Half the picture is 0.325 of slope wide; 1.3 times that is 0.4225. The centre itself is not clamped.
    means = np.array([[2.0, 0.0, 1.0]])
    foot = project(means, np.eye(3)[None] * 0.1, np.array([0.5]), CAMERA, SETTINGS)
    np.testing.assert_allclose(foot.centres_px[0], [232.5, 24.5])
    assert foot.covariances_px2[0, 0, 0] == pytest.approx(100.0 * (1 + 0.4225**2) + 0.3, rel=1e-12)
    assert CAMERA.slope_limits[1] == pytest.approx(0.4225)


def test_orthographic_camera_is_linear():
    camera = Camera(65, 49, 50.0, 50.0, 32.5, 24.5, orthographic=True)
    foot = project(np.array([[0.2, 0.1, 7.0]]), np.eye(3)[None] * 0.1, np.array([0.5]), camera, SETTINGS)
    np.testing.assert_allclose(foot.centres_px[0], [42.5, 29.5])
    np.testing.assert_allclose(foot.covariances_px2[0], 25.3 * np.eye(2), rtol=1e-12)


def test_two_splats_blend_front_to_back_over_the_background():
    posed = balls([[0, 0, 2.0], [0, 0, 1.0]], [[[0.04]], [[0.02]]], [0.5, 0.6], [[0, 1, 0], [1, 0, 0]], groups=[7, 3])
    frame = picture(posed, settings=RenderSettings(background=(0.25, 0.5, 1.0)), depth=True, mattes={"back": (7,), "none": (99,)})
    # 0.6 of red, 0.4 x 0.5 of green, 0.2 of background.
    np.testing.assert_allclose(frame.rgb[24, 32], [0.6 + 0.05, 0.2 + 0.1, 0.2], rtol=1e-12)
    assert frame.alpha[24, 32] == pytest.approx(0.8)
    assert frame.depth[24, 32] == pytest.approx((0.6 * 1.0 + 0.2 * 2.0) / 0.8)
    assert frame.mattes["back"][24, 32] == pytest.approx(0.2)
    assert not frame.mattes["none"].any()
    assert np.isinf(frame.depth[0, 0]) and frame.alpha[0, 0] == 0.0
    np.testing.assert_array_equal(frame.rgb[0, 0], [0.25, 0.5, 1.0])


def test_cap_and_stop():
    frame = picture(balls([[0, 0, 1.0]], 0.02, 1.0))
    assert frame.alpha[24, 32] == pytest.approx(0.99)
    # 0.01, 0.0001 left: at 1e-4 the pixel is finished, and the third splat adds nothing.
    three = balls([[0, 0, 1.0], [0, 0, 2.0], [0, 0, 3.0]], 0.1, 1.0, [[0, 0, 0], [0, 0, 0], [1, 1, 1]])
    assert picture(three).rgb[24, 32, 0] == pytest.approx(0.0, abs=1e-12)
    assert picture(three, settings=RenderSettings(transmittance_stop=0.0)).rgb[24, 32, 0] == pytest.approx(0.99e-4)


def test_antialiasing_keeps_the_total_weight_of_a_small_splat():
    small = balls([[0.0025, -0.001, 1.0]], 0.003, 0.9)   # sigma 0.3 px
    # Without the low pass it would cover 0.9 x 2 pi sigma^2 px^2.
    weight = 0.9 * 2 * math.pi * 0.3**2
    settings = RenderSettings(antialiased=True)
    assert picture(small, settings=settings).alpha.sum() == pytest.approx(weight, rel=0.03)   # the cut takes 2 %
    assert picture(small).alpha.sum() > 4 * weight
    large = balls([[0, 0, 1.0]], 0.1, 0.9)
    np.testing.assert_allclose(picture(large, settings=settings).alpha, picture(large).alpha, rtol=4e-3, atol=5e-3)


def test_near_faint_and_broken_splats_are_not_drawn():
    posed = balls([[0, 0, 0.005], [0, 0, -1.0], [0, 0, 1.0], [0, 0, 1.0], [np.nan, 0, 1.0], [0, 0, np.inf]], 0.02,
                  [1, 1, 0.0039, np.nan, 1, 1])
    frame = picture(posed)
    assert not frame.alpha.any() and not frame.rgb.any()
    posed.colours[2] = np.nan
    posed.opacities[2] = 1.0
    assert not picture(posed).alpha.any()


def test_crop_is_a_window_of_the_whole():
    r = np.random.default_rng(1)
    posed = balls(np.c_[r.uniform(-1, 1, (80, 2)), r.uniform(1, 2, 80)], 0.05, r.uniform(0.1, 1, 80), r.uniform(0, 1, (80, 3)))
    whole = picture(posed)
    crop = picture(posed, CAMERA.cropped(10, 5, 30, 20))
    np.testing.assert_allclose(crop.rgb, whole.rgb[5:25, 10:40], atol=1e-12)
    twice = picture(posed, CAMERA.cropped(4, 2, 50, 40).cropped(6, 3, 30, 20))
    np.testing.assert_allclose(twice.rgb, crop.rgb, atol=1e-12)


def test_supersampling_is_the_mean_of_a_finer_picture_of_the_same_shapes():
    posed = balls([[0.0, 0.0, 1.0]], 0.02, 0.8)
    frame = picture(posed, settings=RenderSettings(supersample=4))
    assert frame.rgb.shape == (49, 65, 3)
    # The mean over the pixel of the same Gaussian with variance 4.3.
    t = (np.arange(4) + 0.5) / 4 - 0.5
    expected = 0.8 * np.exp(-((t[:, None] + 3) ** 2 + t**2) / 8.6).mean()
    assert frame.alpha[24, 35] == pytest.approx(expected, rel=1e-12)


def test_camera_survives_json_and_refuses_nonsense():
    w2c = np.eye(4)
    w2c[:3, 3] = 1, 2, 3
    camera = Camera(64, 48, 50.0, 51.0, 32.0, 24.0, w2c, near_m=0.1, orthographic=True).cropped(3, 4, 10, 12)
    again = Camera.from_dict(camera.as_dict())
    np.testing.assert_array_equal(again.w2c, w2c)
    assert replace(again, w2c=np.eye(4)).as_dict() == replace(camera, w2c=np.eye(4)).as_dict()
    np.testing.assert_allclose(camera.position, [-1, -2, -3])
    with pytest.raises(ValueError, match="empty"):
        replace(camera, width=0)
    with pytest.raises(ValueError, match="w2c"):
        replace(camera, w2c=np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="focal"):
        replace(camera, fx=-1.0)


@pytest.mark.parametrize("wrong", [{"alpha_cut": 0.001}, {"alpha_cap": 1.0}, {"transmittance_stop": 1.0}, {"low_pass_px2": 0.0},
                                   {"supersample": 0}])
def test_settings_refuse_nonsense(wrong):
    with pytest.raises(ValueError):
        RenderSettings(**wrong)


def test_wrong_shapes_and_backends_are_refused():
    posed = balls([[0, 0, 1.0]], 0.02, 0.5)
    with pytest.raises(ValueError, match="factors"):
        picture(replace(posed, factors=np.ones((1, 3))))
    with pytest.raises(ValueError, match="unknown rasteriser"):
        render(posed, CAMERA, backend="magic")
