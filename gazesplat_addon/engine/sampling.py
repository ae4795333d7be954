# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the samples of a picture lie: in the shutter's time, in the pixel's filter, on the lens. Numpy only, the same for every frame."""
from __future__ import annotations

import numpy as np

TIME, PIXEL_X, PIXEL_Y, LENS_X, LENS_Y = range(5)
DIMENSIONS = 5

# Coefficients of the Blackman-Harris window (F. J. Harris 1978), which Cycles filters with.
_WINDOW = (0.35875, -0.48829, 0.14128, -0.01168)
_WINDOW_STEPS = 1024


def sequence(count: int) -> np.ndarray:
    """Return (count, DIMENSIONS) numbers in 0..1 that fill the space evenly, however early one stops.

    The additive recurrence by powers of the generalised golden ratio (M. Roberts 2018). The first lies in the middle.
    """
    ratio = 2.0
    for _ in range(64):  # the fixed point of x = (1 + x)^(1 / (d + 1))
        ratio = (1.0 + ratio) ** (1.0 / (DIMENSIONS + 1))
    steps = ratio ** -np.arange(1.0, DIMENSIONS + 1)
    return (0.5 + np.arange(count)[:, None] * steps) % 1.0


def filter_offsets(unit: np.ndarray, width_px: float) -> np.ndarray:
    """Return where numbers 0..1 fall under a Blackman-Harris filter of a width: offsets from the pixel's centre, pixels."""
    place = (np.arange(_WINDOW_STEPS) + 0.5) / _WINDOW_STEPS
    density = sum(factor * np.cos(2.0 * np.pi * k * place) for k, factor in enumerate(_WINDOW))
    share = np.concatenate([[0.0], np.cumsum(density)]) / density.sum()
    return (np.interp(unit, share, np.linspace(0.0, 1.0, _WINDOW_STEPS + 1)) - 0.5) * width_px


def lens_points(unit: np.ndarray, blades: int = 0, rotation_rad: float = 0.0, ratio: float = 1.0) -> np.ndarray:
    """Return points (N, 2) on a lens of radius 1, y up, for numbers (N, 2) in 0..1.

    Three blades or more make a polygon whose corners lie on the circle; ``ratio`` squeezes it sideways.
    """
    if blades < 3:
        radius, angle = np.sqrt(unit[:, 0]), 2.0 * np.pi * unit[:, 1]
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    else:
        sector, along = np.divmod(unit[:, 1] * blades, 1.0)
        corners = [np.stack([np.cos(a), np.sin(a)], axis=1) for a in (2.0 * np.pi / blades * (sector + k) for k in (0, 1))]
        outward = np.sqrt(unit[:, :1])
        points = outward * (corners[0] + along[:, None] * (corners[1] - corners[0]))
    cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
    return points @ np.array([[cos, sin], [-sin, cos]]) / [ratio, 1.0]


def shutter_times(unit: np.ndarray, shutter_frames: float, position: str) -> np.ndarray:
    """Return when numbers 0..1 fall while the shutter is open, frames from the current one; ``position`` as Blender names it."""
    opens = {"START": 0.0, "CENTER": -0.5, "END": -1.0}[position]
    return (unit + opens) * shutter_frames
