# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-check: what played motion does, measured from its samples and held against published norms.

It knows nothing of how motion was made: it finds saccades and blinks in sampled channels, so hand-edited keys and other
programs' motion are judged alike.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .blink import INTERVAL_CV
from .fixation import Fixations
from .saccade import MICRO, PRIMARY, Saccades, velocity_band_deg_s

SAMPLES_PER_S = 1000          # a microsaccade lasts about 25 ms
FAST_DEG_S = 3.0              # faster than any drift made here (below 1 deg/s), slower than the smallest jump made (6 deg/s)
LEAST_SACCADE_DEG = 0.05
MICRO_BELOW_DEG = 1.0
BLINK_OPEN, BLINK_SHUT = 0.005, 0.99   # closed share below which lids are open; share of its depth above which a blink is shut
FULL_BLINK = 0.95
ON_TARGET_DEG = 0.5


@dataclass(frozen=True)
class FoundBlinks:
    """N blinks found in a lid channel: start_s, down_s, closed_s, up_s (N,) seconds, closure (N,)."""

    start_s: np.ndarray
    down_s: np.ndarray
    closed_s: np.ndarray
    up_s: np.ndarray
    closure: np.ndarray

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True)
class MotionReport:
    """What a stretch of motion measures. Shares 0..1; NaN where there was nothing to measure."""

    seconds: float
    saccades: int                   # 1 deg and more
    microsaccades_per_s: float      # below 1 deg
    in_band: float                  # share of all saccades whose peak velocity lies within the published band
    fastest_deg_s: float
    below_5_deg: float              # share of saccades of 1 deg and more (in life about half)
    below_15_deg: float             # (in life 83 %)
    longest_rest_s: float           # without any shift of 1 deg
    blinks_per_minute: float
    blink_interval_cv: float        # in life 0.6-0.8; 0 is a metronome
    blink_down_s: float             # medians
    blink_up_s: float
    full_blinks: float              # share that shuts the eye
    on_target: float                # share of rests that end within 0.5 deg of their target

    def as_dict(self) -> dict[str, float]:
        """Return the plain fields."""
        return asdict(self)


def sample_times(start_s: float, end_s: float) -> np.ndarray:
    """Return the times (T,) at which a range is measured."""
    return np.linspace(start_s, end_s, max(2, round((end_s - start_s) * SAMPLES_PER_S) + 1))


def find_saccades(times_s: np.ndarray, yaw_deg: np.ndarray, pitch_deg: np.ndarray) -> tuple[Saccades, np.ndarray]:
    """Return the saccades in sampled gaze (T,) and their peak velocities (N,) deg/s.

    A saccade is a stretch faster than drift. Its kind is MICRO below 1 deg, else PRIMARY: a correction looks like any other.
    """
    step_s = times_s[1] - times_s[0]
    speed = np.hypot(np.diff(yaw_deg), np.diff(pitch_deg)) / step_s
    first, last = _runs(speed > FAST_DEG_S)
    gaze = np.stack([yaw_deg, pitch_deg], 1)
    # one sample more on either side: the feet of the profile are slower than the threshold
    first, last = np.maximum(first - 1, 0), np.minimum(last + 1, len(times_s) - 1)
    start, end = gaze[first], gaze[last]
    amplitude = np.hypot(*(end - start).T)
    peaks = np.maximum.reduceat(speed, first) if len(first) else np.zeros(0)
    keep = amplitude >= LEAST_SACCADE_DEG
    found = Saccades(times_s[first], times_s[last] - times_s[first], start, end, np.where(amplitude < MICRO_BELOW_DEG, MICRO, PRIMARY))
    return found.select(keep), peaks[keep]


def in_band(saccades: Saccades, peak_deg_s: np.ndarray) -> np.ndarray:
    """Return which saccades (N,) peak within the published band of their amplitude."""
    low, high = velocity_band_deg_s(saccades.amplitude_deg)
    return (peak_deg_s >= low) & (peak_deg_s <= high)


def find_blinks(times_s: np.ndarray, closed: np.ndarray) -> FoundBlinks:
    """Return the blinks in a sampled lid channel (T,), 0 open to 1 shut; those cut by an end of the samples are left out."""
    first, last = _runs(closed > BLINK_OPEN)
    whole = (first > 0) & (last < len(closed))
    first, last = first[whole], last[whole]
    depth = np.array([closed[a:b].max() for a, b in zip(first, last, strict=True)])
    shut = [np.flatnonzero(closed[a:b] >= BLINK_SHUT * d) for a, b, d in zip(first, last, depth, strict=True)]
    from_index, to_index = (np.array([run[end] for run in shut], int) for end in (0, -1))
    onset, shut_s, lift_s = times_s[first], times_s[first + from_index], times_s[first + to_index]
    return FoundBlinks(onset, shut_s - onset, lift_s - shut_s, times_s[last] - lift_s, depth)


def blink_rate_range(per_minute: float, seconds: float) -> tuple[float, float]:
    """Return the rates per minute that 95 of 100 stretches of that length show when the true rate is ``per_minute``.

    Counts of a renewal process spread by CV * sqrt(count); doubles and blinks with reasons widen it by a quarter.
    """
    count = per_minute * seconds / 60
    spread = 1.96 * 1.25 * INTERVAL_CV * np.sqrt(max(count, 1.0))
    return max(0.0, count - spread) * 60 / seconds, (count + spread) * 60 / seconds


def on_target(fixations: Fixations, times_s: np.ndarray, yaw_deg: np.ndarray, pitch_deg: np.ndarray) -> np.ndarray:
    """Return how far (N,) deg the gaze is from its target at the end of each rest."""
    ends = np.append(fixations.start_s[1:], fixations.end_s)
    gaze = np.stack([np.interp(ends, times_s, yaw_deg), np.interp(ends, times_s, pitch_deg)], 1)
    return np.hypot(*(gaze - fixations.target_deg).T)


def report(times_s: np.ndarray, yaw_deg: np.ndarray, pitch_deg: np.ndarray, closed: np.ndarray,
           fixations: Fixations | None = None) -> MotionReport:
    """Measure sampled motion (T,); ``fixations`` says where the gaze was meant to rest, if that is known."""
    seconds = float(times_s[-1] - times_s[0])
    found, peaks = find_saccades(times_s, yaw_deg, pitch_deg)
    large = found.select(found.kind != MICRO)
    blinks = find_blinks(times_s, closed)
    amplitude = large.amplitude_deg
    moves = np.concatenate([[times_s[0]], large.start_s, [times_s[-1]]])
    intervals = np.diff(blinks.start_s)
    return MotionReport(
        seconds=seconds, saccades=len(large), microsaccades_per_s=float(np.sum(found.kind == MICRO) / seconds),
        in_band=_mean(in_band(found, peaks)), fastest_deg_s=float(_speed(times_s, yaw_deg, pitch_deg).max()),
        below_5_deg=_mean(amplitude < 5), below_15_deg=_mean(amplitude < 15), longest_rest_s=float(np.diff(moves).max()),
        blinks_per_minute=len(blinks) * 60 / seconds,
        blink_interval_cv=float(intervals.std() / intervals.mean()) if len(intervals) > 1 else float("nan"),
        blink_down_s=_median(blinks.down_s), blink_up_s=_median(blinks.up_s), full_blinks=_mean(blinks.closure >= FULL_BLINK),
        on_target=float("nan") if fixations is None else _mean(on_target(fixations, times_s, yaw_deg, pitch_deg) <= ON_TARGET_DEG))


def _speed(times_s: np.ndarray, yaw_deg: np.ndarray, pitch_deg: np.ndarray) -> np.ndarray:
    return np.hypot(np.diff(yaw_deg), np.diff(pitch_deg)) / np.diff(times_s)


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of True begin and where they have ended."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")
