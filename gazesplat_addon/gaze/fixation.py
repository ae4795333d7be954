# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the gaze rests and for how long: the schedule that saccades connect.

Offsets are in degrees around whatever the portrait already looks at (its target, or straight ahead): (0, 0) is the
target itself, + yaw the subject's left, + pitch up. Every schedule starts and ends on (0, 0).
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import atan, degrees

import numpy as np

from .saccade import latencies_s
from .states import GazeState

YAW_LIMIT_DEG, UP_LIMIT_DEG, DOWN_LIMIT_DEG = 35.0, 25.0, 30.0  # comfortable range: Guitton & Volle
AMPLITUDE_SCALE_DEG, AMPLITUDE_PERCENT = 6.9, 15.7              # Eyes Alive: A = -6.9 ln(P / 15.7)
EYE_CONTACT_DEG = 2.75          # half of the 5.2-5.5 deg cone of direct gaze: a glance away must leave it
VERTICAL_CAP_DEG = 15.0         # ours: a glance much further up reads as an eye roll, further down as closing the eyes
STAY_MEAN_S, STAY_SPREAD_S = 1.1, 0.6    # ours: on one feature of a face; nothing rests above 4-8 s
SCATTER_DEG = 0.25              # ours: nobody meets a feature at the very same point twice
AWAY_STAY_MEAN_S, AWAY_STAY_SPREAD_S = 0.65, 0.30  # ours: on one point while looking away
AWAY_STEP_CAP_DEG = 8.0         # ours: wandering while away stays small
HALF_PUPIL_DISTANCE_M = 0.0315  # IPD 63 mm
EYES_TO_MOUTH_M = 0.066         # ours: about one IPD
STARE_STAY_MEAN_S, STARE_STAY_SPREAD_S, STARE_STEP_DEG = 4.0, 2.0, 0.7  # ours: nobody stares above 4-8 s without a shift
# Rayner 1998: fixations 225 ms, forward saccades about 2 deg, one in eight goes back.
READ_STAY_MEAN_S, READ_STAY_SPREAD_S, READ_STEP_DEG, READ_STEP_SPREAD_DEG, READ_BACK_SHARE = 0.225, 0.070, 2.0, 0.5, 0.12
READ_HALF_LINE_DEG, READ_LINE_PITCH_DEG, READ_LINES = 7.5, 0.7, 12   # ours: a page at 45 cm
LONGEST_JUMP_S = 0.45          # across the whole range of the eyes, 92 deg
SHORTEST_S = 0.18               # ours: nobody fixates for less
FIRST_MOVE_S = 0.25             # ours: a range opens with a rest, so that ranges join
RETURN_S = 0.20                 # the way home (0.1 s at most) and a moment of rest end every range

Rest = tuple[tuple[float, float], float]   # where (yaw, pitch) deg, and how long s


@dataclass(frozen=True)
class Fixations:
    """N rests in order of time: start_s (N,), target_deg (N, 2) yaw and pitch offsets; the first and last are (0, 0).

    A rest starts when the saccade towards it leaves; it lasts until the next start.
    """

    start_s: np.ndarray
    target_deg: np.ndarray
    end_s: float

    def __len__(self) -> int:
        return len(self.start_s)


def schedule(start_s: float, end_s: float, *, state: GazeState, rng: np.random.Generator,
             close_up: bool = True, listener_distance_m: float = 1.0) -> Fixations:
    """Return the rests of a person in a state over a range.

    ``close_up`` adds the social triangle (eye, eye, mouth of whoever is looked at, ``listener_distance_m`` away).
    """
    last_move_s = end_s - RETURN_S
    targets = _Targets(rng, state, close_up, listener_distance_m)
    pattern: dict[str, Callable[[_Targets], Iterator[Rest]]] = {"glances": _glances, "lines": _lines, "stare": _stare}
    times, points = [start_s], [(0.0, 0.0)]
    time = start_s + FIRST_MOVE_S + (0.0 if state.pattern == "lines" else targets.rng.random() * targets.stay(STAY_MEAN_S, STAY_SPREAD_S))
    for point, stay_s in pattern[state.pattern](targets):
        if time > last_move_s - SHORTEST_S:
            break
        times.append(time)
        points.append(within_limits(point))
        time += max(stay_s, SHORTEST_S)
    if last_move_s > start_s:
        times.append(last_move_s)
        points.append((0.0, 0.0))
    return Fixations(np.array(times), np.array(points), end_s)


def following(times_s: np.ndarray, targets_deg: np.ndarray, *, start_s: float, end_s: float, rng: np.random.Generator) -> Fixations:
    """Return the rests of eyes that follow a target which jumps at times (N,) to offsets (N, 2): each jump is met after a latency."""
    times = np.asarray(times_s, float) + latencies_s(len(times_s), rng)
    keep = (times > start_s) & (times < end_s - RETURN_S - LONGEST_JUMP_S) & (np.diff(times, append=np.inf) >= SHORTEST_S)
    limited = [within_limits(tuple(point)) for point in np.asarray(targets_deg, float)[keep]]
    return Fixations(np.concatenate([[start_s], times[keep], [end_s - RETURN_S]]), np.array([(0.0, 0.0), *limited, (0.0, 0.0)]), end_s)


def within_limits(point: tuple[float, float]) -> tuple[float, float]:
    """Return yaw and pitch pulled straight towards the centre until they lie within the comfortable range."""
    yaw, pitch = point
    reach = max(abs(yaw) / YAW_LIMIT_DEG, pitch / UP_LIMIT_DEG, -pitch / DOWN_LIMIT_DEG, 1.0)
    return yaw / reach, pitch / reach


class _Targets:
    """Draws of one take: where the next rest lies and how long it lasts."""

    def __init__(self, rng: np.random.Generator, state: GazeState, close_up: bool, distance_m: float) -> None:
        self.rng = rng
        self.state = state
        eye, mouth = degrees(atan(HALF_PUPIL_DISTANCE_M / distance_m)), -degrees(atan(EYES_TO_MOUTH_M / distance_m))
        self.triangle = ((eye, 0.0), (-eye, 0.0), (0.0, mouth)) if close_up else ()

    def stay(self, mean_s: float, spread_s: float) -> float:
        """Return a log-normal duration of that mean and standard deviation."""
        sigma2 = np.log1p((spread_s / mean_s) ** 2)
        return float(mean_s * np.exp(np.sqrt(sigma2) * self.rng.standard_normal() - sigma2 / 2))

    def amplitude(self, low_deg: float, cap_deg: float) -> float:
        """Return an Eyes Alive amplitude within two bounds: P is uniform between the percentages that they stand for."""
        low_p, high_p = (AMPLITUDE_PERCENT * np.exp(-a / AMPLITUDE_SCALE_DEG) for a in (cap_deg, low_deg))
        return float(-AMPLITUDE_SCALE_DEG * np.log(self.rng.uniform(low_p, high_p) / AMPLITUDE_PERCENT))

    def step(self, low_deg: float, cap_deg: float) -> tuple[float, float]:
        """Return a displacement within two lengths, in a direction of the state's statistics (within 15 deg of the eight)."""
        shares = np.array(self.state.direction_shares)
        eighth = self.rng.choice(8, p=shares / shares.sum())
        angle = np.radians(45.0 * eighth + self.rng.uniform(-15.0, 15.0))
        cap_deg = min(cap_deg, VERTICAL_CAP_DEG / max(abs(np.sin(angle)), 1e-6))
        length = self.amplitude(low_deg, cap_deg)
        return float(length * np.cos(angle)), float(length * np.sin(angle))


def _glances(t: _Targets) -> Iterator[Rest]:
    """Yield the rests of somebody who alternates between the other's face and glances away, met in mid-conversation."""
    yield from _at_the_other(t, t.rng.random() * t.stay(t.state.at_mean_s, t.state.at_spread_s))
    while True:
        yield from _away(t)
        yield from _at_the_other(t, t.stay(t.state.at_mean_s, t.state.at_spread_s))


def _at_the_other(t: _Targets, left_s: float) -> Iterator[Rest]:
    """Yield the rests of one look at the other: from feature to feature of the face."""
    if not t.triangle:
        yield (0.0, 0.0), left_s
        return
    corner = int(t.rng.integers(2))
    while left_s > 0:
        stay = min(left_s, t.stay(STAY_MEAN_S, STAY_SPREAD_S))
        stay = left_s if left_s - stay < SHORTEST_S else stay
        yield (t.triangle[corner][0] + t.rng.normal(0.0, SCATTER_DEG), t.triangle[corner][1] + t.rng.normal(0.0, SCATTER_DEG)), stay
        left_s -= stay
        # eye to eye a little more often than eye to mouth
        corner = int(t.rng.choice([c for c in range(3) if c != corner], p=[0.6, 0.4]))


def _away(t: _Targets) -> Iterator[Rest]:
    """Yield the rests of one look away: a first glance, then small moves while it lasts."""
    left_s = t.stay(t.state.away_mean_s, t.state.away_spread_s)
    point = t.step(EYE_CONTACT_DEG, t.state.cap_deg)
    while left_s > 0:
        stay = min(left_s, t.stay(AWAY_STAY_MEAN_S, AWAY_STAY_SPREAD_S))
        stay = left_s if left_s - stay < SHORTEST_S else stay
        yield point, stay
        left_s -= stay
        for _ in range(8):
            dx, dy = t.step(1.0, AWAY_STEP_CAP_DEG)
            if EYE_CONTACT_DEG < np.hypot(point[0] + dx, point[1] + dy) < t.state.cap_deg and abs(point[1] + dy) < VERTICAL_CAP_DEG:
                point = point[0] + dx, point[1] + dy
                break


def _lines(t: _Targets) -> Iterator[Rest]:
    """Yield the rests of a reader: along the line to the subject's right, back to the next line, page after page."""
    while True:
        for line in range(READ_LINES):
            pitch = READ_LINE_PITCH_DEG * ((READ_LINES - 1) / 2 - line)
            yaw = READ_HALF_LINE_DEG - abs(t.rng.normal(0.0, 0.6))
            while yaw > -READ_HALF_LINE_DEG:
                yield (yaw, pitch + t.rng.normal(0.0, 0.08)), t.stay(READ_STAY_MEAN_S, READ_STAY_SPREAD_S)
                step = max(0.5, t.rng.normal(READ_STEP_DEG, READ_STEP_SPREAD_DEG))
                yaw += 0.6 * step if t.rng.random() < READ_BACK_SHARE and yaw < READ_HALF_LINE_DEG - step else -step


def _stare(t: _Targets) -> Iterator[Rest]:
    """Yield the rests of somebody who stares: tiny shifts around the target, now and then."""
    while True:
        yield t.step(0.2, STARE_STEP_DEG), min(t.stay(STARE_STAY_MEAN_S, STARE_STAY_SPREAD_S), 8.0)
