# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: gradients of both rasterisers, a head that is found again from its pictures, and runs that stop and go on."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, head_splats
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.train.settings import TrainSettings
from gazesplat.backend.train.views import View, cut, reduced
from gazesplat.gazesplat_addon.rig.pose import PosedSplats
from gazesplat.gazesplat_addon.splat import harmonics
from gazesplat.gazesplat_addon.splat.arrays import SH_C0, Splats

torch = pytest.importorskip("torch", reason="the video part of the backend's environment is not installed")

from gazesplat.backend.train import losses
from gazesplat.backend.train.initialise import Start, carve, first_points
from gazesplat.backend.train.rasterisers import gsplat_rasteriser, numba_rasteriser
from gazesplat.backend.train.trainer import Progress, train

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
RASTERISERS = [pytest.param(numba_rasteriser, "cpu", id="numba"), pytest.param(gsplat_rasteriser, "cuda", id="gsplat", marks=CUDA)]
NO_FACE = np.full((478, 3), np.nan)


def drawn(splats: Splats, camera: Camera, backend: str, settings: RenderSettings) -> np.ndarray:
    exact = {name: np.asarray(getattr(splats, name), np.float64) for name in ("means", "opacities")}
    base = splats.colours.astype(np.float64)[:, None]
    coefficients = np.concatenate([(base - 0.5) / SH_C0, splats.sh_rest], 1)
    away = exact["means"] - camera.position
    colours = np.maximum(0.5 + harmonics.evaluate(coefficients, away / np.linalg.norm(away, axis=1, keepdims=True)), 0.0)
    frame = render(PosedSplats(exact["means"], splats.linear_factors().astype(np.float64), exact["opacities"], colours,
                               np.zeros(len(splats), np.uint8)), camera, settings, backend=backend)
    return np.concatenate([frame.rgb, frame.alpha[..., None]], 2)


def around(yaw_deg: float, width: int = 72, height: int = 80) -> Camera:
    """A camera that sees the whole synthetic head, swung about it."""
    camera = head_camera(width, height)
    a = np.radians(20.0 - yaw_deg)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return replace(camera, fx=0.7 * camera.fx, fy=0.7 * camera.fy, w2c=camera.w2c @ turn)


@pytest.fixture(scope="module")
def views() -> list[View]:
    """Sixteen pictures of a synthetic head, all round its front, against a wall that changes."""
    splats, _ = head_splats(2500, seed=3)
    # Solid and smooth: grains smaller than a pixel are nothing that can be learnt.
    splats = replace(splats, opacities=np.full(len(splats), 0.95, np.float32), scales=np.clip(1.5 * splats.scales, 0.001, 0.006))
    random, out = np.random.default_rng(0), []
    for yaw in np.linspace(-50.0, 50.0, 16):
        rgba = drawn(splats, around(yaw), "numba", RenderSettings())
        wall = random.uniform(size=3)
        image = (rgba[..., :3] + (1.0 - rgba[..., 3:]) * wall).astype(np.float32)
        out.append(cut(View(image, rgba[..., 3].astype(np.float32), around(yaw))))
    return out


@pytest.mark.parametrize(("rasteriser", "device"), RASTERISERS)
def test_gradients_are_those_of_the_reference(rasteriser, device):
    splats, _ = head_splats(60, seed=4, sh_degree=3)
    camera, settings, random = head_camera(40, 36), RenderSettings(low_pass_px2=0.3), np.random.default_rng(7)
    seed = random.normal(size=(36, 40, 4))
    arrays = {"means": splats.means, "rotations": splats.rotations, "scales": splats.scales, "opacities": splats.opacities,
              "coefficients": np.concatenate([(splats.colours[:, None] - 0.5) / SH_C0, splats.sh_rest], 1)}
    tensors = {name: torch.tensor(value, dtype=torch.float32, device=device, requires_grad=True) for name, value in arrays.items()}
    picture = rasteriser(*tensors.values(), camera, settings)
    (torch.cat([picture.rgb, picture.alpha[..., None]], 2) * torch.tensor(seed, device=device)).sum().backward()

    def loss(**changed) -> float:
        a = {name: np.asarray(value, np.float64) for name, value in (arrays | changed).items()}
        sh = a.pop("coefficients")
        # The direction of view stays where it was: trainers leave that part of the means' gradient out.
        away = arrays["means"] - camera.position
        colours = np.maximum(0.5 + harmonics.evaluate(sh, away / np.linalg.norm(away, axis=1, keepdims=True)), 0.0)
        one = Splats(**a, colours=colours, sh_rest=np.zeros((len(sh), 0, 3)))
        frame = render(PosedSplats(one.means, one.linear_factors(), one.opacities, colours, np.zeros(len(sh), np.uint8)), camera,
                       settings, backend="reference")
        return float((frame.rgb * seed[..., :3]).sum() + (frame.alpha * seed[..., 3]).sum())

    for name, value in arrays.items():
        got = tensors[name].grad.cpu().numpy()
        step = 1e-8 if name in ("means", "scales") else 1e-6
        places, expected = [tuple(random.integers(0, size) for size in value.shape) for _ in range(12)], []
        for place in places:
            moved = []
            for sign in (1.0, -1.0):
                changed = value.astype(np.float64)
                changed[place] += sign * step
                moved.append(loss(**{name: changed}))
            expected.append((moved[0] - moved[1]) / (2.0 * step))
        error = np.abs(np.array([got[place] for place in places]) - expected) / max(np.abs(expected).max(), 1e-9)
        assert np.abs(expected).max() > 0
        assert np.sort(error)[:-1].max() < 2e-4, (name, error)     # one may have met a step of the alpha cut


def test_ssim_and_its_gradient():
    random = np.random.default_rng(1)
    a, b = (torch.tensor(random.uniform(size=(14, 17, 3)), dtype=torch.float32) for _ in range(2))
    assert float(losses.ssim(a, a).mean()) == pytest.approx(1.0, abs=1e-5)
    from skimage.metrics import structural_similarity
    big_a, big_b = random.uniform(size=(2, 60, 60, 3)).astype(np.float32)
    expected = structural_similarity(big_a, big_b, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, full=True,
                                     use_sample_covariance=False)[1]
    got = losses.ssim(torch.tensor(big_a), torch.tensor(big_b)).numpy()
    assert np.abs(got - expected)[8:-8, 8:-8].max() < 1e-4
    a.requires_grad_(True)
    losses.ssim(a, b).mean().backward()
    for place in ((0, 0, 0), (7, 8, 1), (13, 16, 2)):
        step, values = 1e-2, []
        for sign in (1.0, -1.0):
            moved = a.detach().clone()
            moved[place] += sign * step
            values.append(float(losses.ssim(moved, b).mean()))
        assert float(a.grad[place]) == pytest.approx((values[0] - values[1]) / (2.0 * step), rel=0.03, abs=2e-6)


def test_masks_carve_the_head(views):
    voxels, size = carve(views)
    semi = np.array([0.075, 0.095, 0.12])
    assert size < 0.008
    assert (np.abs(voxels[:, 2]).max(), np.abs(voxels[:, 0]).max()) == pytest.approx((semi[2], semi[0]), rel=0.15)
    start = first_points(views, NO_FACE, np.zeros((0, 3)), 1000, seed=0)
    assert len(start.points) == 1000
    inside = np.linalg.norm(start.points / semi, axis=1)
    assert np.percentile(inside, 90) < 1.5
    assert start.points[:, 1].mean() < voxels[:, 1].mean() - 0.01     # on the side that is seen


def settings_of(steps: int, **changed) -> TrainSettings:
    return replace(TrainSettings(steps, first_splats=1500, most_splats=2500, refine_every=40), **changed)


@pytest.fixture(scope="module")
def start(views) -> Start:
    return first_points(views, NO_FACE, np.zeros((0, 3)), 1500, seed=0)


def test_a_head_is_found_again(views, start):
    """Views that training has not seen; more splats than at the start, none outside the regime of shapes."""
    learnt, kept_back = [v for i, v in enumerate(views) if i % 5 != 2], views[7]
    seen: list[Progress] = []
    settings = settings_of(240)
    trained = train(learnt, start, settings, seen.append)
    rgba = drawn(trained.splats, kept_back.camera, "numba", RenderSettings())
    error = ((rgba[..., :3] + (1.0 - rgba[..., 3:]) * kept_back.image - kept_back.image) ** 2).mean(-1)
    assert -10.0 * np.log10(error[kept_back.mask > 0.5].mean()) > 22.0
    outside = rgba[..., 3][kept_back.mask < 0.05].sum() / rgba[..., 3].sum()
    assert outside < 0.02
    assert len(start.points) < len(trained.splats) <= settings.most_splats
    scales = np.sort(trained.splats.scales, axis=1)
    assert (scales[:, 2] / scales[:, 1]).max() < 1.01 * settings.needle_ratio
    assert scales.max() < 1.01 * settings.largest_scale_m
    assert [p.step for p in seen] == list(range(1, 241))
    assert seen[-1].loss < 0.5 * seen[0].loss
    assert sum(p.picture is not None for p in seen) == 10


def test_exposure_of_single_frames_is_not_learnt_into_the_head(views, start):
    dark = [replace(v, image=v.image * np.float32(0.8)) if i % 4 == 0 else v for i, v in enumerate(views)]
    trained = train(dark, start, settings_of(200, lr_exposure=5e-3), lambda progress: None)
    gain = trained.gains.mean(1)
    assert gain[1::4].mean() / gain[::4].mean() == pytest.approx(1.25, rel=0.07)


def test_a_run_goes_on_where_it_was_killed(views, start, tmp_path):
    settings = settings_of(60, checkpoint_every_s=0.0)
    whole = train(views, start, settings, lambda progress: None)

    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> None:
        if progress.step == 33:
            raise Killed

    path, steps = tmp_path / "training.npz", []
    with pytest.raises(Killed):
        train(views, start, settings, kill, path)
    resumed = train(views, start, settings, lambda progress: steps.append(progress.step), path)
    assert steps[0] == 34
    np.testing.assert_allclose(resumed.splats.means, whole.splats.means, atol=1e-6)
    np.testing.assert_allclose(resumed.splats.colours, whole.splats.colours, atol=1e-5)
    # A run that was finished is, and says of itself what it said then.
    steps.clear()
    done = train(views, start, settings, lambda progress: steps.append(progress.step), path)
    assert steps == [] and (done.psnr_db, done.loss) == pytest.approx((whole.psnr_db, whole.loss))
    np.testing.assert_array_equal(done.splats.means, resumed.splats.means)
    # Other pictures or settings start anew, and so does a file that is no checkpoint.
    steps.clear()
    train(views, start, replace(settings, iterations=2, seed=5), lambda progress: steps.append(progress.step), path)
    path.write_bytes(b"PK\x03\x04 nothing")
    train(views, start, replace(settings, iterations=2), lambda progress: steps.append(progress.step), path)
    assert steps == [1, 2, 1, 2]


def test_reduced_view_sees_the_same(views):
    view = views[3]
    half = reduced(view, 0.5)
    point = np.array([0.02, -0.09, 0.03, 1.0])
    places = []
    for v in (view, half):
        p = v.camera.w2c[:3] @ point
        c = v.camera
        places.append([(p[0] / p[2] * c.fx + c.cx) / c.width, (p[1] / p[2] * c.fy + c.cy) / c.height])
    np.testing.assert_allclose(places[0], places[1], atol=1e-9)
    assert abs(half.mask.mean() - view.mask.mean()) < 0.01
