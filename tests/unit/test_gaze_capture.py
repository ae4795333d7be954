# SPDX-License-Identifier: GPL-3.0-or-later
"""From noisy readings to a performance: rests, darts and blinks come back, noise does not."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.gaze import capture, check, saccade
from gazesplat.gazesplat_addon.gaze.capture import Readings

FPS = 24.0
OPEN = 0.9


def acted(seconds=12.0, *, noise_deg=0.5, fps=FPS, seed=0, bias=(2.0, -1.5), head=None, blinks=(3.0, 7.5)):
    """Readings of an actor: true gaze (N, 2), true closed share (N,), and what a face reader would say of them."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * fps)) / fps
    moments = np.array([0.0, 1.2, 1.9, 3.02, 4.1, 5.3, 6.6, 7.55, 9.0, 10.2])
    points = np.array([(0, 0), (12, 4), (0, 0), (-15, -3), (-9, -3), (0, 0), (3, 6), (14, 2), (0, 0), (0, -8)], float)
    gaze = np.zeros((len(times), 2))
    for moment, start, end in zip(moments[1:], points[:-1], points[1:], strict=True):
        size = np.hypot(*(end - start))
        share = np.clip((times - moment) / saccade.durations_s(np.array([size]))[0], 0, 1)
        gaze += saccade.profile(share, np.full(len(times), saccade.peak_share(np.array([size]))[0]))[0][:, None] * (end - start)
    closed = np.zeros(len(times))
    for onset in blinks:
        closed = np.maximum(closed, np.interp(times - onset, [0, 0.08, 0.11, 0.30], [0, 1, 1, 0]))
    turn = np.zeros((len(times), 3)) if head is None else head(times)
    eye = gaze - turn[:, :2] + bias + noise_deg * rng.standard_normal(gaze.shape)
    eye[:, 1] -= 20 * closed                                     # lids that come down look like a look down
    aperture = (OPEN * (1 - closed) * (1 + 0.01 * gaze[:, 1]))[:, None] * [1.0, 1.05] + 0.01 * rng.standard_normal((len(times), 2))
    turn_read = turn + 0.4 * rng.standard_normal(turn.shape)
    eye[:, :2] -= (turn_read - turn)[:, :2]                      # what the head is taken to turn, the eyes are taken not to
    return gaze, closed, Readings(times, eye, aperture, turn_read, np.zeros_like(turn), np.full(len(times), 0.01))


def rms(values):
    return np.sqrt(np.mean(values**2, axis=0))


@pytest.mark.parametrize("seed", range(5))
def test_gaze_comes_back_without_calibration(seed):
    gaze, closed, readings = acted(seed=seed)
    made = capture.interpret(readings)
    inside = (closed < 0.2) & (readings.times_s > 0.2) & (readings.times_s < 11.8)
    assert (rms(made.gaze_deg[inside] - gaze[inside]) < (1.0, 1.0)).all()
    assert np.abs(made.contact_deg - [2.0, -1.5]).max() < 0.4
    assert abs(len(made.take.saccades) - 9) <= 1


def test_noise_does_not_become_motion():
    times = np.arange(480) / FPS
    _, _, readings = acted()
    rng = np.random.default_rng(1)
    still = Readings(times, 0.6 * rng.standard_normal((480, 2)), np.full((480, 2), OPEN), 0.5 * rng.standard_normal((480, 3)),
                     0.001 * rng.standard_normal((480, 3)), np.full(480, 0.01))
    made = capture.interpret(still)
    assert len(made.take.saccades) == 0 and made.blinks == ()
    gaze = made.take.curves["life_gaze_yaw"].evaluate(times)
    assert np.abs(gaze).max() < 0.3
    assert np.std(made.take.curves["head_yaw"].evaluate(times)) < 0.2


def test_what_is_played_are_saccades_of_the_main_sequence():
    _, _, readings = acted()
    take = capture.interpret(readings).take
    times = check.sample_times(0.3, take.end_s - 0.3)
    found, peaks = check.find_saccades(times, *(take.curves[f"life_gaze_{axis}"].evaluate(times) for axis in ("yaw", "pitch")))
    assert len(found) >= 9 and check.in_band(found, peaks).all()


@pytest.mark.parametrize("fps", [24.0, 30.0, 59.94])
def test_blinks_start_on_their_frame_and_none_is_invented(fps):
    _, closed, readings = acted(fps=fps, blinks=(1.0, 3.0, 5.52, 9.9))
    made = capture.interpret(readings)
    truth = np.flatnonzero(np.diff((closed > 0.12).astype(int)) == 1) + 1
    assert len(made.blinks) == 4
    assert np.abs(np.array([first for first, _ in made.blinks]) - truth).max() <= 1
    lids = made.take.curves["life_blink_left"].evaluate(readings.times_s)
    assert rms(lids - closed) < 0.06 and lids.max() == pytest.approx(1.0, abs=0.01)


def test_a_look_down_is_no_blink():
    times = np.arange(240) / FPS
    down = np.where((times > 4) & (times < 6), -20.0, 0.0)
    eye = np.stack([np.zeros(240), down], 1)
    aperture = np.repeat((OPEN * (1 + 0.012 * down))[:, None], 2, 1)
    made = capture.interpret(Readings(times, eye, aperture, np.zeros((240, 3)), np.zeros((240, 3)), np.full(240, 0.01)))
    assert made.blinks == ()
    assert made.gaze_deg[120, 1] == pytest.approx(-20.0, abs=0.5)


def test_a_hand_over_the_eyes_is_no_blink():
    _, closed, readings = acted(blinks=(3.0,))
    covered = (readings.times_s > 8.0) & (readings.times_s < 9.0)
    aperture, spread = readings.aperture.copy(), readings.spread.copy()
    aperture[covered], spread[covered] = 0.05, 0.2
    made = capture.interpret(Readings(readings.times_s, readings.eye_deg, aperture, readings.head_deg, readings.head_m, spread))
    assert [round(readings.times_s[first], 1) for first, _ in made.blinks] == [3.0]
    assert not made.seen[covered].any()


def test_a_partial_blink_stays_partial():
    _, _, readings = acted(blinks=())
    aperture = readings.aperture.copy()
    aperture[100:105] *= np.array([0.75, 0.45, 0.4, 0.55, 0.8])[:, None]
    made = capture.interpret(Readings(readings.times_s, readings.eye_deg, aperture, readings.head_deg, readings.head_m, readings.spread))
    assert len(made.blinks) == 1
    assert 0.5 < made.take.curves["life_blink_left"].values.max() < 0.7


def test_a_turning_head_keeps_its_gaze():
    gaze, closed, readings = acted(head=lambda times: np.stack([12 * np.sin(times), 5 * np.cos(0.7 * times), 0 * times], 1))
    made = capture.interpret(readings)
    inside = (closed < 0.2) & (readings.times_s > 0.5) & (readings.times_s < 11.5)
    assert (rms(made.gaze_deg[inside] - gaze[inside]) < (1.2, 1.2)).all()
    yaw = made.take.curves["head_yaw"].evaluate(readings.times_s)
    assert rms((yaw - np.median(yaw) - 12 * np.sin(readings.times_s) + np.median(12 * np.sin(readings.times_s)))[36:-36]) < 1.0


def test_a_moment_of_contact_can_be_named():
    _, _, readings = acted()
    assert np.abs(capture.interpret(readings, contact_s=1.5).contact_deg - [14.0, 2.5]).max() < 0.5


def test_ranges_rest_at_both_ends():
    take = capture.interpret(acted()[2]).take
    for name, curve in take.curves.items():
        assert curve.evaluate(np.array([0.0, take.end_s])) == pytest.approx(0.0, abs=1e-6), name


def test_a_clip_without_a_face_is_refused():
    nothing, nowhere = np.full((50, 2), np.nan), np.full((50, 3), np.nan)
    with pytest.raises(GazeSplatError) as caught:
        capture.interpret(Readings(np.arange(50) / FPS, nothing, nothing, nowhere, nowhere, np.full(50, np.inf)))
    assert caught.value.code == "nothing-read"
