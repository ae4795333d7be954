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
# Of the carry, at the inner corner and the outer: the outer one goes 2 mm with an eye turned out as far as it can (Gioia, Linberg
# and McCormick 1987), a quarter of the iris' way; the inner one is tied to bone and goes less, but it goes too.
CORNER_CARRIED = (0.3, 0.7)
CARRIED_WHOLE_SHARE = 0.2    # of the opening, from either corner to where lids go all the way; a steeper start would crease the skin
# Of the iris' way up and down, by the outer corner: 1.5-2.3 mm down, 0-0.9 mm up at the ends of both (Cruz and others 2008).
CORNER_FOLLOWS_UP, CORNER_FOLLOWS_DOWN = 0.12, 0.3
BESIDE_IRIS_RADII = 1.3      # how far beside a corner skin goes with it
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
    """Both margins where they rest over given x (N,), metres, eye frame: what no pose changes is worked out once, when it is first needed.

    The lids follow the iris in height, the cornea carries them sideways, corners and all, and a blink brings the
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
    def _not_beside(self) -> np.ndarray:
        """1 over the opening, fading to 0 beside it."""
        away = np.maximum(-self._share, self._share - 1.0) * abs(self._rig.outer_x_m - self._rig.inner_x_m)
        return 1.0 - smoothstep(0.0, BESIDE_IRIS_RADII * self._rig.iris_radius_m, away)

    @cached_property
    def _carried(self) -> np.ndarray:
        """How much of what the cornea carries along arrives here."""
        inner, outer = CORNER_CARRIED
        corner = inner + (outer - inner) * self._s
        whole = smoothstep(0.0, CARRIED_WHOLE_SHARE, self._s) * smoothstep(0.0, CARRIED_WHOLE_SHARE, 1.0 - self._s)
        return (corner + (1.0 - corner) * whole) * self._not_beside

    @cached_property
    def _at_outer_corner(self) -> np.ndarray:
        return smoothstep(0.5, 1.0, self._share) * self._not_beside

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

    def aside(self, yaw_rad: float) -> np.ndarray:
        """Return how far both margins have gone along x, (N,) metres."""
        return carried_m(self._rig, yaw_rad) * self._carried

    def posed(self, pitch_rad: float, blink: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the heights at which the upper and the lower margin are as posed, (N,) each."""
        rig, upper, lower, rise = self._rig, self.upper_rest, self.lower_rest, 0.0
        follow_upper, follow_lower, corner = rises_m(rig, pitch_rad)
        if follow_upper or follow_lower or corner:
            corner = corner * self._at_outer_corner
            upper = upper + corner + (follow_upper - corner) * self._taper
            rise = corner + (follow_lower - corner) * self._taper
            lower = lower + rise
        upper = np.maximum(upper, lower)
        if not blink:
            return upper, lower
        lower = np.minimum(lower + blink * blink * rig.zip_share * (self._closing + rise - lower), upper)
        return upper + blink * (lower - upper) - blink * blink * self._overlap, lower


def carried_m(rig: EyeRig, yaw_rad: float) -> float:
    """Return how far the cornea carries the lids along x in mid-opening."""
    return rig.carry * rig.lever_yaw_m * math.sin(yaw_rad)


def rises_m(rig: EyeRig, pitch_rad: float) -> tuple[float, float, float]:
    """Return by how much a look up or down raises the upper margin and the lower one in mid-opening, and the outer corner."""
    travel = rig.lever_pitch_m * math.sin(pitch_rad)
    if pitch_rad > 0:
        return rig.follow_upper_up * travel, rig.follow_lower_up * travel, CORNER_FOLLOWS_UP * travel
    return rig.follow_upper_down * travel, rig.follow_lower_down * travel, CORNER_FOLLOWS_DOWN * travel


def margins_now(rig: EyeRig, x: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the heights (N,) of the upper and the lower margin that lie over x (N,) as posed."""
    if yaw_rad:
        x = x - MarginsOver(rig, x).aside(yaw_rad)
    return MarginsOver(rig, x).posed(pitch_rad, blink)


def _cos_sin(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cos(t) and sin(t) of t = acos(1 - 2 s)."""
    return 1.0 - 2.0 * s, 2.0 * np.sqrt(s * (1.0 - s))


def margins(rig: EyeRig, x: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> Margins:
    """Return both margins over x (N,) metres in the eye frame: where they rest, and where they are in one pose."""
    over = MarginsOver(rig, x)
    return Margins(over.upper_rest, over.lower_rest, *margins_now(rig, x, yaw_rad, pitch_rad, blink))


def lid_height(rig: EyeRig, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return z (N,) of the surface on which the lids slide: a sphere, flat beyond its rim."""
    radius = rig.lid_radius_m
    return np.sqrt(np.maximum(radius * radius - x * x - y * y, (FLAT_SHARE * radius) ** 2))


def shade_share(rig: EyeRig, pitch_rad: float, blink: float) -> float:
    """Return how much of the open lid's crease and hollow is left, 1 at rest to 0 two thirds down, seen in mid-opening.

    They are shade between folds of skin, which a lid that comes down draws out.
    """
    middle = _middle(rig)
    opening = max(float(middle.upper_rest[0] - middle.lower_rest[0]), LASH_LIFT_M)
    return float(1.0 - smoothstep(0.0, SHADE_GONE_SHARE, _drop(rig, pitch_rad, blink) / opening))


def lash_rotation(rig: EyeRig, pitch_rad: float, blink: float) -> float:
    """Return the angle in radians by which the upper lid's edge has turned down, seen in mid-opening."""
    return math.asin(min(max(_drop(rig, pitch_rad, blink) / rig.lid_radius_m, -1.0), 1.0))


@lru_cache(maxsize=8)
def _drop(rig: EyeRig, pitch_rad: float, blink: float) -> float:
    """Return how far the upper margin has come down in mid-opening, metres; both formulas above ask for it, in one pose."""
    middle = _middle(rig)
    return float(middle.upper_rest[0] - middle.posed(pitch_rad, blink)[0][0])


@lru_cache(maxsize=64)
def _middle(rig: EyeRig) -> MarginsOver:
    return MarginsOver(rig, np.array([0.5 * (rig.inner_x_m + rig.outer_x_m)], np.float32))
