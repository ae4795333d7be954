# SPDX-License-Identifier: GPL-3.0-or-later
"""Band-limited noise as smooth keys: what never repeats and never ticks, for heads and pupils."""
from __future__ import annotations

import numpy as np

KEYS_PER_CYCLE = 6.0   # of the fastest wave: a cubic through values and slopes is then within 0.4 % of it
LOOP_SHARE = 1.5       # the noise is periodic; only the first two thirds of a period are used


def wander(start_s: float, end_s: float, *, low_hz: float, high_hz: float, power_slope: float, channels: int,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return key times (N,) s, values (C, N) of unit RMS on average, and slopes (C, N) per second.

    Power falls as 1 / f ** ``power_slope`` between ``low_hz`` and ``high_hz`` and is 0 elsewhere.
    """
    step_s = min(1 / (KEYS_PER_CYCLE * high_hz), (end_s - start_s) / 4)
    count = int(np.ceil((end_s - start_s) / step_s)) + 1
    times = np.linspace(start_s, end_s, count)
    step_s = times[1] - times[0]
    # a short take is cut from a period long enough to hold the slowest wave
    period = int(np.ceil(max(LOOP_SHARE * count, 1 / (low_hz * step_s))))
    hertz = np.fft.rfftfreq(period, step_s)
    inside = (hertz >= low_hz) & (hertz <= high_hz)
    amplitude = np.where(inside, np.maximum(hertz, low_hz) ** (-power_slope / 2), 0.0)
    waves = amplitude * (rng.standard_normal((channels, len(hertz))) + 1j * rng.standard_normal((channels, len(hertz))))
    # RMS of irfft is sqrt(2 sum |a|^2) / period for real parts; two normals a bin double the power
    scale = period / (2 * np.sqrt(np.sum(amplitude**2)))
    values = np.fft.irfft(waves * scale, period)[:, :count]
    slopes = np.fft.irfft(waves * scale * 2j * np.pi * hertz, period)[:, :count]
    return times, values, slopes


def faded(times_s: np.ndarray, values: np.ndarray, slopes: np.ndarray, fade_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return values and slopes (C, N) that rise from 0 and fall back to 0 within ``fade_s`` of the ends, smoothly."""
    fade_s = min(fade_s, (times_s[-1] - times_s[0]) / 2)
    rise, rise_rate = _smooth((times_s - times_s[0]) / fade_s)
    fall, fall_rate = _smooth((times_s[-1] - times_s) / fade_s)
    gain, gain_rate = rise * fall, (rise_rate * fall - rise * fall_rate) / fade_s
    return values * gain, slopes * gain + values * gain_rate


def _smooth(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return smoothstep of u and its derivative by u."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * (3 - 2 * u), 6 * u * (1 - u)
