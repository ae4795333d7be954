# SPDX-License-Identifier: GPL-3.0-or-later
"""Random scenes with values no file should hold: no crash, nothing out of range, and the same picture while it is sane."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.render import Camera, RenderSettings, numba_training, render
from gazesplat.gazesplat_addon.rig.pose import PosedSplats

SCENES = 60
BROKEN = (np.nan, np.inf, -np.inf, 0.0, 1e38, -1e38, 1e-45)


def random_scene(r: np.random.Generator, magnitudes: tuple[float, float], broken: tuple[float, ...]):
    """Return splats of which a few have sizes of 10^magnitudes and a few values are broken, a camera and settings."""
    n = int(r.integers(0, 60))
    arrays = []
    for shape, ordinary, share in (((n, 3), lambda s: r.uniform(-1, 1, s) + [0, 0, 2], 0.1),
                                   ((n, 3, 3), lambda s: r.normal(0, 0.1, s), 0.05),
                                   ((n,), lambda s: r.uniform(0, 1, s), 0.1), ((n, 3), lambda s: r.uniform(0, 1, s), 0.02)):
        extreme = r.normal(size=shape) * 10.0 ** r.uniform(*magnitudes, shape)
        values = np.where(r.random(shape) < share, extreme, ordinary(shape))
        values[r.random(shape) < 0.003] = r.choice(broken)
        with np.errstate(all="ignore"):
            arrays.append(values.astype(np.float32))
    w2c = np.eye(4)
    if r.random() < 0.3:
        w2c[:3] += r.normal(0, 0.3, (3, 4))
    camera = Camera(int(r.integers(1, 70)), int(r.integers(1, 70)), *(10 ** r.uniform(0, 4, 2)), *r.normal(30, 50, 2), w2c,
                    orthographic=bool(r.random() < 0.3))
    settings = RenderSettings(antialiased=bool(r.random() < 0.5), low_pass_px2=float(10 ** r.uniform(-3, 1)))
    return PosedSplats(*arrays, np.zeros(n, int)), camera, settings


@pytest.mark.parametrize(("magnitudes", "broken", "same"), [((-25, 25), BROKEN, False), ((-4, 3), (0.0, np.nan), True)],
                         ids=["absurd", "odd"])
def test_random_scenes(magnitudes, broken, same):
    for seed in range(SCENES):
        r = np.random.default_rng(seed)
        posed, camera, settings = random_scene(r, magnitudes, broken)
        frame = render(posed, camera, settings, threads=int(r.integers(1, 4)))
        assert np.isfinite(frame.rgb).all() and frame.alpha.min() >= -1e-6 and frame.alpha.max() <= 1 + 1e-6, seed
        if same:
            exact = render(posed, camera, settings, backend="reference").alpha
            assert np.abs(frame.alpha - exact).max() < 6e-3, seed   # at most one splat at its cut
        picture, tape = numba_training.forward(posed, camera, settings)
        gradients = numba_training.backward(tape, np.ones_like(picture.rgb))
        for name in ("means", "factors", "opacities", "colours"):
            assert np.isfinite(getattr(gradients, name)).all(), (seed, name)
