# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of many samples: light adds up on the film, more of it shows as it comes, and nobody waits for what was cancelled."""
from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract.worker import CUBE_UNIT
from gazesplat.backend.render import Camera, Frame, render
from gazesplat.backend.worker.film import Exposure, FilmStock
from gazesplat.backend.worker.frames import Ray, seen_along
from gazesplat.gazesplat_addon.engine.worker_client import HeldSplats, RenderWorker
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from gazesplat.gazesplat_addon.splat.srgb import decoded, encoded
from tests.backend.test_worker import CAMERA, MATTES, entry, held, request
from tests.synthetic import synthetic_portrait

PYTHON = Path(sys.executable)
POSES = (Pose.both(-12.0), Pose.both(12.0, 0.0, 0.5))


@pytest.fixture(scope="module")
def portrait():
    return synthetic_portrait(head_count=300, sh_degree=1)


@pytest.fixture(scope="module")
def worker():
    worker = RenderWorker()
    yield worker
    worker.stop()


def made_up_frame(seed: int) -> Frame:
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0.0, 1.0, (5, 7)).astype(np.float32)
    alpha[0, :3] = 0.0
    rgb = (rng.uniform(-0.05, 1.3, (5, 7, 3)) * alpha[..., None]).astype(np.float32)
    depth = np.where(alpha > 0.0, rng.uniform(0.5, 0.7, alpha.shape), np.inf).astype(np.float32)
    return Frame(rgb, alpha, depth, {"head": 0.5 * alpha})


def light_of(frame: Frame) -> np.ndarray:
    straight = np.divide(frame.rgb, frame.alpha[..., None], out=np.zeros_like(frame.rgb), where=frame.alpha[..., None] > 0.0)
    return np.concatenate([decoded(straight) * frame.alpha[..., None], frame.alpha[..., None]], axis=2)


def test_light_adds_up_and_depth_goes_by_alpha():
    frames = [made_up_frame(seed) for seed in range(3)]
    exposure = Exposure(FilmStock(bottom_up=True))
    for frame in frames:
        exposure.add(frame)
    picture = {name: array[::-1] for name, array in exposure.picture().items()}
    np.testing.assert_allclose(picture["rgba"], np.mean([light_of(frame) for frame in frames], axis=0), atol=1e-6)
    alpha = np.stack([frame.alpha for frame in frames])
    depth = np.stack([np.where(frame.alpha > 0.0, frame.depth, 0.0) for frame in frames])
    np.testing.assert_allclose(picture["depth"][1:], (depth * alpha).sum(0)[1:] / alpha.sum(0)[1:], rtol=1e-5)
    assert np.isinf(picture["depth"][0, :3]).all()
    np.testing.assert_allclose(picture["matte:head"], 0.5 * alpha.mean(0), atol=1e-6)


def test_background_is_one_more_splat_behind_all():
    frame, background = made_up_frame(1), (0.2, 0.05, 0.6)
    exposure = Exposure(FilmStock(background))
    exposure.add(frame)
    expected = decoded(frame.rgb + (1.0 - frame.alpha[..., None]) * encoded(np.array(background)))
    np.testing.assert_allclose(exposure.picture()["rgba"][..., :3], expected, atol=2e-6)
    assert (exposure.picture()["rgba"][..., 3] == 1.0).all()


def test_a_grid_decodes_what_it_holds():
    steps = np.linspace(0.0, 1.0, 33)
    red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
    cube = np.stack([0.3 + 0.5 * red + 0.2 * green, 0.3 + green, 0.3 + blue * red], axis=3)
    frame = made_up_frame(2)
    exposure = Exposure(FilmStock(cube=np.arcsinh(cube / CUBE_UNIT).astype(np.float32)))
    exposure.add(frame)
    alpha = frame.alpha[..., None]
    straight = np.divide(frame.rgb, alpha, out=np.zeros_like(frame.rgb), where=alpha > 0.0)
    r, g, b = np.moveaxis(np.clip(straight, 0.0, 1.0), 2, 0)
    expected = np.stack([0.3 + 0.5 * r + 0.2 * g, 0.3 + g, 0.3 + b * r], axis=2) * alpha
    np.testing.assert_allclose(exposure.picture()["rgba"][..., :3], expected, atol=2e-3)


@pytest.mark.parametrize("orthographic", [False, True])
def test_a_lens_keeps_what_is_in_focus_where_it_is(orthographic):
    camera = replace(CAMERA, orthographic=orthographic)
    ray = Ray((0.25, -0.5), (0.01, -0.02), 0.6)

    def seen(camera: Camera, z: float) -> np.ndarray:
        x, y, depth, _ = camera.w2c @ np.linalg.solve(CAMERA.w2c, [0.03, 0.01, z, 1.0])
        share = 1.0 if camera.orthographic else 1.0 / depth
        return np.array([camera.fx * x * share + camera.cx, camera.fy * y * share + camera.cy])

    moved = seen_along(camera, ray)
    np.testing.assert_allclose(seen(moved, 0.6), seen(camera, 0.6) - ray.pixel_px, atol=1e-9)
    near = seen(moved, 0.5) + ray.pixel_px - seen(camera, 0.5)
    spread = camera.fx * np.array(ray.lens_m) * (1.0 / 0.6 - 1.0 / 0.5 if not orthographic else 0.5 / 0.6 - 1.0)
    np.testing.assert_allclose(near, spread, atol=1e-9)


def blurred(count: int, **more) -> dict:
    moments = [{"portraits": [entry(pose=pose)]} for pose in POSES]
    rays = [[k % 2, 0.0, 0.0, 0.0, 0.0] for k in range(count)]
    return request(film={"background": None}, moments=moments, rays=rays, **more)


def test_samples_of_different_moments_are_averaged_and_shown_as_they_come(worker, portrait):
    parts = []
    picture = worker.draw(PYTHON, blurred(4, progress_s=0.0), {"a": held(portrait)}, show=parts.append)
    frames = [render(pose_splats(*portrait, pose, CAMERA.position), CAMERA, depth=True, mattes=MATTES) for pose in POSES]
    np.testing.assert_allclose(picture.arrays["rgba"], np.mean([light_of(frame) for frame in frames], axis=0), atol=1e-5)
    assert [part.samples for part in parts] == [1, 2, 3] and picture.samples == 4
    np.testing.assert_allclose(parts[0].arrays["rgba"], light_of(frames[0]), atol=1e-5)
    assert worker.draw(PYTHON, blurred(4), {"a": held(portrait)}, show=parts.append) and len(parts) == 3


def test_a_cancelled_picture_is_not_drawn_to_its_end(worker, portrait):
    worker.draw(PYTHON, request(entry()), {"a": held(portrait)})
    asked, stop_at = time.monotonic(), time.monotonic() + 0.2
    assert worker.draw(PYTHON, blurred(100_000), {"a": held(portrait)}, lambda: time.monotonic() > stop_at) is None
    before = worker.pid
    assert worker.draw(PYTHON, request(entry()), {"a": held(portrait)}) is not None
    assert worker.pid == before and time.monotonic() - asked < 60.0


def test_a_view_is_held_like_a_portrait(worker, portrait):
    cube = HeldSplats("agx", {"cube": np.full((2, 2, 2, 3), np.arcsinh(0.25 / CUBE_UNIT), np.float32)}, None)
    picture = worker.draw(PYTHON, request(entry(), film={"background": [0, 0, 0], "cube": "agx"}), {"a": held(portrait), "agx": cube})
    np.testing.assert_allclose(picture.arrays["rgba"][..., :3], 0.25, atol=1e-6)
