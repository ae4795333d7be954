# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion curve: keys with slopes, a cubic between each pair.

This is the one form in which generators hand over motion. A cubic given by two values and two slopes
(Hermite) is exactly a Bezier F-curve whose handles lie at a third of the interval, so what is computed
here is what Blender plays, at every sub-frame, and every key stays an ordinary editable key.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """One channel as keys in seconds; the value is held before the first and after the last key.

    times_s  (N,)  float64, seconds, strictly increasing, N >= 2
    values   (N,)  float64, in the channel's unit (degrees, metres, 0..1)
    slopes   (N,)  float64, units per second at each key
    pinned   (N,)  bool, keys that carry timing (saccades, blinks) and that thinning must keep
    """

    times_s: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    pinned: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.times_s)
        for name in ("values", "slopes", "pinned"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"Curve.{name} has shape {getattr(self, name).shape}, expected ({n},)")
        if n < 2 or not np.all(np.diff(self.times_s) > 0):
            raise ValueError("a Curve needs at least two keys at strictly increasing times")

    def __len__(self) -> int:
        return len(self.times_s)

    def evaluate(self, times_s: np.ndarray) -> np.ndarray:
        """Return the values (M,) at times (M,) in seconds."""
        u, span, y0, y1, m0, m1 = self._segments(times_s)
        return (y0 * (1 + 2 * u) * (1 - u) ** 2 + y1 * u * u * (3 - 2 * u)
                + span * (m0 * u * (1 - u) ** 2 - m1 * u * u * (1 - u)))

    def velocity(self, times_s: np.ndarray) -> np.ndarray:
        """Return the rates of change (M,) per second at times (M,) in seconds; 0 outside the keys."""
        times_s = np.asarray(times_s, float)
        u, span, y0, y1, m0, m1 = self._segments(times_s)
        rate = (y1 - y0) / span * 6 * u * (1 - u) + m0 * (1 - u) * (1 - 3 * u) - m1 * u * (2 - 3 * u)
        return np.where((times_s < self.times_s[0]) | (times_s > self.times_s[-1]), 0.0, rate)

    def plus(self, other: Curve) -> Curve:
        """Return the sum of two smooth curves: exact, because the keys of both are kept."""
        times_s = np.union1d(self.times_s, other.times_s)
        pinned = np.isin(times_s, self.times_s[self.pinned]) | np.isin(times_s, other.times_s[other.pinned])
        return Curve(times_s, self.evaluate(times_s) + other.evaluate(times_s),
                     self.velocity(times_s) + other.velocity(times_s), pinned)

    def scaled(self, factor: float) -> Curve:
        """Return the curve with values and slopes multiplied, for example degrees to radians."""
        return Curve(self.times_s, self.values * factor, self.slopes * factor, self.pinned)

    def thinned(self, tolerance: float) -> Curve:
        """Return the curve with unpinned keys removed while it stays within ``tolerance`` (the channel's unit).

        Passes take out every other removable key at once and keep a removal only where the new cubic
        stays within the tolerance of the original, sampled four times between its keys.
        """
        samples = (self.times_s[:-1, None] + np.diff(self.times_s)[:, None] * np.arange(4) / 4).ravel()
        truth = self.evaluate(samples)
        kept = self
        for attempt in range(24):
            removable = ~kept.pinned
            removable[[0, -1]] = False
            # Neighbours cannot both go in one pass: take those at every other place in their run.
            removable &= np.arange(len(kept)) % 2 == attempt % 2
            if removable.any():
                kept = kept._without(removable, samples, truth, tolerance)
        return kept

    def _without(self, removable: np.ndarray, samples: np.ndarray, truth: np.ndarray, tolerance: float) -> Curve:
        """Drop those of the ``removable`` keys (N,) whose loss keeps the curve within tolerance of the truth."""
        trial = self._subset(~removable)
        error = np.abs(trial.evaluate(samples) - truth)
        # worst error on each side of every key, then over both intervals that meet in a removed key
        interval = np.clip(np.searchsorted(self.times_s, samples, "right") - 1, 0, len(self) - 2)
        worst = np.zeros(len(self) - 1)
        np.maximum.at(worst, interval, error)
        around = np.zeros(len(self))
        around[1:-1] = np.maximum(worst[:-1], worst[1:])
        return self._subset(~(removable & (around <= tolerance)))

    def _subset(self, mask: np.ndarray) -> Curve:
        return Curve(self.times_s[mask], self.values[mask], self.slopes[mask], self.pinned[mask])

    def _segments(self, times_s: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return per time: the share u (0..1) of its interval, the interval's length, its end values and end slopes."""
        times_s = np.asarray(times_s, float)
        left = np.clip(np.searchsorted(self.times_s, times_s, "right") - 1, 0, len(self) - 2)
        right = left + 1
        span = self.times_s[right] - self.times_s[left]
        u = np.clip((times_s - self.times_s[left]) / span, 0.0, 1.0)
        return u, span, self.values[left], self.values[right], self.slopes[left], self.slopes[right]


def flat(start_s: float, end_s: float, value: float = 0.0) -> Curve:
    """Return a constant curve of two keys."""
    return Curve(np.array([start_s, end_s]), np.full(2, value), np.zeros(2), np.ones(2, bool))


def from_keys(times_s: np.ndarray, values: np.ndarray, slopes: np.ndarray, start_s: float, end_s: float) -> Curve:
    """Return a curve of pinned keys (K,) that rests at 0 at both ends of the range; K may be 0."""
    if len(times_s) == 0:
        return flat(start_s, end_s)
    lead = [start_s] if times_s[0] > start_s else []
    tail = [end_s] if times_s[-1] < end_s else []
    zeros = (np.zeros(len(lead)), np.zeros(len(tail)))
    times_s = np.concatenate([lead, times_s, tail])
    return Curve(times_s, np.concatenate([zeros[0], values, zeros[1]]), np.concatenate([zeros[0], slopes, zeros[1]]),
                 np.ones(len(times_s), bool))


def catmull_rom_slopes(times_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return slopes (N,) from each key's two neighbours; 0 at both ends."""
    slopes = np.zeros(len(times_s))
    slopes[1:-1] = (values[2:] - values[:-2]) / (times_s[2:] - times_s[:-2])
    return slopes
