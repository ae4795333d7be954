# SPDX-License-Identifier: GPL-3.0-or-later
"""Heavy lids: how far they hang between blinks, slowly sinking and lifting."""
from __future__ import annotations

import numpy as np

from . import noise
from .curve import Curve

WANDER_LOW_HZ, WANDER_HIGH_HZ = 0.03, 0.25   # ours: the lids of somebody tired sink and catch themselves every 4-30 s
WANDER_SHARE = 0.25                          # ours: RMS of the wander, as a share of how far they hang
FADE_S = 0.8                                 # ours: how a range starts and ends at rest


def heavy_lids(start_s: float, end_s: float, *, rng: np.random.Generator, closed: float) -> Curve:
    """Return the closed share (0..1) at which the lids hang: ``closed`` on average, never below 0 or above 0.9."""
    times, values, slopes = noise.wander(start_s, end_s, low_hz=WANDER_LOW_HZ, high_hz=WANDER_HIGH_HZ, power_slope=1.0, channels=1, rng=rng)
    # tanh keeps a rare large wander from shutting or opening the lids by itself
    soft = np.tanh(WANDER_SHARE * values)
    hang = closed * (1 + soft)
    rate = closed * (1 - soft**2) * WANDER_SHARE * slopes
    hang, rate = noise.faded(times, hang, rate, FADE_S)
    pinned = np.zeros(len(times), bool)
    pinned[[0, -1]] = True
    return Curve(times, hang[0], rate[0], pinned)
