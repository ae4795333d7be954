# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks: when they come, how the lids move, and the dip of the eye under them.

Intervals are log-normal, never a period with jitter. A blink that has a reason (a large gaze shift, a moment the artist
names) takes the place of the nearest one without, so that the rate stays what was asked for.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curve import Curve, from_keys
from .saccade import PRIMARY, Saccades, profile

INTERVAL_CV = 0.70                    # intervals log-normal, SD / mean 0.6-0.8
SHORTEST_INTERVAL_S = 0.50            # ours: between onsets of separate blinks
DOWN_S = (0.066, 0.090)               # coil data; VanderWerf: down 66 ms, to 90
CLOSED_S = (0.008, 0.030)             # the same: closed 8 ms; ours: up to 30, total 250-350
UP_S = (0.165, 0.240)                 # the same: up 150-240 ms, less what would leave the blink shorter than 250
DOWN_PEAK_AT, UP_PEAK_AT = 0.45, 0.30  # ours: where in its phase a lid is fastest; the way up ends slowly
PARTIAL_SHARE, PARTIAL_CLOSURE = 0.12, (0.55, 0.90)  # ours: real blinks are often partial, viewers prefer full: Trutoiu 2011
DOUBLE_SHARE, DOUBLE_PAUSE_S = 0.06, (0.04, 0.12)    # ours
DIP_DEG = (1.0, 2.0)                  # Riggs 1987: the eye dips 1-2 deg down and nasal
DIP_BACK_SHARE = 0.6                  # the same: back before the lid; ours: at 0.6 of its way up
EVOKED_AT_DEG, EVOKED_SHARE = (10.0, 22.0, 33.0), (0.05, 0.5, 0.97)  # Evinger 1994: P(blink) of a gaze shift
EVOKED_JITTER_S = 0.015               # ours: the lid starts with the eye
CLAIM_REACH_INTERVALS = 1.0           # ours: a blink with a reason replaces one at most this many mean intervals away
_KEY_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


@dataclass(frozen=True)
class Blinks:
    """N blinks in order of time: start_s, down_s, closed_s, up_s (N,) seconds, closure (N,) 0..1, dip_deg (N,), reason (N,) bool.

    ``reason`` marks those evoked by a gaze shift or asked for.
    """

    start_s: np.ndarray
    down_s: np.ndarray
    closed_s: np.ndarray
    up_s: np.ndarray
    closure: np.ndarray
    dip_deg: np.ndarray
    reason: np.ndarray

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def end_s(self) -> np.ndarray:
        """When the lids are back (N,)."""
        return self.start_s + self.down_s + self.closed_s + self.up_s

    def select(self, mask: np.ndarray) -> Blinks:
        """Return the blinks chosen by a mask or an index array."""
        return Blinks(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def evoked_probability(amplitude_deg: np.ndarray) -> np.ndarray:
    """Return the probability (N,) that a gaze shift carries a blink: Evinger 1994, interpolated in log-odds."""
    odds = np.log(np.array(EVOKED_SHARE) / (1 - np.array(EVOKED_SHARE)))
    amplitude_deg = np.asarray(amplitude_deg, float)
    slope = np.diff(odds) / np.diff(EVOKED_AT_DEG)
    inside = np.interp(amplitude_deg, EVOKED_AT_DEG, odds)
    below, above = np.minimum(amplitude_deg - EVOKED_AT_DEG[0], 0), np.maximum(amplitude_deg - EVOKED_AT_DEG[-1], 0)
    return 1 / (1 + np.exp(-(inside + slope[0] * below + slope[-1] * above)))


def plan(start_s: float, end_s: float, *, per_minute: float, rng: np.random.Generator, saccades: Saccades | None = None,
         at_s: tuple[float, ...] = (), frame_s: float | None = None, slowness: float = 1.0) -> Blinks:
    """Return the blinks of a range; all of them lie wholly inside it. ``slowness`` stretches their phases.

    ``saccades`` may evoke some, as far as the rate allows; ``at_s`` names onsets that are made in any case. ``frame_s`` (seconds
    per frame) moves each blink by half a frame at most, so that its closed moment falls on a whole frame: at 24 fps the lids
    are shut for less than one.
    """
    free = _spontaneous(start_s, end_s, per_minute, rng)
    evoked = _evoked(saccades, rng) if len(free) else np.zeros(0)
    wanted = np.asarray(at_s, float)
    free, _ = _claimed(free, wanted, per_minute)
    free, evoked = _claimed(free, evoked, per_minute)
    wanted = np.sort(np.concatenate([wanted, evoked]))
    wanted = wanted[np.diff(wanted, prepend=-np.inf) >= SHORTEST_INTERVAL_S]
    if len(wanted):
        free = free[np.abs(free[:, None] - wanted).min(1) >= SHORTEST_INTERVAL_S]
    starts = np.concatenate([free, wanted])
    order = np.argsort(starts, kind="stable")
    return _shaped(starts[order], (np.arange(len(starts)) >= len(free))[order], start_s, end_s, rng, frame_s, slowness)


def curves(blinks: Blinks, start_s: float, end_s: float) -> tuple[Curve, Curve]:
    """Return the lids' closed share (0..1, both eyes alike) and the eye's dip (degrees, down and nasal) over a range."""
    n = len(blinks)
    down, _ = profile(_KEY_SHARES, DOWN_PEAK_AT)
    up, _ = profile(_KEY_SHARES, UP_PEAK_AT)
    down_rate, up_rate = profile(_KEY_SHARES, DOWN_PEAK_AT)[1], profile(_KEY_SHARES, UP_PEAK_AT)[1]
    onset, shut = blinks.start_s[:, None], (blinks.start_s + blinks.down_s)[:, None]
    lift = shut + blinks.closed_s[:, None]
    depth = blinks.closure[:, None]
    times = np.concatenate([onset + _KEY_SHARES * blinks.down_s[:, None], lift + _KEY_SHARES * blinks.up_s[:, None]], 1)
    values = np.concatenate([depth * down, depth * (1 - up)], 1)
    slopes = np.concatenate([depth * down_rate / blinks.down_s[:, None], -depth * up_rate / blinks.up_s[:, None]], 1)
    lids = from_keys(times.ravel(), values.ravel(), slopes.ravel(), start_s, end_s)
    dip_times = np.concatenate([onset, (shut + lift) / 2, lift + DIP_BACK_SHARE * blinks.up_s[:, None]], 1)
    dip_values = np.concatenate([np.zeros((n, 1)), blinks.dip_deg[:, None], np.zeros((n, 1))], 1)
    return lids, from_keys(dip_times.ravel(), dip_values.ravel(), np.zeros(3 * n), start_s, end_s)


def _spontaneous(start_s: float, end_s: float, per_minute: float, rng: np.random.Generator) -> np.ndarray:
    """Return onsets (N,) of a log-normal renewal process that was already running before the range began."""
    if per_minute == 0:
        return np.zeros(0)
    mean_s = 60 * (1 + DOUBLE_SHARE) / per_minute
    sigma2 = np.log1p(INTERVAL_CV**2)
    count = int(1.5 * (end_s - start_s) / mean_s) + 40
    intervals = mean_s * np.exp(np.sqrt(sigma2) * rng.standard_normal(count) - sigma2 / 2)
    times = start_s - (4 + rng.random()) * mean_s + np.cumsum(np.maximum(intervals, SHORTEST_INTERVAL_S))
    return times[(times >= start_s) & (times < end_s)]


def _claimed(free: np.ndarray, claims: np.ndarray, per_minute: float) -> tuple[np.ndarray, np.ndarray]:
    """Let each claim take the nearest free blink within reach; return the free ones left and the claims that found one."""
    reach_s = CLAIM_REACH_INTERVALS * 60 / per_minute if per_minute > 0 else 0.0
    found = np.zeros(len(claims), bool)
    for i, time in enumerate(claims):
        nearest = int(np.argmin(np.abs(free - time))) if len(free) else -1
        found[i] = nearest >= 0 and abs(free[nearest] - time) < reach_s
        if found[i]:
            free = np.delete(free, nearest)
    return free, claims[found]


def _evoked(saccades: Saccades | None, rng: np.random.Generator) -> np.ndarray:
    """Return onsets (N,) of the blinks that gaze shifts carry."""
    if saccades is None:
        return np.zeros(0)
    shifts = saccades.select(saccades.kind == PRIMARY)
    chosen = rng.random(len(shifts)) < evoked_probability(shifts.amplitude_deg)
    return shifts.start_s[chosen] + rng.normal(0.0, EVOKED_JITTER_S, int(chosen.sum()))


def _shaped(onset: np.ndarray, reason: np.ndarray, start_s: float, end_s: float, rng: np.random.Generator,
            frame_s: float | None, slowness: float) -> Blinks:
    """Give onsets (N,) their phases, make some partial and some double, and keep those wholly inside the range."""
    first = _drawn(onset, reason, rng, slowness)
    doubled = rng.random(len(onset)) < DOUBLE_SHARE
    second = _drawn(first.end_s + rng.uniform(*DOUBLE_PAUSE_S, len(onset)), reason, rng, slowness).select(doubled)
    blinks = Blinks(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Blinks.__dataclass_fields__))
    if frame_s is not None:
        middle = blinks.start_s + blinks.down_s + blinks.closed_s / 2
        moved = blinks.start_s + np.round(middle / frame_s) * frame_s - middle
        blinks = Blinks(moved, *(getattr(blinks, n) for n in list(Blinks.__dataclass_fields__)[1:]))
    blinks = blinks.select(np.argsort(blinks.start_s, kind="stable"))
    blinks = blinks.select((blinks.start_s >= start_s) & (blinks.end_s <= end_s))
    clear = np.ones(len(blinks), bool)
    clear[1:] = blinks.start_s[1:] > np.maximum.accumulate(blinks.end_s)[:-1] + 1e-3
    return blinks.select(clear)


def _drawn(onset: np.ndarray, reason: np.ndarray, rng: np.random.Generator, slowness: float) -> Blinks:
    """Draw the phases of blinks at given onsets (N,); those with a reason are never partial."""
    n = len(onset)
    partial = (rng.random(n) < PARTIAL_SHARE) & ~reason
    closure = np.where(partial, rng.uniform(*PARTIAL_CLOSURE, n), 1.0)
    down_s, closed_s, up_s = (slowness * rng.uniform(*phase_s, n) for phase_s in (DOWN_S, CLOSED_S, UP_S))
    return Blinks(onset, down_s, closed_s, up_s, closure, rng.uniform(*DIP_DEG, n) * closure, reason)
