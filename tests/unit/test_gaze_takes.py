# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole takes, measured by the self-check: they move like people, join, and come out alike from one seed."""
from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.gaze import bake, blink, check, fixation, fixational, head, presets, saccade, schedule, track
from gazesplat.gazesplat_addon.gaze.states import DIRECTION_SHARES, STATES

MINUTES_10 = 600.0
FPS = (24.0, 30.0, 60.0, 120.0)


@pytest.fixture(scope="module")
def takes() -> dict[str, schedule.Take]:
    return {name: schedule.make_take(0.0, MINUTES_10, preset=name, seed=11) for name in STATES}


@pytest.fixture(scope="module")
def reports(takes) -> dict[str, check.MotionReport]:
    times = check.sample_times(0.0, MINUTES_10)
    return {name: check.report(times, *(take.curves[c].evaluate(times) for c in ("life_gaze_yaw", "life_gaze_pitch", "life_blink_left")),
                               take.fixations) for name, take in takes.items()}


@pytest.mark.parametrize("state", STATES)
def test_saccades_found_in_the_motion_lie_in_the_band(reports, state):
    assert reports[state].in_band > 0.99


@pytest.mark.parametrize("fps", FPS)
def test_baked_keys_keep_the_band_at_every_frame_rate(takes, fps):
    times = check.sample_times(0.0, MINUTES_10)
    yaw, pitch = (bake.bake(takes["talking"].curves[name], fps=fps, start_frame=1001, tolerance=schedule.TOLERANCES[name])
                  .evaluate(1001 + times * fps) for name in ("life_gaze_yaw", "life_gaze_pitch"))
    found, peaks = check.find_saccades(times, yaw, pitch)
    assert check.in_band(found, peaks).mean() > 0.98


@pytest.mark.parametrize("state", STATES)
def test_blink_rate_lies_in_its_range(takes, reports, state):
    low, high = check.blink_rate_range(STATES[state].blinks_per_minute, MINUTES_10)
    assert low <= reports[state].blinks_per_minute <= high


def test_blink_rates_are_right_on_average():
    for state, wanted in STATES.items():
        counts = [len(schedule.blink_curves(0, 120, seed=seed, state=state).blinks) / 2 for seed in range(40)]
        assert np.mean(counts) == pytest.approx(wanted.blinks_per_minute, rel=0.1), state


def test_blink_intervals_are_uneven_and_skewed():
    onsets = schedule.blink_curves(0, 6000, seed=1, per_minute=17).blinks.start_s
    intervals = np.diff(onsets)
    intervals = intervals[intervals > blink.SHORTEST_INTERVAL_S]   # without doubles
    assert 0.6 < intervals.std() / intervals.mean() < 0.8
    skew = np.mean(((intervals - intervals.mean()) / intervals.std()) ** 3)
    assert skew > 1.0
    logs = np.log(intervals)
    assert abs(np.mean(((logs - logs.mean()) / logs.std()) ** 3)) < 0.3


@pytest.mark.parametrize("state", ["talking", "listening", "thinking", "reading"])
def test_gaze_is_on_target_at_the_end_of_every_rest(reports, state):
    assert reports[state].on_target > 0.99


def test_microsaccades_are_seen_but_no_buzz(takes):
    micro = takes["staring"].saccades
    micro = micro.select(micro.kind == saccade.MICRO)
    assert 1.0 <= len(micro) / MINUTES_10 <= 2.0
    assert np.median(micro.amplitude_deg) == pytest.approx(0.3, abs=0.06)
    everything = takes["staring"].saccades
    assert (everything.start_s[1:] - everything.end_s[:-1]).min() > 0.0
    gaps = micro.start_s[1:] - micro.end_s[:-1]
    assert gaps.min() > 0.8 * fixational.REFRACTORY_S


def test_drift_is_a_few_arcminutes():
    rng = np.random.default_rng(0)
    ends = np.array([fixational.drift(np.zeros(2), 0.5, rng)[1][-1] for _ in range(500)])
    assert 1.5 < 60 * ends.std() < 5.0


def test_large_jumps_undershoot_and_are_corrected_in_time(takes):
    made = takes["talking"].saccades
    corrections = np.flatnonzero(made.kind == saccade.CORRECTIVE)
    assert len(corrections) > 50
    wait = made.start_s[corrections] - made.end_s[corrections - 1]
    assert wait.min() > 0.08 and wait.max() < 0.18
    primary = made.select(corrections - 1)
    target = np.hypot(*(made.to_deg[corrections] - primary.from_deg).T)
    gain = primary.amplitude_deg / target
    assert 0.85 < gain.mean() < 0.95


def test_glances_follow_eyes_alive():
    rng = np.random.default_rng(5)
    targets = fixation._Targets(rng, STATES["talking"], True, 1.0)
    amplitudes = np.array([targets.amplitude(0.32, 27.5) for _ in range(4000)])
    expected = -6.9 * np.log(rng.uniform(15.7 * np.exp(-27.5 / 6.9), 15.0, 4000) / 15.7)
    assert np.quantile(amplitudes, [0.25, 0.5, 0.75, 0.95]) == pytest.approx(np.quantile(expected, [0.25, 0.5, 0.75, 0.95]), rel=0.1)
    steps = np.array([targets.step(1.0, 8.0) for _ in range(4000)])
    eighths = np.round(np.degrees(np.arctan2(steps[:, 1], steps[:, 0])) / 45).astype(int) % 8
    assert np.bincount(eighths, minlength=8) / 40 == pytest.approx(DIRECTION_SHARES, abs=2.0)
    stays = np.array([targets.stay(3.13, 3.16) for _ in range(8000)])
    assert stays.mean() == pytest.approx(3.13, rel=0.1)
    assert stays.std() == pytest.approx(3.16, rel=0.25)


def test_talking_looks_at_the_other_and_away_as_people_do(takes):
    rests = takes["talking"].fixations
    away = np.hypot(*rests.target_deg.T) > 4.5
    share = np.diff(np.append(rests.start_s, rests.end_s))[away].sum() / MINUTES_10
    assert 0.10 < share < 0.30   # 0.93 / (3.13 + 0.93) = 0.23, glances inside the triangle's reach not counted


def test_social_triangle_shrinks_with_distance_and_can_be_switched_off():
    for distance_m, corners in ((1.0, [(1.8, 0.0), (-1.8, 0.0), (0.0, -3.8)]), (4.0, [(0.45, 0.0), (-0.45, 0.0), (0.0, -0.95)])):
        rests = schedule.saccade_curves(0, 60, seed=2, state="listening", listener_distance_m=distance_m).fixations
        apart = np.hypot(*(rests.target_deg[:, None] - np.array(corners)).transpose(2, 0, 1))
        assert (apart.min(0) < 0.5).all()          # every corner is visited
        assert np.mean(apart.min(1) < 0.9) > 0.8   # and little else, but glances away
    plain = schedule.saccade_curves(0, 60, seed=2, state="listening", close_up=False).fixations.target_deg
    reach = np.hypot(*plain.T)
    assert ((reach == 0) | (reach > fixation.EYE_CONTACT_DEG)).all()


def test_gaze_stays_within_the_comfortable_range(takes):
    for take in takes.values():
        yaw, pitch = take.fixations.target_deg.T
        assert np.abs(yaw).max() <= 35 and pitch.max() <= 25 and pitch.min() >= -30


def test_a_moving_target_is_met_after_a_latency():
    jumps = np.array([1.0, 3.0, 5.0])
    points = np.array([[10.0, 0.0], [-60.0, 0.0], [5.0, 40.0]])
    rests = fixation.following(jumps, points, start_s=0.0, end_s=8.0, rng=np.random.default_rng(0))
    wait = rests.start_s[1:-1] - jumps
    assert ((wait >= 0.1) & (wait <= 0.3)).all()
    assert rests.target_deg[2] == pytest.approx([-35.0, 0.0])
    yaw, pitch, _ = track.gaze_track(rests, rng=np.random.default_rng(0), small_life=False)
    assert yaw.evaluate(np.array([2.9, 4.9]))== pytest.approx([10.0, -35.0], abs=0.3)
    assert yaw.values[-1] == pitch.values[-1] == 0.0


def test_reading_goes_along_lines_and_back(takes):
    steps = np.diff(takes["reading"].fixations.target_deg[1:-1, 0])
    assert np.mean(steps < 0) > 0.7           # to the subject's right
    assert 0.05 < np.mean((steps > 0) & (steps < 5)) < 0.2   # goes back now and then
    assert steps.max() > 10                   # return sweeps


@pytest.mark.parametrize("state", STATES)
def test_every_channel_rests_at_zero_at_both_ends(takes, state):
    for name, curve in takes[state].curves.items():
        assert curve.times_s[0] == 0.0 and curve.times_s[-1] == MINUTES_10, name
        assert curve.values[[0, -1]] == pytest.approx([0.0, 0.0], abs=1e-9), name
        assert curve.slopes[[0, -1]] == pytest.approx([0.0, 0.0], abs=1e-9), name


@pytest.mark.parametrize("end_s", [0.01, 0.3, 1.0, 3.0])
def test_short_ranges_work(end_s):
    for state in STATES:
        take = schedule.make_take(0.0, end_s, preset=state, seed=0)
        assert all(curve.values[-1] == pytest.approx(0.0, abs=1e-9) for curve in take.curves.values())


def test_a_range_need_not_start_at_zero():
    take = schedule.make_take(100.0, 130.0, preset="talking", seed=4)
    assert all(c.times_s[0] == 100.0 and c.times_s[-1] == 130.0 for c in take.curves.values())
    assert len(take.blinks) and take.blinks.start_s.min() >= 100.0 and take.blinks.end_s.max() <= 130.0


def test_same_seed_same_take_other_seed_another():
    a, b, c = (schedule.make_take(0, 30, preset="talking", seed=seed) for seed in (7, 7, 8))
    for name in a.curves:
        assert np.array_equal(a.curves[name].times_s, b.curves[name].times_s)
        assert np.array_equal(a.curves[name].values, b.curves[name].values)
    assert not np.array_equal(a.curves["life_gaze_yaw"].values[:50], c.curves["life_gaze_yaw"].values[:50])


def test_generators_called_apart_give_the_take_made_at_once():
    whole = schedule.make_take(0, 60, preset=replace(presets.of_state("thinking"), head_propensity=0.7), seed=9)
    gaze = schedule.saccade_curves(0, 60, seed=9, state="thinking")
    lids = schedule.blink_curves(0, 60, seed=9, state="thinking", saccades=gaze.saccades)
    turn = schedule.head_drift_curves(0, 60, seed=9, saccades=gaze.saccades, head_propensity=0.7)
    for name, curve in {**gaze.curves, **lids.curves, **turn.curves}.items():
        assert np.array_equal(curve.values, whole.curves[name].values), name


def test_blinks_do_not_move_when_saccades_are_seeded_anew():
    first, second = (schedule.blink_curves(0, 60, seed=3).blinks for _ in range(2))
    assert np.array_equal(first.start_s, second.start_s)


def test_blink_phases_are_asymmetric(takes):
    times = check.sample_times(0.0, 60.0)
    found = check.find_blinks(times, takes["talking"].curves["life_blink_left"].evaluate(times))
    assert 0.055 < np.median(found.down_s) < 0.090
    assert 0.150 < np.median(found.up_s) < 0.240
    assert (found.up_s > 1.5 * found.down_s).all()
    made = takes["talking"].blinks
    total = made.end_s - made.start_s
    assert total.min() > 0.23 and total.max() < 0.37
    lid = takes["talking"].curves["life_blink_left"].evaluate(times)
    assert lid.min() >= -1e-3 and lid.max() <= 1.0 + 1e-3


def test_some_blinks_are_partial_and_some_double(takes):
    made = takes["talking"].blinks
    assert 0.05 < np.mean(made.closure < 1.0) < 0.2
    assert 0.02 < np.mean(np.diff(made.start_s) < blink.SHORTEST_INTERVAL_S) < 0.12
    assert (made.start_s[1:] > made.end_s[:-1]).all()


def test_both_eyes_blink_at_once(takes):
    curves = takes["listening"].curves
    assert np.array_equal(curves["life_blink_left"].times_s, curves["life_blink_right"].times_s)


def test_the_eye_dips_under_the_lid_and_is_back_before_it(takes):
    take = takes["listening"]
    dip, lid = take.curves["life_gaze_dip"], take.curves["life_blink_left"]
    full = take.blinks.select(take.blinks.closure == 1.0)
    assert ((full.dip_deg >= 1.0) & (full.dip_deg <= 2.0)).all()
    back = full.end_s - (1 - blink.DIP_BACK_SHARE) * full.up_s
    assert dip.evaluate(back) == pytest.approx(0.0, abs=1e-6)
    assert (lid.evaluate(back) > 0.05).all()


def test_large_gaze_shifts_carry_blinks():
    assert blink.evoked_probability(np.array([10.0, 22.0, 33.0])) == pytest.approx([0.05, 0.5, 0.97])
    assert (np.diff(blink.evoked_probability(np.linspace(0, 60, 100))) > 0).all()
    count = 200
    starts = 3.0 + 4.0 * np.arange(count)
    far = saccade.Saccades(starts, np.full(count, 0.12), np.zeros((count, 2)), np.tile([33.0, 0.0], (count, 1)), np.zeros(count, int))
    made = schedule.blink_curves(0, 810, seed=1, per_minute=17, saccades=far).blinks
    carried = np.mean([np.abs(made.start_s - s).min() < 0.06 for s in starts])
    assert carried > 0.8
    low, high = check.blink_rate_range(17, 810)
    assert low <= len(made) / 13.5 <= high   # the rate stays what was asked for


def test_blinks_on_demand_and_none_at_all():
    asked = schedule.blink_curves(0, 10, seed=1, per_minute=0, at_s=(2.0, 6.5)).blinks
    assert np.unique(asked.start_s.round(3)).tolist()[0] == 2.0 and 6.5 in asked.start_s.round(3)
    assert (asked.closure == 1.0).all()
    none = schedule.blink_curves(0, 10, seed=1, per_minute=0)
    assert len(none.blinks) == 0 and not none.curves["life_blink_left"].values.any()


def test_closed_moments_can_fall_on_whole_frames():
    take = schedule.blink_curves(0, 60, seed=1, frame_s=1 / 24)
    middle = take.blinks.start_s + take.blinks.down_s + take.blinks.closed_s / 2
    assert middle * 24 == pytest.approx(np.round(middle * 24), abs=1e-6)
    assert take.curves["life_blink_left"].evaluate(middle) == pytest.approx(take.blinks.closure, abs=1e-6)


def test_idle_head_is_small_slow_and_never_metronomic():
    take = schedule.head_drift_curves(0, MINUTES_10, seed=2)
    times = np.arange(0, MINUTES_10, 0.05)
    yaw = take.curves["head_yaw"].evaluate(times)
    assert 0.3 < yaw.std() < 0.5
    assert 0.0005 < take.curves["head_x"].evaluate(times).std() < 0.002
    power = np.abs(np.fft.rfft(yaw * np.hanning(len(yaw)))) ** 2
    hertz = np.fft.rfftfreq(len(yaw), 0.05)
    assert power[hertz > 0.8].sum() < 0.01 * power.sum()
    assert power.max() < 0.1 * power.sum()     # no single beat
    low, high = power[(hertz > 0.03) & (hertz < 0.1)].mean(), power[(hertz > 0.3) & (hertz < 0.7)].mean()
    assert low > 2 * high                      # more sway when slower


def test_head_joins_large_shifts_late_and_settles():
    shift = saccade.Saccades(np.array([2.0, 6.0]), np.array([0.12, 0.12]), np.array([[0.0, 0], [40, 0]]), np.array([[40.0, 0], [0, 0]]),
                             np.zeros(2, int))
    turn = head.follow(shift, 0.0, 10.0, propensity=0.5)["head_yaw"]
    assert turn.evaluate(np.array([2.04]))[0] == 0.0                                   # the eyes lead
    assert turn.evaluate(np.array([3.0, 5.0])) == pytest.approx([14.0, 14.0], abs=0.1)   # 0.7 of what lies beyond 20 deg
    assert turn.evaluate(np.array([9.0]))[0] == pytest.approx(0.0, abs=1e-6)
    small = head.head_share_deg(np.array([[15.0, 0.0], [0.0, -19.0]]), 0.5)
    assert not small.any()
    assert head.head_share_deg(np.array([[15.0, 0.0]]), 1.0)[0, 0] == pytest.approx(15.0)
    assert abs(turn.velocity(np.linspace(0, 10, 2000))).max() < 100


def test_pupil_breathes():
    pupil = schedule.pupil_curves(0, MINUTES_10, seed=2).curves["life_pupil"].evaluate(np.arange(0, MINUTES_10, 0.05))
    assert 0.05 < 2 * pupil.std() < 0.10
    power, hertz = np.abs(np.fft.rfft(pupil)) ** 2, np.fft.rfftfreq(len(pupil), 0.05)
    assert power[(hertz > 0.09) & (hertz < 1.05)].sum() > 0.95 * power.sum()


def test_ten_minutes_take_less_work_than_two_seconds():
    started = time.process_time()
    take = schedule.make_take(0, MINUTES_10, preset="reading", seed=1)
    for name, curve in take.curves.items():
        bake.bake(curve, fps=24, start_frame=1, tolerance=schedule.TOLERANCES[name])
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(("code", "call"), [
    ("bad-range", lambda: schedule.saccade_curves(5, 5, seed=1)),
    ("bad-range", lambda: schedule.head_drift_curves(0, float("nan"), seed=1)),
    ("bad-range", lambda: schedule.pupil_curves(3, 1, seed=1)),
    ("bad-rate", lambda: schedule.blink_curves(0, 5, seed=1, per_minute=-3)),
    ("bad-rate", lambda: schedule.blink_curves(0, 5, seed=1, per_minute=float("nan"))),
    ("bad-rate", lambda: schedule.blink_curves(0, 5, seed=1, per_minute=500)),
    ("unknown-state", lambda: schedule.make_take(0, 5, preset="dancing", seed=1)),
    ("bad-seed", lambda: schedule.saccade_curves(0, 5, seed=-1)),
    ("bad-seed", lambda: schedule.saccade_curves(0, 5, seed=1.5)),
    ("bad-amount", lambda: schedule.head_drift_curves(0, 5, seed=1, head_propensity=2.0)),
    ("bad-fps", lambda: bake.bake(schedule.pupil_curves(0, 5, seed=1).curves["life_pupil"], fps=0, start_frame=1)),
    ("bad-fps", lambda: bake.bake(schedule.pupil_curves(0, 5, seed=1).curves["life_pupil"], fps=float("nan"), start_frame=1)),
])
def test_bad_values_are_refused_with_a_way_out(code, call):
    with pytest.raises(GazeSplatError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.hint
