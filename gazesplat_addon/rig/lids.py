# SPDX-License-Identifier: GPL-3.0-or-later
"""Lid formulas: margins as sine series, and the warps that carry skin and lashes with them.

These are the formulas of the node tree, stated once in numpy. Everything is a function of a
position in the eye frame, so that any splat head can be warped: no per-splat lid data is stored.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sidecar import EyeRig

STILL_IRIS_RADII = 0.35      # skin this close to the margin moves with it as one piece (the tarsal plate's edge)
FLAT_SHARE = 0.45            # the lid sphere continues flat below this share of its radius
TAPER_POWER = 1.6            # how lid follow fades towards the corners, which stay: less would shear the skin beside them
LASH_CORNER_SHARE = 0.2      # lashes at the outer corner turn this much less
OVERLAP_FROM_SHARE = 0.2     # the overlap of a closed upper lid grows from here to the outer corner
OVERLAP_END_IRIS_RADII = 2.0  # and is gone this far beyond it
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


def sine_series(coefficients: tuple[float, ...], cos_t: np.ndarray, sin_t: np.ndarray) -> np.ndarray:
    """Return sum_n a_n sin(n t) by the recurrence sin(n t) = 2 cos(t) sin((n-1) t) - sin((n-2) t)."""
    previous, current = np.zeros_like(sin_t), sin_t
    total = np.zeros_like(sin_t)
    for a in coefficients:
        total = total + np.float32(a) * current
        previous, current = current, 2.0 * cos_t * current - previous
    return total


def opening_share(rig: EyeRig, x: np.ndarray) -> np.ndarray:
    """Return s (N,): 0 at the inner corner, 1 at the outer, beyond them outside 0..1."""
    return (x - rig.inner_x_m) / (rig.outer_x_m - rig.inner_x_m)


def margins(rig: EyeRig, x: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> Margins:
    """Return both margins at x (N,) metres in the eye frame for one pose.

    The lids follow the iris in height, the cornea carries their curves sideways, a blink brings the
    upper margin down on the closing line and a little past the lower one at the outer corner.
    """
    width = rig.outer_x_m - rig.inner_x_m
    share = opening_share(rig, x)
    s = np.clip(share, 0.0, 1.0)
    cos_t, sin_t = 1.0 - 2.0 * s, 2.0 * np.sqrt(s * (1.0 - s))
    upper_rest = rig.corner_y_m + sine_series(rig.upper_m, cos_t, sin_t)
    lower_rest = rig.corner_y_m + sine_series(rig.lower_m, cos_t, sin_t)

    carried = np.clip(s - rig.carry * rig.lever_yaw_m * np.sin(yaw_rad) * sin_t / width, 0.0, 1.0)
    cos_c, sin_c = 1.0 - 2.0 * carried, 2.0 * np.sqrt(carried * (1.0 - carried))
    taper = sin_t ** TAPER_POWER
    travel = rig.lever_pitch_m * np.sin(pitch_rad)
    follow_upper = rig.follow_upper_up if pitch_rad > 0 else rig.follow_upper_down
    follow_lower = rig.follow_lower_up if pitch_rad > 0 else rig.follow_lower_down
    upper = rig.corner_y_m + sine_series(rig.upper_m, cos_c, sin_c) + follow_upper * travel * taper
    lower_carried = rig.corner_y_m + sine_series(rig.lower_m, cos_c, sin_c)
    lower = 0.5 * (lower_rest + lower_carried) + follow_lower * travel * taper
    upper = np.maximum(upper, lower)

    closing = rig.corner_y_m + sine_series(rig.closing_m, cos_t, sin_t) + follow_lower * travel * taper
    lower = np.minimum(lower + blink * blink * rig.zip_share * (closing - lower), upper)
    r = rig.iris_radius_m
    beyond = (share - 1.0) * abs(width)
    ramp = smoothstep(OVERLAP_FROM_SHARE, 1.0, share) * (1.0 - smoothstep(0.0, OVERLAP_END_IRIS_RADII * r, beyond))
    upper = upper + blink * (lower - upper) - blink * blink * rig.overlap * r * ramp
    return Margins(upper_rest, lower_rest, upper, lower)


def lid_height(rig: EyeRig, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return z (N,) of the surface on which the lids slide: a sphere, flat beyond its rim."""
    radius = rig.lid_radius_m
    return np.sqrt(np.maximum(radius * radius - x * x - y * y, (FLAT_SHARE * radius) ** 2))


def warp_upper_lid(rig: EyeRig, q: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> np.ndarray:
    """Move skin points q (N, 3) of the eye frame with the upper margin; still beyond the reach."""
    m = margins(rig, q[:, 0], yaw_rad, pitch_rad, blink)
    above = q[:, 1] - m.upper_rest
    weight = 1.0 - smoothstep(STILL_IRIS_RADII * rig.iris_radius_m, rig.upper_reach_m, above)
    return _slide(rig, q, (m.upper - m.upper_rest) * weight)


def warp_lower_lid(rig: EyeRig, q: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> np.ndarray:
    """Move skin points q (N, 3) of the eye frame with the lower margin; still beyond the reach."""
    m = margins(rig, q[:, 0], yaw_rad, pitch_rad, blink)
    below = m.lower_rest - q[:, 1]
    weight = 1.0 - smoothstep(STILL_IRIS_RADII * rig.iris_radius_m, rig.lower_reach_m, below)
    return _slide(rig, q, (m.lower - m.lower_rest) * weight)


def shade_share(rig: EyeRig, yaw_rad: float, pitch_rad: float, blink: float) -> float:
    """Return how much of the open lid's crease and hollow is left, 1 at rest to 0 when shut, seen in mid-opening.

    They are shade between folds of skin, which a lid that comes down draws out.
    """
    m = margins(rig, _middle(rig), yaw_rad, pitch_rad, blink)
    drop = (m.upper_rest - m.upper) / np.maximum(m.upper_rest - m.lower_rest, LASH_LIFT_M)
    return float(1.0 - smoothstep(0.0, 1.0, drop[0]))


def lash_rotation(rig: EyeRig, yaw_rad: float, pitch_rad: float, blink: float) -> float:
    """Return the angle in radians by which the upper lid's edge has turned down, seen in mid-opening."""
    m = margins(rig, _middle(rig), yaw_rad, pitch_rad, blink)
    drop = (m.upper_rest - m.upper)[0] / rig.lid_radius_m
    return float(np.arcsin(np.clip(drop, -1.0, 1.0)))


def warp_upper_lash(rig: EyeRig, q: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> np.ndarray:
    """Carry lash points q (N, 3) with the upper margin and turn them about it.

    At rest a lash point stands ``t`` above the margin and ``t / tan(lash angle)`` before the skin.
    """
    m = margins(rig, q[:, 0], yaw_rad, pitch_rad, blink)
    t = q[:, 1] - m.upper_rest
    corner = 1.0 - LASH_CORNER_SHARE * smoothstep(0.0, 0.8 * rig.iris_radius_m,
                                                  (opening_share(rig, q[:, 0]) - 1.0) * abs(rig.outer_x_m - rig.inner_x_m))
    angle = np.radians(rig.lash_angle_deg)
    turned = angle - lash_rotation(rig, yaw_rad, pitch_rad, blink) * corner
    base_z = lid_height(rig, q[:, 0], m.upper) - lid_height(rig, q[:, 0], m.upper_rest)
    forward = t * (np.cos(turned) - np.cos(angle)) / np.sin(angle)
    return np.stack([q[:, 0], m.upper + t * np.sin(turned) / np.sin(angle), q[:, 2] + base_z + forward], 1)


def warp_lower_lash(rig: EyeRig, q: np.ndarray, yaw_rad: float, pitch_rad: float, blink: float) -> np.ndarray:
    """Carry lash points q (N, 3) with the lower margin, as one piece."""
    m = margins(rig, q[:, 0], yaw_rad, pitch_rad, blink)
    return _slide(rig, q, m.lower - m.lower_rest)


def _middle(rig: EyeRig) -> np.ndarray:
    return np.array([0.5 * (rig.inner_x_m + rig.outer_x_m)], np.float32)


def _slide(rig: EyeRig, q: np.ndarray, rise: np.ndarray) -> np.ndarray:
    y = q[:, 1] + rise
    z = q[:, 2] + lid_height(rig, q[:, 0], y) - lid_height(rig, q[:, 0], q[:, 1])
    return np.stack([q[:, 0], y, z], 1)
