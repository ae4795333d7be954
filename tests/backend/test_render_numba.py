# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast rasteriser against the readable one, and what only a fast one can get wrong."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, synthetic_head
from gazesplat.backend.render import Camera, RenderSettings, kernel_cache, numba_tiles, render, threads
from gazesplat.backend.render.numba_forward import exp_of_eight
from gazesplat.backend.render.numba_options import kernel
from gazesplat.backend.render.numba_project import CULLED, sort_by_depth
from gazesplat.gazesplat_addon.rig.pose import PosedSplats

MIN_PSNR_DB = 90.0


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10.0 * np.log10(max(np.mean((np.asarray(a, float) - b) ** 2), 1e-20)))


def assert_same_picture(posed, camera, settings=None, **passes):
    fast = render(posed, camera, settings, **passes)
    slow = render(posed, camera, settings, backend="reference", **passes)
    assert np.isfinite(fast.rgb).all() and np.isfinite(fast.alpha).all()
    assert psnr_db(fast.rgb, slow.rgb) >= MIN_PSNR_DB
    assert psnr_db(fast.alpha, slow.alpha) >= MIN_PSNR_DB
    return fast, slow


HEAD = synthetic_head(4000, seed=1)
CAMERA = head_camera(117, 90)


@pytest.mark.parametrize("settings", [
    RenderSettings(),
    RenderSettings(background=(0.2, 0.5, 0.9), transmittance_stop=0.0),
    RenderSettings(antialiased=True, low_pass_px2=0.1),
    RenderSettings(alpha_cut=0.05, alpha_cap=0.8),
    RenderSettings(supersample=2),
], ids=["default", "background", "antialiased", "cut and cap", "supersample"])
def test_settings(settings):
    assert_same_picture(HEAD, CAMERA, settings)


@pytest.mark.parametrize("camera", [
    Camera(1, 1, 500.0, 500.0, 0.5, 0.5, CAMERA.w2c),
    replace(CAMERA, cx=15.0, cy=100.0, fx=CAMERA.fx * 2),
    CAMERA.cropped(31, 17, 40, 33),
    replace(CAMERA, orthographic=True, fx=CAMERA.fx / 0.6, fy=CAMERA.fy / 0.5),
    replace(head_camera(64, 48), w2c=np.linalg.inv(np.array([[1.0, 0, 0, 0.01], [0, 0, 1, -0.02], [0, -1, 0, 0.03], [0, 0, 0, 1]]))),
], ids=["one pixel", "off centre", "crop", "orthographic", "inside the head"])
def test_cameras(camera):
    assert_same_picture(HEAD, camera)


def test_thin_and_huge_splats_reach_every_pixel_they_should():
    """Needles across many tiles at every angle: the exact tile test must lose nothing."""
    r = np.random.default_rng(3)
    n = 60
    angle = r.uniform(0, np.pi, n)
    long, thin = np.exp(r.uniform(np.log(0.01), np.log(2.0), n)), np.exp(r.uniform(np.log(1e-5), np.log(0.01), n))
    factors = np.zeros((n, 3, 3))
    factors[:, :2, 0] = np.stack([np.cos(angle), np.sin(angle)], 1) * long[:, None]
    factors[:, :2, 1] = np.stack([-np.sin(angle), np.cos(angle)], 1) * thin[:, None]
    posed = PosedSplats(np.c_[r.uniform(-1, 1, (n, 2)), r.uniform(0.9, 3.0, n)], factors, r.uniform(0.01, 0.2, n),
                        r.uniform(0, 1, (n, 3)), np.zeros(n, int))
    camera = Camera(150, 130, 120.0, 120.0, 75.0, 65.0)
    fast, slow = assert_same_picture(posed, camera)
    assert np.abs(fast.alpha - slow.alpha).max() < 5e-3   # one splat more or less at its cut, at most


def test_depth_and_mattes():
    mattes = {"eye": (11, 21), "hair": (5,), "eye again": (11,)}
    fast, slow = assert_same_picture(HEAD, CAMERA, depth=True, mattes=mattes)
    np.testing.assert_array_equal(np.isinf(fast.depth), np.isinf(slow.depth))
    seen = slow.alpha > 0.01
    np.testing.assert_allclose(fast.depth[seen], slow.depth[seen], rtol=1e-4)
    assert slow.mattes["eye"].max() > 0.5 and slow.mattes["hair"].max() > 0.5
    for name in mattes:
        assert psnr_db(fast.mattes[name], slow.mattes[name]) >= MIN_PSNR_DB
    assert not fast.mattes["eye again"].any()   # a splat counts for the first matte that names its group
    # The picture does not depend on what else is asked for.
    np.testing.assert_allclose(fast.rgb, render(HEAD, CAMERA).rgb, atol=2e-6)


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_rgba_is_rgb_and_alpha(backend):
    for settings in (RenderSettings(), RenderSettings(supersample=2)):
        frame = render(HEAD, head_camera(31, 20), settings, backend=backend)
        rgba = frame.rgba()
        np.testing.assert_array_equal(rgba[..., :3], frame.rgb)
        np.testing.assert_array_equal(rgba[..., 3], frame.alpha)
        assert backend != "numba" or rgba.flags.c_contiguous


def test_read_only_and_strided_input():
    expected = render(HEAD, CAMERA).rgb
    fields = {name: np.array(getattr(HEAD, name)) for name in ("means", "factors", "opacities", "colours", "groups")}
    fields["means"] = np.asfortranarray(fields["means"])
    fields["colours"] = fields["colours"].astype(np.float64)
    for array in fields.values():
        array.setflags(write=False)
    np.testing.assert_array_equal(render(PosedSplats(**fields), CAMERA).rgb, expected)


def test_too_many_mattes_are_refused():
    with pytest.raises(ValueError, match="at most"):
        render(HEAD, CAMERA, mattes={str(k): (k,) for k in range(17)})


def test_threads_do_not_change_a_bit():
    one = render(HEAD, CAMERA, threads=1, depth=True)
    for count in (2, 3, 5):
        many = render(HEAD, CAMERA, threads=count, depth=True)
        np.testing.assert_array_equal(one.rgb, many.rgb)
        np.testing.assert_array_equal(one.depth, many.depth)


def test_bounded_lists_do_not_change_a_bit(monkeypatch):
    whole = render(HEAD, CAMERA, mattes={"eye": (11,)})
    monkeypatch.setattr(numba_tiles, "MAX_PAIRS", 500)
    assert len(numba_tiles.tile_row_bands(numba_tiles.project(HEAD.means, HEAD.factors, HEAD.opacities, HEAD.colours, CAMERA,
                                                              RenderSettings(), 2), CAMERA)) > 2
    banded = render(HEAD, CAMERA, mattes={"eye": (11,)})
    np.testing.assert_array_equal(whole.rgb, banded.rgb)
    np.testing.assert_array_equal(whole.mattes["eye"], banded.mattes["eye"])


def test_no_splats_and_none_in_view():
    background = RenderSettings(background=(0.1, 0.2, 0.3))
    nothing = PosedSplats(*(np.zeros((0, *a.shape[1:]), a.dtype) for a in
                            (HEAD.means, HEAD.factors, HEAD.opacities, HEAD.colours, HEAD.groups)))
    behind = replace(HEAD, means=HEAD.means + np.float32([0, -50, 0]))
    for posed in (nothing, behind):
        frame = render(posed, CAMERA, background, depth=True, mattes={"eye": (11,)})
        assert not frame.alpha.any() and np.isinf(frame.depth).all() and not frame.mattes["eye"].any()
        np.testing.assert_array_equal(frame.rgb, np.broadcast_to(np.float32([0.1, 0.2, 0.3]), frame.rgb.shape))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ("means", "factors", "opacities", "colours")
                                             for value in (np.nan, np.inf, -np.inf, 1e30)
                                             if name != "opacities" or not value > 1])   # beyond 1 counts as 1
def test_broken_splats_vanish_alone(name, value):
    broken = {field: np.array(getattr(HEAD, field)) for field in ("means", "factors", "opacities", "colours", "groups")}
    keep = np.ones(len(HEAD), bool)
    keep[::7] = False
    broken[name][::7] = value
    healthy = PosedSplats(*(getattr(HEAD, field)[keep] for field in ("means", "factors", "opacities", "colours", "groups")))
    frame = render(PosedSplats(**broken), CAMERA)
    np.testing.assert_allclose(frame.rgb, render(healthy, CAMERA).rgb, atol=1e-6)


def test_sort_is_stable_and_skips_the_culled():
    r = np.random.default_rng(0)
    for spread in (0, 1, 300, 2**36 - 1):
        keys = r.integers(0, spread + 1, 5000, dtype=np.uint64) + np.uint64(2**60)
        keys[r.random(5000) < 0.2] = CULLED
        order, rank = np.empty(5000, np.int32), np.empty(5000, np.int32)
        count = sort_by_depth(keys, order, rank, np.empty(5000, np.uint64), np.empty(5000, np.int32))
        kept = np.flatnonzero(keys != CULLED)
        np.testing.assert_array_equal(order[:count], kept[np.argsort(keys[kept], kind="stable")])
        np.testing.assert_array_equal(rank[order[:count]], np.arange(count))
        assert (rank[keys == CULLED] == -1).all()


def test_depths_closer_than_float32_are_told_apart():
    """Two opaque splats 1e-9 m apart at 0.6 m, which float32 cannot tell: listed far one first, drawn near one first."""
    camera = Camera(33, 33, 100.0, 100.0, 16.5, 16.5)
    w2c = np.eye(4)
    w2c[2, 3] = 0.6
    posed = PosedSplats(np.array([[0, 0, 1e-9], [0, 0, 0]]), np.tile(np.eye(3) * 0.05, (2, 1, 1)), np.ones(2),
                        np.array([[1.0, 0, 0], [0, 1.0, 0]]), np.zeros(2, int))
    red, green, _ = render(posed, replace(camera, w2c=w2c)).rgb[16, 16]
    assert green > 0.98 and red < 0.02


@kernel
def _exp_at(x, out):
    for i in range(x.shape[0]):
        out[i] = exp_of_eight(x[i])


def test_exponential_is_accurate_where_it_is_used():
    x = np.linspace(np.log(1 / 255) / 8, 0.0, 20001).astype(np.float32)
    out = np.empty_like(x)
    _exp_at(x, out)
    assert np.abs(out / np.exp(8.0 * x.astype(float)) - 1).max() < 4e-6


def test_an_exception_in_any_thread_comes_out_after_all_have_ended():
    ended = []

    def work(worker, workers):
        ended.append(worker)
        if worker == workers - 1:
            raise RuntimeError("worker failed")

    with pytest.raises(RuntimeError, match="worker failed"):
        threads.run_on_threads(work, 3)
    assert sorted(ended) == [0, 1, 2]


def test_kernels_are_kept_in_the_users_cache_or_else_in_a_temporary_folder(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kernel_cache.numba.config, "CACHE_DIR", kernel_cache.numba.config.CACHE_DIR)
    monkeypatch.setattr(kernel_cache, "user_cache_folder", lambda: tmp_path)
    chosen = kernel_cache.choose_cache_folder()
    assert chosen == tmp_path / "gazesplat" / f"kernels-{kernel_cache.source_digest()}" and chosen.is_dir()
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("in the way")
    monkeypatch.setattr(kernel_cache, "user_cache_folder", lambda: not_a_folder)
    fallback = kernel_cache.choose_cache_folder()
    assert fallback.is_dir() and "compiles them again" in caplog.text
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert kernel_cache.choose_cache_folder() == tmp_path / "mine"
