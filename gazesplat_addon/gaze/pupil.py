# SPDX-License-Identifier: GPL-3.0-or-later
"""Hippus: the pupil breathes, slowly and a little, in steady light."""
from __future__ import annotations

import numpy as np

from . import noise
from .curve import Curve

HIPPUS_LOW_HZ, HIPPUS_HIGH_HZ = 0.1, 1.0   # hippus 0.1-1 Hz
HIPPUS_SHARE = 0.07                        # 5-10 % of the diameter, taken as the usual peak (2 SD)
FADE_S = 0.5                               # ours


def hippus(start_s: float, end_s: float, *, rng: np.random.Generator, share: float = HIPPUS_SHARE) -> Curve:
    """Return the relative change of the pupil's diameter: 0 as it is, 0.05 five per cent wider. Both eyes alike."""
    times, values, slopes = noise.wander(start_s, end_s, low_hz=HIPPUS_LOW_HZ, high_hz=HIPPUS_HIGH_HZ, power_slope=2.0,
                                         channels=1, rng=rng)
    values, slopes = noise.faded(times, values, slopes, FADE_S)
    pinned = np.zeros(len(times), bool)
    pinned[[0, -1]] = True
    return Curve(times, values[0] * share / 2, slopes[0] * share / 2, pinned)
