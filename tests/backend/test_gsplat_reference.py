# SPDX-License-Identifier: GPL-3.0-or-later
"""The readable rasteriser against the reference in torch that gsplat keeps beside its own kernels: covariances, projection, harmonics."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.render.interface import Camera, RenderSettings
from gazesplat.backend.render.reference import project, render
from gazesplat.gazesplat_addon.rig.pose import PosedSplats
from gazesplat.gazesplat_addon.splat import harmonics
from gazesplat.gazesplat_addon.splat.arrays import SH_C0, rotation_matrices

torch = pytest.importorskip("torch", reason="gsplat's reference needs torch")
impl = pytest.importorskip("gsplat.cuda._torch_impl", reason="gsplat is not installed")

SETTINGS = RenderSettings(transmittance_stop=0.0)


def made_up(count: int = 400, seed: int = 0):
    """Return means, quaternions, scales, opacities, factors of splats in and around the picture, some behind the camera."""
    r = np.random.default_rng(seed)
    quaternions = r.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    scales = np.exp(r.uniform(-5.0, -2.0, (count, 3)))
    means = r.uniform((-1.5, -1.5, -0.6), (1.5, 1.5, 2.0), (count, 3))
    return means, quaternions, scales, r.uniform(0.01, 1.0, count), rotation_matrices(quaternions) * scales[:, None]


def camera_of(kind: str) -> Camera:
    w2c = np.eye(4)
    w2c[:3, :3] = rotation_matrices(np.array([[0.98, 0.05, -0.1, 0.07]]))[0]
    w2c[:3, 3] = (0.05, -0.1, 0.8)
    if kind == "ortho":
        return Camera(64, 48, 22.0, 22.0, 32.0, 24.0, w2c, orthographic=True)
    return Camera(64, 48, 60.0, 52.0, 30.0, 27.0, w2c) if kind == "off centre" else Camera(64, 48, 60.0, 60.0, 32.0, 24.0, w2c)


def tensor(array) -> torch.Tensor:
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def theirs(camera: Camera, means, quaternions, scales):
    """Return gsplat's radii, means2d, depths, conics as arrays."""
    covariances, _ = impl._quat_scale_to_covar_preci(tensor(quaternions), tensor(scales), compute_preci=False)
    intrinsics = [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]
    model = "ortho" if camera.orthographic else "pinhole"
    radii, centres, depths, conics, _ = impl._fully_fused_projection(
        tensor(means), covariances, tensor(camera.w2c)[None], tensor(intrinsics)[None], camera.width, camera.height, eps2d=0.3,
        near_plane=camera.near_m, camera_model=model)
    return (out[0].numpy() for out in (radii, centres, depths, conics))


@pytest.mark.parametrize("kind", ["centred", "off centre", "ortho"])
def test_footprints_are_gsplats(kind):
    camera = camera_of(kind)
    means, quaternions, scales, opacities, factors = made_up()
    radii, centres, depths, conics = theirs(camera, means, quaternions, scales)
    foot = project(means, factors, opacities, camera, SETTINGS)
    front = depths > camera.near_m
    assert 100 < front.sum() < len(front), "some lie behind the camera"
    drawn = (radii > 0).all(-1) if radii.ndim > 1 else radii > 0
    assert not (drawn & ~foot.drawn & (opacities > 1 / 255)).any(), "whatever gsplat draws is drawn"
    np.testing.assert_allclose(foot.centres_px[front], centres[front], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(foot.depths_m[front], depths[front], rtol=1e-12)
    ours = np.stack([foot.conics[:, 0, 0], foot.conics[:, 0, 1], foot.conics[:, 1, 1]], 1)
    np.testing.assert_allclose(ours[front], conics[front], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("kind", ["centred", "off centre", "ortho"])
def test_pictures_are_gsplats(kind):
    """Its compositing, dense: front to back by depth, alpha min(cap, o exp(-sigma)), nothing below 1/255."""
    camera = camera_of(kind)
    means, quaternions, scales, opacities, factors = made_up(seed=1)
    colours = np.random.default_rng(2).uniform(0, 1, (len(means), 3))
    _, centres, depths, conics = theirs(camera, means, quaternions, scales)
    order = np.argsort(depths)
    order = order[depths[order] > camera.near_m]
    pixels = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), -1).reshape(-1, 1, 2)
    dx, dy = np.moveaxis(pixels - centres[order], -1, 0)
    a, b, c = conics[order].T
    alpha = np.minimum(SETTINGS.alpha_cap, opacities[order] * np.exp(-(0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy)))
    alpha[alpha < 1 / 255] = 0.0
    left = np.cumprod(np.concatenate([np.ones((len(alpha), 1)), 1.0 - alpha], 1), 1)[:, :-1]
    expected = ((alpha * left) @ colours[order]).reshape(camera.height, camera.width, 3)
    frame = render(PosedSplats(means, factors, opacities, colours, np.zeros(len(means), int)), camera, SETTINGS)
    assert expected.max() > 0.3
    np.testing.assert_allclose(frame.rgb, expected, atol=1e-9)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_harmonics_are_gsplats(degree):
    r = np.random.default_rng(3)
    directions = r.normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    coefficients = r.normal(size=(200, (degree + 1) ** 2, 3))
    expected = impl._spherical_harmonics(degree, tensor(directions), tensor(coefficients)).numpy()
    np.testing.assert_allclose(harmonics.evaluate(coefficients, directions), expected, atol=1e-6)
    assert harmonics.basis(directions, 0)[0, 0] == pytest.approx(SH_C0)
