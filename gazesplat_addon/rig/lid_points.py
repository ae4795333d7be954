# SPDX-License-Identifier: GPL-3.0-or-later
"""How points of the lids and lashes move: the warps that carry skin and lashes with the margins.

Whatever depends on the place alone is worked out once for a portrait; a pose is then a few passes over what is left.
"""
from __future__ import annotations

import numpy as np

from . import parts
from .lids import LASH_CORNER_SHARE, STILL_IRIS_RADII, MarginsOver, lash_rotation, lid_height, opening_share, smoothstep
from .sidecar import EyeRig


class SkinPoints:
    """Points q (N, 3), eye frame, metres, that slide on the lids' sphere with one margin; still beyond its reach.

    ``part`` is that of all, or of each (N,).
    """

    def __init__(self, rig: EyeRig, q: np.ndarray, part: int | np.ndarray) -> None:
        self._rig, self._x, self._y = rig, np.ascontiguousarray(q[:, 0]), np.ascontiguousarray(q[:, 1])
        self._margins, self._height = MarginsOver(rig, self._x), lid_height(rig, self._x, self._y)
        self._upper = np.isin(part, (parts.UPPER_LID, parts.UPPER_SHADE))
        self._rest = self._of_margin(self._margins.upper_rest, self._margins.lower_rest)
        self.weight = self._weight(part)
        self._lead = np.where(self._upper, self._margins.lead * self.weight, np.float32(0.0)) if rig.lead_m else None

    def _of_margin(self, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Return for each point what belongs to its margin."""
        if self._upper.ndim == 0:
            return upper if self._upper else lower
        return np.where(self._upper, upper, lower)

    def _weight(self, part: int | np.ndarray) -> np.ndarray:
        """Return which share of the margin's travel each point makes, (N,); lashes at the lower margin make all of it."""
        still = STILL_IRIS_RADII * self._rig.iris_radius_m
        weight = self._of_margin(1.0 - smoothstep(still, self._rig.upper_reach_m, self._y - self._rest),
                                 1.0 - smoothstep(still, self._rig.lower_reach_m, self._rest - self._y))
        return np.where(np.equal(part, parts.LOWER_LASH), np.float32(1.0), weight)

    def travel(self, yaw_rad: float, pitch_rad: float, blink: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how far each point moves along x, y and z, (N,) each."""
        now = self._of_margin(*self._margins.posed(pitch_rad, blink))
        rise = (now - self._rest) * self.weight
        aside = self._margins.aside(yaw_rad) * self.weight
        forward = lid_height(self._rig, self._x + aside, self._y + rise) - self._height
        return aside, rise, forward if self._lead is None else forward + blink * blink * self._lead


class UpperLashPoints:
    """Points q (N, 3), eye frame, of the upper lashes: carried with the margin and turned about it.

    At rest a lash point stands ``t`` above the margin and ``t / tan(lash angle)`` before the skin.
    """

    def __init__(self, rig: EyeRig, q: np.ndarray) -> None:
        self._rig, self._x, self._y = rig, np.ascontiguousarray(q[:, 0]), np.ascontiguousarray(q[:, 1])
        self._margins = MarginsOver(rig, self._x)
        self._t = self._y - self._margins.upper_rest
        self._height = lid_height(rig, self._x, self._margins.upper_rest)
        outside = (opening_share(rig, self._x) - 1.0) * abs(rig.outer_x_m - rig.inner_x_m)
        self._corner = 1.0 - LASH_CORNER_SHARE * smoothstep(0.0, 0.8 * rig.iris_radius_m, outside)

    def travel(self, yaw_rad: float, pitch_rad: float, blink: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how far each point moves along x, y and z, (N,) each."""
        aside = self._margins.aside(yaw_rad)
        upper, _ = self._margins.posed(pitch_rad, blink)
        angle = float(np.radians(self._rig.lash_angle_deg))
        turned = angle - lash_rotation(self._rig, pitch_rad, blink) * self._corner
        length = self._t / float(np.sin(angle))
        forward = length * (np.cos(turned) - float(np.cos(angle)))
        if self._rig.lead_m:
            forward = forward + blink * blink * self._margins.lead
        rise = upper - self._margins.upper_rest + length * (np.sin(turned) - float(np.sin(angle)))
        return aside, rise, lid_height(self._rig, self._x + aside, upper) - self._height + forward


def lid_points(rig: EyeRig, part: int | np.ndarray, q: np.ndarray) -> SkinPoints | UpperLashPoints:
    """Return the points q (N, 3) of one of ``parts.LID_PARTS``, or of several that are no upper lashes (N,), ready to be posed."""
    if np.ndim(part) == 0 and part == parts.UPPER_LASH:
        return UpperLashPoints(rig, q)
    return SkinPoints(rig, q, part)
