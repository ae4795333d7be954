# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves and keyframes as arrays: exact between keys, thinned within a tolerance, ranges replaced without a trace."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gazesplat.gazesplat_addon.gaze import bake, keys, schedule
from gazesplat.gazesplat_addon.gaze.curve import Curve, catmull_rom_slopes, flat

FRAMES = np.linspace(0, 250, 5003)


def wavy(start: float, end: float, seed: int, count: int = 30) -> keys.Keys:
    """Generated-looking keys that rest at 0 at both ends."""
    rng = np.random.default_rng(seed)
    frames = np.concatenate([[start], np.sort(rng.uniform(start + 1, end - 1, count)), [end]])
    frames = np.maximum.accumulate(frames + 0.05 * np.arange(len(frames)) * (frames > start) * (frames < end)).clip(start, end)
    frames = frames[np.append(True, np.diff(frames) > 0.01)]
    values = rng.normal(0, 5, len(frames))
    values[[0, -1]] = 0
    return keys.from_slopes(frames, values, catmull_rom_slopes(frames, values))


def replaced(old: keys.Keys, new: keys.Keys, ease: float = 1.5) -> keys.Keys:
    before, after = keys.cut(old, *new.frames[[0, -1]])
    return keys.joined(before, new, after, ease_frames=ease)


def test_sums_of_curves_are_exact():
    rng = np.random.default_rng(0)
    a, b = (Curve(t, rng.normal(size=len(t)), catmull_rom_slopes(t, rng.normal(size=len(t))), np.ones(len(t), bool))
            for t in (np.linspace(0, 10, 21), np.linspace(0, 10, 34)))
    a, b = (Curve(c.times_s, c.values, c.slopes * 0 + np.append(0, np.append(c.slopes[1:-1], 0)), c.pinned) for c in (a, b))
    times = np.linspace(0, 10, 4001)
    assert a.plus(b).evaluate(times) == pytest.approx(a.evaluate(times) + b.evaluate(times), abs=1e-9)


def test_velocity_is_the_derivative():
    times = np.linspace(0, 4, 9)
    curve = Curve(times, np.sin(times), np.cos(times), np.ones(9, bool))
    at = np.linspace(0.01, 3.99, 500)
    numeric = (curve.evaluate(at + 1e-5) - curve.evaluate(at - 1e-5)) / 2e-5
    assert curve.velocity(at) == pytest.approx(numeric, abs=1e-5)


def test_thinning_stays_within_its_tolerance_and_keeps_pinned_keys():
    curve = schedule.head_drift_curves(0, 120, seed=1).curves["head_yaw"]
    dense = np.linspace(0, 120, 20001)
    for tolerance in (0.005, 0.02, 0.1):
        thin = curve.thinned(tolerance)
        assert np.abs(thin.evaluate(dense) - curve.evaluate(dense)).max() <= 1.1 * tolerance
        assert len(thin) < len(curve)
    gaze = schedule.saccade_curves(0, 60, seed=1).curves["life_gaze_yaw"]
    assert set(gaze.times_s[gaze.pinned]) <= set(gaze.thinned(1.0).times_s)


@pytest.mark.parametrize("fps", [1.0, 23.976, 24.0, 120.0, 1000.0])
def test_baked_keys_play_the_curve(fps):
    curve = schedule.saccade_curves(0, 30, seed=1).curves["life_gaze_yaw"]
    made = bake.bake(curve, fps=fps, start_frame=101.5)
    times = np.linspace(0, 30, 10007)
    assert made.evaluate(101.5 + times * fps) == pytest.approx(curve.evaluate(times), abs=0.02)
    assert made.frames[[0, -1]] == pytest.approx([101.5, 101.5 + 30 * fps])
    assert (np.diff(made.frames.astype(np.float32)) > 0).all()


def test_empty_and_single_keys_are_held():
    assert keys.empty().evaluate(FRAMES) == pytest.approx(0.0)
    one = keys.from_slopes(np.array([5.0, 9.0]), np.array([2.0, 3.0]), np.zeros(2))
    assert one.select(slice(0, 1)).evaluate(FRAMES) == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(40))
def test_replacing_a_range_leaves_everything_outside_as_it_played(seed):
    draw = np.random.default_rng(seed)
    start, length = draw.uniform(5, 150), draw.choice([draw.uniform(0.5, 4), draw.uniform(4, 90)])
    old = wavy(1, 200, seed)
    new = wavy(start, start + length, seed + 100, 5) if length > 4 else keys.from_slopes(
        np.array([start, start + length]), np.zeros(2), np.zeros(2))
    result = replaced(old, new)
    outside = (start >= FRAMES) | (start + length <= FRAMES)
    assert result.evaluate(FRAMES[outside]) == pytest.approx(old.evaluate(FRAMES[outside]), abs=1e-6)
    assert (np.diff(result.frames) > 0).all()
    ease = min(1.5, length / 2)
    inside = (start + ease <= FRAMES) & (start + length - ease >= FRAMES)
    assert result.evaluate(FRAMES[inside]) == pytest.approx(new.evaluate(FRAMES[inside]), abs=1e-6)


def test_outside_keys_keep_their_place_and_are_known():
    old = wavy(1, 200, 1)
    old = dataclasses.replace(old, origin=np.arange(len(old)))
    result = replaced(old, wavy(80, 120, 2, 8))
    kept = result.origin >= 0
    assert np.array_equal(result.frames[kept], old.frames[result.origin[kept]])
    assert np.array_equal(result.values[kept], old.values[result.origin[kept]])
    assert kept.sum() == ((old.frames < 80) | (old.frames > 120)).sum()


def test_ranges_side_by_side_join_at_rest():
    first, second = wavy(1, 100, 1), wavy(100, 200, 2)
    both = replaced(first, second)
    assert both.evaluate(np.array([100.0]))[0] == 0.0
    assert both.evaluate(FRAMES[FRAMES < 100]) == pytest.approx(first.evaluate(FRAMES[FRAMES < 100]))
    assert both.evaluate(FRAMES[FRAMES > 100]) == pytest.approx(second.evaluate(FRAMES[FRAMES > 100]))
    assert np.isclose(both.frames, 100.0).sum() == 1


def test_ranges_apart_hold_zero_between():
    both = replaced(replaced(keys.empty(), wavy(1, 50, 1)), wavy(90, 140, 2))
    between = FRAMES[(FRAMES >= 50) & (FRAMES <= 90)]
    assert both.evaluate(between) == pytest.approx(0.0, abs=1e-9)


def test_clearing_rests_inside_and_is_done_once():
    old = wavy(1, 200, 3)
    once = keys.cleared(old, 80, 120, ease_frames=2)
    assert once.evaluate(np.linspace(82, 118, 50)) == pytest.approx(0.0, abs=1e-9)
    twice = keys.cleared(once, 80, 120, ease_frames=2)
    assert np.allclose(once.points, twice.points)
    outside = (FRAMES <= 80) | (FRAMES >= 120)
    assert once.evaluate(FRAMES[outside]) == pytest.approx(old.evaluate(FRAMES[outside]), abs=1e-6)


def test_clearing_bit_by_bit_leaves_nothing():
    left = wavy(1, 200, 3)
    for start, end in ((80, 120), (1, 60), (50, 90), (100, 200)):
        left = keys.cleared(left, start, end, ease_frames=2)
    assert len(left) == 0


def test_clearing_the_end_of_a_range_leaves_no_litter():
    left = keys.cleared(wavy(1, 200, 3), 120, 200, ease_frames=2)
    assert left.frames.max() == pytest.approx(122)
    assert left.values[-1] == 0.0
    assert not left.seam[left.frames < 119].any()


def test_a_constant_and_a_linear_span_are_cut_as_they_play():
    old = keys.from_slopes(np.array([0.0, 100.0, 200.0]), np.array([4.0, 8.0, -2.0]), np.zeros(3))
    for code in (keys.CONSTANT, keys.LINEAR):
        some = keys.Keys(old.points, old.left, old.right, np.full(3, code), old.seam, np.arange(3))
        result = replaced(some, keys.from_slopes(np.array([120.0, 150.0]), np.zeros(2), np.zeros(2)))
        for at in (50.0, 110.0, 160.0, 199.0):
            assert result.evaluate(np.array([at])) == pytest.approx(some.evaluate(np.array([at])), abs=1e-6)


def test_flat_curves_bake_to_two_keys():
    assert len(bake.bake(flat(0, 10), fps=24, start_frame=1)) == 2
