# SPDX-License-Identifier: GPL-3.0-or-later
"""A saccade against the norms it is built on: speed, duration, shape, and what its keys play between frames."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.gazesplat_addon.gaze import saccade
from gazesplat.gazesplat_addon.gaze.curve import Curve

AMPLITUDES = np.array([0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 27.5, 35.0])


def one(amplitude_deg: float) -> saccade.Saccades:
    duration = saccade.durations_s(np.array([amplitude_deg]))
    return saccade.Saccades(np.zeros(1), duration, np.zeros((1, 2)), np.array([[amplitude_deg, 0.0]]), np.zeros(1, int))


def played(some: saccade.Saccades) -> Curve:
    times, gaze, slopes = saccade.key_points(some)
    return Curve(times, gaze[:, 0], slopes[:, 0], np.ones(len(times), bool))


@pytest.mark.parametrize("amplitude", AMPLITUDES)
def test_played_peak_velocity_lies_in_the_published_band(amplitude):
    some = one(amplitude)
    peak = played(some).velocity(np.linspace(0, some.duration_s[0], 2001)).max()
    low, high = saccade.velocity_band_deg_s(amplitude)
    assert low < peak < high
    assert peak == pytest.approx(saccade.peak_velocity_deg_s(amplitude), rel=0.02)


def test_peaks_match_measured_people_within_two_deviations():
    # PMC6143243, horizontal: 213 +- 29 at 5, 352 +- 50 at 15, 455 +- 67 at 30 deg
    for amplitude, mean, deviation in ((5, 213, 29), (15, 352, 50), (30, 455, 67)):
        assert abs(saccade.peak_velocity_deg_s(amplitude) - mean) < 2 * deviation


def test_durations_follow_eyes_alive_and_never_the_textbook_overshoot():
    amplitudes = np.array([1.0, 5.0, 10.0, 20.0])
    durations_ms = 1e3 * saccade.durations_s(amplitudes)
    assert durations_ms == pytest.approx(25 + 2.4 * amplitudes, rel=0.08)
    assert (durations_ms > 21 + 2.2 * amplitudes).all()   # with D = 21 + 2.2 A a bell this steep is too fast


def test_small_saccades_are_symmetric_and_long_ones_skewed():
    share = np.linspace(0, 1, 1001)
    for amplitude, expected in ((1.0, 0.5), (5.0, 0.5), (30.0, 0.4)):
        _, speed = saccade.profile(share, saccade.peak_share(amplitude))
        assert share[speed.argmax()] == pytest.approx(expected, abs=0.01)
        assert speed.max() == pytest.approx(1.65, abs=0.03)   # peak over mean


@pytest.mark.parametrize(("amplitude", "tolerance"), [(0.3, 0.016), (5.0, 0.004), (27.5, 0.004)])
def test_keys_play_the_profile_at_every_subframe(amplitude, tolerance):
    some = one(amplitude)
    share = np.linspace(0, 1, 997)
    position, _ = saccade.profile(share, saccade.peak_share(amplitude))
    error = played(some).evaluate(share * some.duration_s[0]) - amplitude * position
    assert np.abs(error).max() < tolerance * amplitude


def test_trials_vary_but_stay_in_the_band():
    amplitudes = np.repeat(AMPLITUDES, 300)
    durations = saccade.durations_s(amplitudes, np.random.default_rng(1))
    peaks = 1.65 * amplitudes / durations
    low, high = saccade.velocity_band_deg_s(amplitudes)
    assert ((peaks > low) & (peaks < high)).all()
    assert 0.05 < (peaks / saccade.peak_velocity_deg_s(amplitudes)).std() < 0.12


def test_latencies_are_those_of_people():
    latencies = saccade.latencies_s(2000, np.random.default_rng(1))
    assert latencies.min() >= 0.1 and latencies.max() <= 0.3
    assert 0.18 < latencies.mean() < 0.20


def test_oblique_saccades_are_straight():
    some = saccade.Saccades(np.zeros(1), np.array([0.06]), np.zeros((1, 2)), np.array([[12.0, -5.0]]), np.zeros(1, int))
    _, gaze, slopes = saccade.key_points(some)
    assert gaze[:, 0] * -5.0 == pytest.approx(gaze[:, 1] * 12.0)
    assert slopes[:, 0] * -5.0 == pytest.approx(slopes[:, 1] * 12.0)
