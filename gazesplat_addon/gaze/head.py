# SPDX-License-Identifier: GPL-3.0-or-later
"""The head: it never stands quite still, and it takes its share of large gaze shifts, late, and settles."""
from __future__ import annotations

import numpy as np

from . import noise
from .curve import Curve, flat
from .saccade import MICRO, Saccades, profile

IDLE_DEG = 0.4                       # idle head 0.3-0.5 deg (taken as RMS of the yaw)
IDLE_M = 0.001                       # idle head 0.5-2 mm (RMS)
IDLE_LOW_HZ, IDLE_HIGH_HZ = 0.03, 0.7  # 1/f below 0.7 Hz; ours: nothing slower than half a minute
FADE_S = 1.0                         # ours: how a range starts and ends at rest
# ours: the share of each axis of what is asked for; people turn more than they tilt and sway more than they bob
TURN_SHARES = {"head_yaw": 1.0, "head_pitch": 0.8, "head_roll": 0.5}
SWAY_SHARES = {"head_x": 1.0, "head_y": 1.0, "head_z": 0.4}

JOIN_DEG = 20.0                      # the head joins above about 20 deg; at propensity 0.5
GAIN_AT_HALF = 0.7                   # ours (Stahl 1999 measures 0.7-0.9): share of the rest that the head takes
LAG_AT_DEG, LAG_S = (10.0, 40.0), (0.139, 0.050)   # lags 139 ms at 10 deg, falling to 50 ms at 40
TURN_BASE_S, TURN_PER_DEG_S = 0.35, 0.012          # ours: a turn of the head takes 0.35 s and 12 ms a degree
TURN_PEAK_AT = 0.30                  # ours: quick to start, slow to settle
SMALLEST_SHIFT_DEG = 1.0
CLOSEST_KEYS_S = 0.01
_KEY_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


def idle(start_s: float, end_s: float, *, rng: np.random.Generator, turn_deg: float = IDLE_DEG,
         sway_m: float = IDLE_M) -> dict[str, Curve]:
    """Return the idle motion of a head: head_yaw, head_pitch, head_roll in degrees, head_x, head_y, head_z in metres.

    ``turn_deg`` and ``sway_m`` are RMS values. + yaw turns to the subject's left, + pitch up, + roll tilts the top of the
    head to the subject's left; x, y, z are the portrait's axes.
    """
    shares = {name: share * turn_deg for name, share in TURN_SHARES.items()}
    shares |= {name: share * sway_m for name, share in SWAY_SHARES.items()}
    times, values, slopes = noise.wander(start_s, end_s, low_hz=IDLE_LOW_HZ, high_hz=IDLE_HIGH_HZ, power_slope=1.0,
                                         channels=len(shares), rng=rng)
    values, slopes = noise.faded(times, values, slopes, FADE_S)
    pinned = np.zeros(len(times), bool)
    pinned[[0, -1]] = True
    return {name: Curve(times, share * v, share * m, pinned) for (name, share), v, m in zip(shares.items(), values, slopes, strict=True)}


def head_share_deg(gaze_deg: np.ndarray, propensity: float) -> np.ndarray:
    """Return where the head turns (N, 2) for a gaze (N, 2) off straight ahead: none inside a dead zone, most of the rest.

    Propensity 0 leaves all but the most extreme gaze to the eyes, 0.5 joins above 20 deg, 1 turns the head for everything.
    """
    reach = np.hypot(*gaze_deg.T)
    dead_deg = 2 * JOIN_DEG * (1 - propensity)
    gain = np.interp(propensity, [0.0, 0.5, 1.0], [2 * GAIN_AT_HALF - 1, GAIN_AT_HALF, 1.0])
    return gaze_deg * (gain * np.maximum(reach - dead_deg, 0.0) / np.maximum(reach, 1e-9))[:, None]


def follow(saccades: Saccades, start_s: float, end_s: float, *, propensity: float = 0.5) -> dict[str, Curve]:
    """Return head_yaw and head_pitch (degrees) of a head that follows large gaze shifts.

    The gaze of ``saccades`` is that of eyes and head together: eyes that hold their target counter-rotate by what the head turns.
    """
    some = saccades.select((saccades.kind != MICRO) & (saccades.amplitude_deg >= SMALLEST_SHIFT_DEG)
                           & (saccades.start_s >= start_s) & (saccades.start_s < end_s))
    share = head_share_deg(some.to_deg, propensity)
    # one turn more brings the head home, should the last shift not have done so
    step = np.diff(np.concatenate([np.zeros((1, 2)), share, np.zeros((1, 2))]), axis=0)
    lag_s = np.append(np.interp(some.amplitude_deg, LAG_AT_DEG, LAG_S), 0.0)
    length_s = TURN_BASE_S + TURN_PER_DEG_S * np.hypot(*step.T)
    # a turn that would outlast the range starts earlier, so that the range ends at rest
    leave_s = np.clip(np.append(some.start_s, end_s) + lag_s, start_s, np.maximum(end_s - length_s, start_s))
    length_s = np.minimum(length_s, end_s - leave_s)
    moved = np.hypot(*step.T) > 1e-9
    return {name: _sum_of_turns(leave_s[moved], length_s[moved], step[moved, axis], start_s, end_s)
            for axis, name in enumerate(("head_yaw", "head_pitch"))}


def _sum_of_turns(leave_s: np.ndarray, length_s: np.ndarray, step: np.ndarray, start_s: float, end_s: float) -> Curve:
    """Add up overlapping turns (N,): each is a bell of speed, so their sum is smooth."""
    if len(step) == 0:
        return flat(start_s, end_s)
    inner = np.sort((leave_s[:, None] + length_s[:, None] * _KEY_SHARES).ravel())
    inner = inner[(inner > start_s + CLOSEST_KEYS_S) & (inner < end_s - CLOSEST_KEYS_S)]
    times = np.concatenate([[start_s], inner[np.diff(inner, prepend=-np.inf) >= CLOSEST_KEYS_S], [end_s]])
    values, slopes = np.zeros(len(times)), np.zeros(len(times))
    for at, span, size in zip(leave_s, length_s, step, strict=True):
        first, last = np.searchsorted(times, [at, at + span])
        position, speed = profile((times[first:last] - at) / span, TURN_PEAK_AT)
        values[first:last] += size * position
        slopes[first:last] += size * speed / span
        values[last:] += size
    pinned = np.zeros(len(times), bool)
    pinned[[0, -1]] = True
    values[-1] = slopes[-1] = 0.0
    return Curve(times, values, slopes, pinned)
