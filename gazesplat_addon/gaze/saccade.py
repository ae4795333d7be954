# SPDX-License-Identifier: GPL-3.0-or-later
"""One saccade: how fast, how long, and the shape of its movement.

The main sequence is stated from the peak velocity, because that is what is measured and what the eye of a viewer
catches; the duration follows from it and the shape. Minimum jerk with the textbook duration overshoots the norms by
38-48 %, so the shape here is a Beta bell with a peak of about 1.65 times the mean, and the durations come out at
Eyes Alive's 25 + 2.4 A ms.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

PRIMARY, CORRECTIVE, MICRO = 0, 1, 2   # kinds of saccade

PEAK_LIMIT_DEG_S, PEAK_SCALE_DEG = 473.0, 7.8   # Itti, Dhavale & Pighin: Vp = 473 (1 - exp(-A/7.8))
NORM_LIMIT_DEG_S, NORM_SCALE_DEG = 462.0, 9.1   # PMC6143243, n=100: fit 462 (1 - exp(-A/9.1))
NORM_SPREAD = 0.142                             # the same: SD / mean, 29/213, 50/352 and 67/455
DAI_LIMIT_DEG_S, DAI_SCALE_DEG = 600.0, 6.0     # Dai 2016: eta = 600, c = 6
PEAK_VARIATION = 0.08                           # ours: trial-to-trial SD, half the spread between people
LATENCY_MEAN_S, LATENCY_SPREAD_S = 0.190, 0.035  # JOV 2577684: 180-200 ms typical
LATENCY_RANGE_S = (0.100, 0.300)                # the same

BELL_SHARPNESS = 2.75   # a + b - 2 of the Beta bell: peak/mean 1.65, van Opstal & van Gisbergen 1987
SYMMETRIC_BELOW_DEG, SKEWED_FROM_DEG = 5.0, 30.0   # the same: small saccades symmetric, long ones skewed
SYMMETRIC_PEAK, SKEWED_PEAK = 0.50, 0.40           # the same: where in the movement the peak lies
_GRID = 513
_MODES = np.linspace(0.25, 0.5, 51)
_KEY_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_MICRO_KEY_SHARES = np.array([0.0, 0.5, 1.0])   # enough where the amplitude is a fraction of a degree
_FEW_KEYS_BELOW_DEG = 1.0


@dataclass(frozen=True)
class Saccades:
    """N saccades in order of time.

    start_s (N,) s, duration_s (N,) s, from_deg (N, 2) and to_deg (N, 2) yaw and pitch, kind (N,) PRIMARY, CORRECTIVE or MICRO.
    """

    start_s: np.ndarray
    duration_s: np.ndarray
    from_deg: np.ndarray
    to_deg: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def amplitude_deg(self) -> np.ndarray:
        """Length (N,) of each jump."""
        return np.hypot(*(self.to_deg - self.from_deg).T)

    @property
    def end_s(self) -> np.ndarray:
        """Landing times (N,)."""
        return self.start_s + self.duration_s

    def select(self, mask: np.ndarray) -> Saccades:
        """Return the saccades chosen by a mask or an index array."""
        return Saccades(self.start_s[mask], self.duration_s[mask], self.from_deg[mask], self.to_deg[mask], self.kind[mask])


def peak_velocity_deg_s(amplitude_deg: np.ndarray) -> np.ndarray:
    """Return the typical peak velocity (deg/s) of a saccade: Itti, Dhavale & Pighin."""
    return PEAK_LIMIT_DEG_S * -np.expm1(-np.asarray(amplitude_deg) / PEAK_SCALE_DEG)


def velocity_band_deg_s(amplitude_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest acceptable peak velocity: the PMC norm less 2 SD, and the Dai curve."""
    amplitude_deg = np.asarray(amplitude_deg)
    norm = NORM_LIMIT_DEG_S * -np.expm1(-amplitude_deg / NORM_SCALE_DEG)
    return norm * (1 - 2 * NORM_SPREAD), DAI_LIMIT_DEG_S * -np.expm1(-amplitude_deg / DAI_SCALE_DEG)


def peak_share(amplitude_deg: np.ndarray) -> np.ndarray:
    """Return where in the movement (0..1 of its duration) the velocity peaks: 0.5 up to 5 deg, 0.4 from 30 deg on."""
    return np.interp(amplitude_deg, [SYMMETRIC_BELOW_DEG, SKEWED_FROM_DEG], [SYMMETRIC_PEAK, SKEWED_PEAK])


def profile(share: np.ndarray, peak_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return position (0..1) and speed (1/duration) at a share of the duration, for a bell that peaks at ``peak_at``.

    Both arguments broadcast; ``peak_at`` lies within 0.25 and 0.5. The bell is a Beta density with mode ``peak_at``.
    """
    positions, speeds = _bells()
    row = (np.asarray(peak_at, float) - _MODES[0]) / (_MODES[1] - _MODES[0])
    column = np.clip(share, 0.0, 1.0) * (_GRID - 1)
    return _bilinear(positions, row, column), _bilinear(speeds, row, column)


def durations_s(amplitude_deg: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Return how long saccades (N,) take so that they peak at the main sequence, varied from trial to trial by ``rng``."""
    amplitude_deg = np.maximum(np.asarray(amplitude_deg, float), 1e-3)
    peak = peak_velocity_deg_s(amplitude_deg)
    if rng is not None:
        low, high = velocity_band_deg_s(amplitude_deg)
        peak = np.clip(peak * np.exp(PEAK_VARIATION * rng.standard_normal(amplitude_deg.shape)), 1.05 * low, 0.95 * high)
    mode = peak_share(amplitude_deg)
    _, peak_over_mean = profile(mode, mode)
    return peak_over_mean * amplitude_deg / peak


def latencies_s(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return reaction times (N,) to a target that moves: log-normal about 190 ms, within 100 and 300 ms."""
    spread = np.sqrt(np.log1p((LATENCY_SPREAD_S / LATENCY_MEAN_S) ** 2))
    drawn = LATENCY_MEAN_S * np.exp(spread * rng.standard_normal(count) - spread**2 / 2)
    return np.clip(drawn, *LATENCY_RANGE_S)


def key_points(saccades: Saccades) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the keys of all saccades: times (K,) s, gaze (K, 2) deg, slopes (K, 2) deg/s, in order of time.

    Five keys with slopes reproduce the profile within 0.3 % of the amplitude at every sub-frame; below 1 deg three do, within 1.6 %.
    """
    amplitude = saccades.amplitude_deg
    parts = []
    for shares, mask in ((_KEY_SHARES, amplitude >= _FEW_KEYS_BELOW_DEG), (_MICRO_KEY_SHARES, amplitude < _FEW_KEYS_BELOW_DEG)):
        some = saccades.select(mask)
        position, speed = profile(shares[None, :], peak_share(amplitude[mask])[:, None])
        step = (some.to_deg - some.from_deg)[:, None, :]
        times = some.start_s[:, None] + some.duration_s[:, None] * shares
        gaze = some.from_deg[:, None, :] + position[..., None] * step
        slopes = speed[..., None] * step / some.duration_s[:, None, None]
        parts.append((times.ravel(), gaze.reshape(-1, 2), slopes.reshape(-1, 2)))
    times, gaze, slopes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    return times[order], gaze[order], slopes[order]


@lru_cache(maxsize=1)
def _bells() -> tuple[np.ndarray, np.ndarray]:
    """Tabulate position and speed (modes, shares) of the Beta bells: numpy has no incomplete beta function."""
    fine = np.linspace(0.0, 1.0, 8 * (_GRID - 1) + 1)
    a, b = BELL_SHARPNESS * _MODES[:, None], BELL_SHARPNESS * (1 - _MODES[:, None])
    density = fine**a * (1 - fine) ** b
    area = np.concatenate([np.zeros((len(_MODES), 1)), np.cumsum((density[:, 1:] + density[:, :-1]) / 2, 1)], 1) * fine[1]
    total = area[:, -1:]
    return (area / total)[:, ::8], (density / total)[:, ::8]


def _bilinear(table: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Sample a table at fractional rows and columns, which broadcast."""
    r = np.clip(np.floor(row).astype(int), 0, table.shape[0] - 2)
    c = np.clip(np.floor(column).astype(int), 0, table.shape[1] - 2)
    fr, fc = row - r, column - c
    upper = table[r, c] * (1 - fc) + table[r, c + 1] * fc
    lower = table[r + 1, c] * (1 - fc) + table[r + 1, c + 1] * fc
    return upper * (1 - fr) + lower * fr
