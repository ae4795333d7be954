# SPDX-License-Identifier: GPL-3.0-or-later
"""Lid formulas: margins as sine series, and the surface on which the lids slide.

These are the formulas of the node tree, stated once in numpy. Everything is a function of a
position in the eye frame, so that any splat head can be warped (see ``lid_points``): no per-splat lid data is stored.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .sidecar import EyeRig

STILL_IRIS_RADII = 0.35      # skin this close to the margin moves with it as one piece (the tarsal plate's edge)
FLAT_SHARE = 0.45            # the lid sphere continues flat below this share of its radius
TAPER_POWER = 1.6            # how lid follow fades towards the corners, which stay: less would shear the skin beside them
LASH_CORNER_SHARE = 0.2      # lashes at the outer corner turn this much less
OVERLAP_FROM_SHARE = 0.2     # the overlap of a closed upper lid grows from here to the outer corner
OVERLAP_END_IRIS_RADII = 2.0  # and is gone this far beyond it
LEAD_WHOLE_SHARE = 0.5       # a shut upper lid's lead grows from the inner corner to here, and ends where the overlap does
SHADE_GONE_SHARE = 0.8       # of the way down: then crease and hollow are drawn out
LASH_LIFT_M = 0.0003         # lashes stand this far in front of the skin


@dataclass(frozen=True)
class Margins:
    """Height of both lid margins at given x: at rest and as posed, metres, eye frame, (N,) each."""

    upper_rest: np.ndarray
    lower_rest: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


def smoothstep(low, high, x):
    """Hermite step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@lru_cache(maxsize=256)
def _polynomial(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Return c_k, lowest power first, with sum_n a_n sin(n t) = sin(t) sum_k c_k cos(t)^k: sin(n t) / sin(t) is Chebyshev's U_(n-1)."""
    previous, current = np.zeros(len(coefficients)), np.zeros(len(coefficients))
    current[0] = 1.0
    total = np.zeros(len(coefficients))
    for a in coefficients:
        total += a * current
        previous, current = current, 2.0 * np.roll(current, 1) - previous
    return tuple(total.tolist())


def sine_series(coefficients: tuple[float, ...], cos_t: np.ndarray, sin_t: np.ndarray) -> np.ndarray:
    """Return sum_n a_n sin(n t), by Horner's rule in cos(t)."""
    *lower, highest = _polynomial(tuple(coefficients))
    total = np.full_like(cos_t, highest)
    for factor in reversed(lower):
        total *= cos_t
        total += factor
    total *= sin_t
    return total


def opening_share(rig: EyeRig, x: np.ndarray) -> np.ndarray:
    """Return s (N,): 0 at the inner corner, 1 at the outer, beyond them outside 0..1."""
    return (x - rig.inner_x_m) / (rig.outer_x_m - rig.inner_x_m)


class MarginsOver:
    """Both margins over given x (N,), metres, eye frame: what no pose changes is worked out once, when it is first needed.

    The lids follow the iris in height, the cornea carries their curves sideways, a blink brings the
    upper margin down on the closing line and a little past the lower one at the outer corner.
    """

    def __init__(self, rig: EyeRig, x: np.ndarray) -> None:
        self._rig, self._share = rig, opening_share(rig, x)
        self._s = np.clip(self._share, 0.0, 1.0)
        self._cos_t, self._sin_t = _cos_sin(self._s)

    def _curve(self, coefficients: tuple[float, ...]) -> np.ndarray:
        return self._rig.corner_y_m + sine_series(coefficients, self._cos_t, self._sin_t)

    @cached_property
    def upper_rest(self) -> np.ndarray:
        """Height of the upper margin at rest, (N,)."""
        return self._curve(self._rig.upper_m)

    @cached_property
    def lower_rest(self) -> np.ndarray:
        """Height of the lower margin at rest, (N,)."""
        return self._curve(self._rig.lower_m)

    @cached_property
    def _closing(self) -> np.ndarray:
        return self._curve(self._rig.closing_m)

    @cached_property
    def _taper(self) -> np.ndarray:
        return self._sin_t ** TAPER_POWER

    @cached_property
    def _overlap(self) -> np.ndarray:
        return self._rig.overlap * self._rig.iris_radius_m * smoothstep(OVERLAP_FROM_SHARE, 1.0, self._share) * self._ending

    @cached_property
    def _ending(self) -> np.ndarray:
        beyond = (self._share - 1.0) * abs(self._rig.outer_x_m - self._rig.inner_x_m)
        return 1.0 - smoothstep(0.0, OVERLAP_END_IRIS_RADII * self._rig.iris_radius_m, beyond)

    @cached_property
    def lead(self) -> np.ndarray:
        """How far the upper margin comes forward as it shuts, metres, (N,); it does so with the square of the blink."""
        return self._rig.lead_m * smoothstep(0.0, LEAD_WHOLE_SHARE, self._share) * self._ending

    def posed(self, yaw_rad: float, pitch_rad: float, blink: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the upper and the lower margin as posed, (N,) each."""
        upper, lower = self._carried(yaw_rad)
        rig, travel = self._rig, self._rig.lever_pitch_m * math.sin(pitch_rad)
        follow_upper = (rig.follow_upper_up if pitch_rad > 0 else rig.follow_upper_down) * travel
        follow_lower = (rig.follow_lower_up if pitch_rad > 0 else rig.follow_lower_down) * travel
        if travel:
            upper, lower = upper + follow_upper * self._taper, lower + follow_lower * self._taper
        upper = np.maximum(upper, lower)
        if blink:
            closing = self._closing + follow_lower * self._taper
            lower = np.minimum(lower + blink * blink * rig.zip_share * (closing - lower), upper)
            upper = upper + blink * (lower - upper) - blink * blink * self._overlap
        else:
            lower = np.minimum(lower, upper)
        return upper, lower

    def _carried(self, yaw_rad: float) -> tuple[np.ndarray, np.ndarray]:
        """Return both curves as the cornea has carried them sideways; the lower one goes half as far."""
        rig = self._rig
        shift = rig.carry * rig.lever_yaw_m * math.sin(yaw_rad) / (rig.outer_x_m - rig.inner_x_m)
        if not shift:
            return self.upper_rest, self.lower_rest
        cos_c, sin_c = _cos_sin(np.clip(self._s - shift * self._sin_t, 0.0, 1.0))
        lower_carried = rig.corner_y_m + sine_series(rig.lower_m, cos_c, sin_c)
        return rig.corner_y_m + sine_series(rig.upper_m, cos_c, sin_c), 0.5 * (self.lower_rest + lower_carried)


def _cos_sin(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cos(t) and sin(t) of t = acos(1 - 2 s)."""
    return 1.0 - 2.0 * s, 2.0 * np.sqrt(s * (1.0 - s))


def margins(rig: EyeRig, x: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> Margins:
    """Return both margins at x (N,) metres in the eye frame for one pose."""
    over = MarginsOver(rig, x)
    return Margins(over.upper_rest, over.lower_rest, *over.posed(yaw_rad, pitch_rad, blink))


def lid_height(rig: EyeRig, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return z (N,) of the surface on which the lids slide: a sphere, flat beyond its rim."""
    radius = rig.lid_radius_m
    return np.sqrt(np.maximum(radius * radius - x * x - y * y, (FLAT_SHARE * radius) ** 2))


def shade_share(rig: EyeRig, yaw_rad: float, pitch_rad: float, blink: float) -> float:
    """Return how much of the open lid's crease and hollow is left, 1 at rest to 0 two thirds down, seen in mid-opening.

    They are shade between folds of skin, which a lid that comes down draws out.
    """
    middle = _middle(rig)
    opening = max(float(middle.upper_rest[0] - middle.lower_rest[0]), LASH_LIFT_M)
    return float(1.0 - smoothstep(0.0, SHADE_GONE_SHARE, _drop(rig, yaw_rad, pitch_rad, blink) / opening))


def lash_rotation(rig: EyeRig, yaw_rad: float, pitch_rad: float, blink: float) -> float:
    """Return the angle in radians by which the upper lid's edge has turned down, seen in mid-opening."""
    return math.asin(min(max(_drop(rig, yaw_rad, pitch_rad, blink) / rig.lid_radius_m, -1.0), 1.0))


@lru_cache(maxsize=8)
def _drop(rig: EyeRig, yaw_rad: float, pitch_rad: float, blink: float) -> float:
    """Return how far the upper margin has come down in mid-opening, metres; both formulas above ask for it, in one pose."""
    middle = _middle(rig)
    return float(middle.upper_rest[0] - middle.posed(yaw_rad, pitch_rad, blink)[0][0])


@lru_cache(maxsize=64)
def _middle(rig: EyeRig) -> MarginsOver:
    return MarginsOver(rig, np.array([0.5 * (rig.inner_x_m + rig.outer_x_m)], np.float32))
