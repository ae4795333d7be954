# SPDX-License-Identifier: GPL-3.0-or-later
"""From a schedule of rests to one continuous gaze: saccades that undershoot and correct, and small life in between."""
from __future__ import annotations

import numpy as np

from . import fixational, saccade
from .curve import Curve, catmull_rom_slopes
from .fixation import Fixations
from .saccade import CORRECTIVE, MICRO, PRIMARY, Saccades

UNDERSHOOT_MEAN, UNDERSHOOT_SPREAD = 0.10, 0.04   # about 10 %
UNDERSHOOT_FROM_DEG, UNDERSHOOT_FULL_DEG = 3.0, 10.0   # ours: short jumps land well
CORRECTION_WAIT_S = (0.100, 0.150)   # corrected after 100-150 ms
SMALLEST_CORRECTION_DEG = 0.25       # ours: less is left to the microsaccades
SMALLEST_JUMP_DEG = 0.02             # ours: below it no saccade is made
SHORTEST_GAP_S = 2e-3                # ours: keys of two saccades never coincide


GENTLE_S = 0.9                       # ours: how long attention takes to fade when interest is lost


def attention_step(angle_deg: float, *, gentle: bool) -> Curve:
    """Return the way from one target (0) to the next (1), from second 0 on: a saccade of that angle, or a gentle fade."""
    if gentle:
        return Curve(np.array([0.0, GENTLE_S]), np.array([0.0, 1.0]), np.zeros(2), np.ones(2, bool))
    length_s = saccade.durations_s(np.array([max(angle_deg, 1.0)]))
    jump = Saccades(np.zeros(1), length_s, np.zeros((1, 2)), np.array([[1.0, 0.0]]), np.array([PRIMARY]))
    # the profile's skew is that of the angle, while the values run from 0 to 1
    times, _, _ = saccade.key_points(jump)
    share, speed = saccade.profile((times - times[0]) / jump.duration_s[0], saccade.peak_share(np.full(len(times), angle_deg)))
    return Curve(times, share, speed / jump.duration_s[0], np.ones(len(times), bool))


def gaze_track(fixations: Fixations, *, rng: np.random.Generator, small_life: bool = True) -> tuple[Curve, Curve, Saccades]:
    """Return yaw and pitch curves (degrees) and the saccades made, from the first rest to ``fixations.end_s``.

    The gaze starts and ends on (0, 0). ``small_life`` adds microsaccades and drift.
    """
    start_s, goal_deg, target_deg, kind = _events(fixations, rng, small_life)
    walk = _Walk(fixations.start_s[0], rng, small_life)
    resting_on = fixations.target_deg[0]
    for i in range(len(start_s)):
        walk.rest_until(start_s[i], resting_on)
        resting_on = target_deg[i]
        if kind[i] == MICRO:
            goal = target_deg[i] + fixational.micro_landing(walk.here - target_deg[i], rng)
        else:
            goal = goal_deg[i]
        walk.jump(start_s[i], goal, kind[i])
    return walk.curves(fixations.end_s)


def _events(fixations: Fixations, rng: np.random.Generator, small_life: bool) -> tuple[np.ndarray, ...]:
    """Return all jumps in order: start (N,) s, goal (N, 2) (NaN for microsaccades), target (N, 2), kind (N,)."""
    start = fixations.start_s[1:]
    target = fixations.target_deg[1:]
    jump = target - fixations.target_deg[:-1]
    amplitude = np.hypot(*jump.T)
    length = saccade.durations_s(amplitude)
    goal, late = _undershoot(start, target, jump, amplitude, length, fixations.end_s, rng)
    fix = ~np.isnan(late)
    starts, goals, targets = [start, late[fix]], [goal, target[fix]], [target, target[fix]]
    kinds = [np.full(len(start), PRIMARY), np.full(int(fix.sum()), CORRECTIVE)]
    if small_life and len(start):
        busy_until = np.where(fix, late + saccade.durations_s(np.hypot(*(target - goal).T)), start + length)
        # free from each landing to the next departure; after the last jump the gaze stays home
        times = fixational.micro_times_s(np.concatenate([[fixations.start_s[0]], busy_until[:-1]]), start, rng)
        resting_on = fixations.target_deg[np.searchsorted(fixations.start_s, times, "right") - 1]
        starts.append(times)
        goals.append(np.full((len(times), 2), np.nan))
        targets.append(resting_on)
        kinds.append(np.full(len(times), MICRO))
    order = np.argsort(np.concatenate(starts), kind="stable")
    return tuple(np.concatenate(a)[order] for a in (starts, goals, targets, kinds))


def _undershoot(start, target, jump, amplitude, length, end_s, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return where primary saccades land (N, 2) and when each correction leaves (N,), NaN where none is needed."""
    count = len(start)
    short = np.clip(rng.normal(UNDERSHOOT_MEAN, UNDERSHOOT_SPREAD, count), 0.0, 0.2)
    short *= np.interp(amplitude, [UNDERSHOOT_FROM_DEG, UNDERSHOOT_FULL_DEG], [0.0, 1.0])
    late = start + length + rng.uniform(*CORRECTION_WAIT_S, count)
    next_start = np.append(start[1:], end_s)
    corrected = (short * amplitude >= SMALLEST_CORRECTION_DEG) & (late + 0.05 < next_start)
    if count:
        corrected[-1] = False   # the way home lands on (0, 0)
    short = np.where(corrected, short, 0.0)
    return target - short[:, None] * jump, np.where(corrected, late, np.nan)


class _Walk:
    """The gaze as it moves: remembers where it is, and collects drift keys and saccades."""

    def __init__(self, start_s: float, rng: np.random.Generator, small_life: bool) -> None:
        self.start_s = self.now_s = float(start_s)
        self.here = np.zeros(2)
        self.rng = rng
        self.small_life = small_life
        self.drift_times: list[np.ndarray] = []
        self.drift_points: list[np.ndarray] = []
        self.jumps: list[tuple] = []

    def rest_until(self, time_s: float, target_deg: np.ndarray) -> None:
        """Drift around a target until a time."""
        gap_s = time_s - self.now_s
        if gap_s < SHORTEST_GAP_S:
            return   # still landing: the next saccade leaves as soon as it can
        if self.small_life:
            after, offsets = fixational.drift(self.here - target_deg, gap_s, self.rng)
            self.here = target_deg + offsets[-1]
            # the last point is the next saccade's own first key
            self.drift_times.append(self.now_s + after[:-1])
            self.drift_points.append(target_deg + offsets[:-1])
        self.now_s = time_s

    def jump(self, time_s: float, goal_deg: np.ndarray, kind: int) -> None:
        """Make a saccade to a goal; a jump too small to see is left out and the gaze drifts on."""
        amplitude = float(np.hypot(*(goal_deg - self.here)))
        time_s = max(time_s, self.now_s + SHORTEST_GAP_S)
        if amplitude < SMALLEST_JUMP_DEG:
            self.drift_times.append(np.array([time_s]))
            self.drift_points.append(self.here[None])
            self.now_s = time_s
            return
        duration_s = float(saccade.durations_s(np.array([amplitude]), self.rng)[0])
        self.jumps.append((time_s, duration_s, self.here, goal_deg, kind))
        self.here = goal_deg
        self.now_s = time_s + duration_s

    def curves(self, end_s: float) -> tuple[Curve, Curve, Saccades]:
        """Return yaw, pitch and the saccades."""
        made = Saccades(np.array([j[0] for j in self.jumps], float), np.array([j[1] for j in self.jumps], float),
                        np.array([j[2] for j in self.jumps], float).reshape(-1, 2),
                        np.array([j[3] for j in self.jumps], float).reshape(-1, 2), np.array([j[4] for j in self.jumps], int))
        key_s, key_deg, key_slopes = saccade.key_points(made)
        drift_s = np.concatenate([np.zeros(0), *self.drift_times])
        drift_deg = np.concatenate([np.zeros((0, 2)), *self.drift_points])
        tail_s = [end_s] if len(key_s) == 0 or key_s[-1] < end_s else []
        ends_s = np.array([self.start_s, *tail_s])
        times = np.concatenate([key_s, drift_s, ends_s])
        points = np.concatenate([key_deg, drift_deg, np.zeros((len(ends_s), 2))])
        order = np.argsort(times, kind="stable")
        times, points = times[order], points[order]
        pinned = np.concatenate([np.ones(len(key_s), bool), np.zeros(len(drift_s), bool), np.ones(len(ends_s), bool)])[order]
        slopes = np.concatenate([key_slopes, np.zeros((len(drift_s) + len(ends_s), 2))])[order]
        curves = []
        for axis in (0, 1):
            wander = catmull_rom_slopes(times, points[:, axis])
            curves.append(Curve(times, points[:, axis], np.where(pinned, slopes[:, axis], wander), pinned))
        return curves[0], curves[1], made
