# SPDX-License-Identifier: GPL-3.0-or-later
"""The backward pass against differences of the float64 reference."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, synthetic_head
from gazesplat.backend.render import RenderSettings, chain, numba_training, render
from gazesplat.gazesplat_addon.splat.arrays import rotation_matrices

HEAD = synthetic_head(80, seed=4)
CAMERA = head_camera(40, 36)
# One step for each kind of value, small beside it; the cut's steps are rare enough not to be met.
STEPS = {"means": 1e-8, "factors": 1e-8, "opacities": 1e-6, "colours": 1e-6}

CASES = {
    "default": (CAMERA, RenderSettings(background=(0.2, 0.5, 0.7))),
    "antialiased": (CAMERA, RenderSettings(antialiased=True)),
    "clamped": (replace(CAMERA, cx=2.0, cy=38.0), RenderSettings()),
    "orthographic": (replace(CAMERA, orthographic=True, fx=CAMERA.fx / 0.6, fy=CAMERA.fy / 0.6), RenderSettings()),
}


def as_float64(posed):
    return replace(posed, **{name: np.asarray(getattr(posed, name), np.float64) for name in STEPS})


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_reference(case):
    camera, settings = CASES[case]
    r = np.random.default_rng(7)
    d_rgb, d_alpha = r.normal(size=(36, 40, 3)), r.normal(size=(36, 40))
    # Large splats for the clamp: they reach into the picture from beyond its margin.
    head = replace(HEAD, factors=HEAD.factors * np.float32(4.0)) if case == "clamped" else HEAD
    _, tape = numba_training.forward(head, camera, settings, threads=2)
    gradients = numba_training.backward(tape, d_rgb, d_alpha)
    exact = as_float64(head)

    def loss(posed) -> float:
        frame = render(posed, camera, settings, backend="reference")
        return float((frame.rgb * d_rgb).sum() + (frame.alpha * d_alpha).sum())

    for name, step in STEPS.items():
        values, got = getattr(exact, name), getattr(gradients, name)
        assert np.isfinite(got).all()
        places = [tuple(r.integers(0, size) for size in values.shape) for _ in range(25)]
        expected = []
        for place in places:
            moved = []
            for sign in (1.0, -1.0):
                changed = values.copy()
                changed[place] += sign * step
                moved.append(loss(replace(exact, **{name: changed})))
            expected.append((moved[0] - moved[1]) / (2.0 * step))
        expected = np.array(expected)
        assert np.abs(expected).max() > 0
        error = np.abs(np.array([got[place] for place in places]) - expected) / np.abs(expected).max()
        # Nineteen in twenty to 1e-4; the rest may have met a step of the alpha cut.
        assert np.sort(error)[:-1].max() < 1e-4, (name, error)


def test_centres_move_like_the_principal_point():
    """Moving all centres is moving the principal point, apart from the clamp, which this view does not meet."""
    d_rgb = np.random.default_rng(1).normal(size=(36, 40, 3))
    settings, step = RenderSettings(), 1e-5
    _, tape = numba_training.forward(HEAD, CAMERA, settings)
    total = numba_training.backward(tape, d_rgb).centres_px.sum(0)
    for axis, name in enumerate(("cx", "cy")):
        moved = [float((render(as_float64(HEAD), replace(CAMERA, sensor=(0, 0, 40, 36), **{name: getattr(CAMERA, name) + s}), settings,
                               backend="reference").rgb * d_rgb).sum()) for s in (step, -step)]
        assert total[axis] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-3)


def test_gradients_do_not_depend_on_threads():
    d_rgb = np.random.default_rng(2).normal(size=(90, 117, 3)).astype(np.float32)
    posed, camera = synthetic_head(3000, seed=2), head_camera(117, 90)
    results = []
    for threads in (1, 2, 5):
        _, tape = numba_training.forward(posed, camera, RenderSettings(), threads=threads)
        results.append(numba_training.backward(tape, d_rgb))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].means, other.means)
        np.testing.assert_array_equal(results[0].factors, other.factors)


def test_hidden_and_empty():
    nothing = replace(HEAD, **{name: getattr(HEAD, name)[:0] for name in (*STEPS, "groups")})
    _, tape = numba_training.forward(nothing, CAMERA, RenderSettings())
    assert numba_training.backward(tape, np.ones((36, 40, 3))).means.shape == (0, 3)
    behind = replace(HEAD, means=HEAD.means + np.float32([0, -50, 0]))
    _, tape = numba_training.forward(behind, CAMERA, RenderSettings())
    assert not numba_training.backward(tape, np.ones((36, 40, 3))).factors.any()
    with pytest.raises(ValueError, match="supersample"):
        numba_training.forward(HEAD, CAMERA, RenderSettings(supersample=2))


def test_chain_to_scales_and_quaternions():
    r = np.random.default_rng(5)
    n, step = 20, 1e-6
    scales, quaternions, weight = r.uniform(0.1, 2, (n, 3)), r.normal(size=(n, 4)), r.normal(size=(n, 3, 3))

    def loss(s, q):
        return (rotation_matrices(q) * s[:, None, :] * weight).sum((1, 2))

    d_scales, d_quaternions = chain.scales_and_rotations(weight, scales, quaternions)
    for k in range(3):
        e = np.eye(3)[k] * step
        np.testing.assert_allclose(d_scales[:, k], (loss(scales + e, quaternions) - loss(scales - e, quaternions)) / (2 * step), rtol=1e-6)
    for k in range(4):
        e = np.eye(4)[k] * step
        np.testing.assert_allclose(d_quaternions[:, k], (loss(scales, quaternions + e) - loss(scales, quaternions - e)) / (2 * step),
                                   rtol=1e-5, atol=1e-7)
