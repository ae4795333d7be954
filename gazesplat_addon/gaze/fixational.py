# SPDX-License-Identifier: GPL-3.0-or-later
"""The small life of an eye at rest: microsaccades and slow drift. Tremor (5 arcsec) is never seen and never made."""
from __future__ import annotations

import numpy as np

MICRO_PER_S = 1.5                 # 1-2 a second
MICRO_MEDIAN_DEG, MICRO_SIGMA = 0.30, 0.55   # log-normal, median 0.3; the mean, 0.35, lies within the measured 0.23-0.64
MICRO_RANGE_DEG = (0.08, 1.0)     # ours: below it nothing is seen, above it it is a saccade
REFRACTORY_S = 0.150              # between any two saccades
CORRECTIVE_SHARE = 2 / 3          # two thirds bring the eye back
AIM_SPREAD_DEG = 20.0             # ours: how straight they do
LARGEST_OFFSET_DEG = 0.40         # ours: a rest stays within 0.5 deg of its target
DRIFT_DEG_PER_ROOT_S = 0.065      # Brownian, about 3 arcmin per axis in half a second: a few arcmin between saccades
DRIFT_RETURN_S = 4.0              # ours: time constant that keeps long drifts near the target
DRIFT_KEY_S = 0.25                # ours: spacing of drift keys; faster detail is below an arcminute


def micro_times_s(free_from_s: np.ndarray, free_to_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the times of microsaccades within free intervals (N,), the refractory period kept at both ends.

    Intervals between them are a refractory period plus an exponential wait: uneven, never a buzz.
    """
    if len(free_from_s) == 0:
        return np.zeros(0)
    first, last = free_from_s[0], free_to_s[-1]
    count = int((last - first) * MICRO_PER_S * 2) + 16
    waits = REFRACTORY_S + rng.exponential(1 / MICRO_PER_S - REFRACTORY_S, count)
    times = first + np.cumsum(waits)
    interval = np.clip(np.searchsorted(free_from_s, times, "right") - 1, 0, None)
    return times[(times > free_from_s[interval] + REFRACTORY_S) & (times < free_to_s[interval] - REFRACTORY_S)]


def micro_landing(offset_deg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where (2,) a microsaccade lands that starts at an offset (2,) from the target of the gaze."""
    low, high = MICRO_RANGE_DEG
    amplitude = float(np.clip(MICRO_MEDIAN_DEG * np.exp(MICRO_SIGMA * rng.standard_normal()), low, high))
    home = float(np.arctan2(-offset_deg[1], -offset_deg[0]))
    corrective = rng.random() < CORRECTIVE_SHARE
    angle = home + np.radians(AIM_SPREAD_DEG) * rng.standard_normal() if corrective else rng.uniform(-np.pi, np.pi)
    landing = offset_deg + amplitude * np.array([np.cos(angle), np.sin(angle)])
    away = float(np.hypot(*landing))
    return landing if away <= LARGEST_OFFSET_DEG else landing * (LARGEST_OFFSET_DEG / away)


def drift(offset_deg: np.ndarray, gap_s: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the drift through a gap between saccades: times after its start (K,) s and offsets (K, 2); the last is the gap's end."""
    count = max(1, round(gap_s / DRIFT_KEY_S))
    step_s = gap_s / count
    kicks = DRIFT_DEG_PER_ROOT_S * np.sqrt(step_s) * rng.standard_normal((count, 2))
    offsets = np.empty((count, 2))
    here = np.asarray(offset_deg, float)
    for i in range(count):
        here = here * (1 - step_s / DRIFT_RETURN_S) + kicks[i]
        offsets[i] = here
    return step_s * np.arange(1, count + 1), offsets
