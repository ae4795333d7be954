# SPDX-License-Identifier: GPL-3.0-or-later
"""Formulas of the globe: how it turns, how its pupil widens, how light falls on it."""
from __future__ import annotations

import numpy as np

from . import lids
from .sidecar import EyeRig

PUPIL_LIMIT_SHARE = 0.8        # the pupil never exceeds this share of the iris radius
SHADE_CORNER_IRIS_RADII = 0.30  # decay lengths of the globe's shading, fitted on photographs
SHADE_UPPER_IRIS_RADII = 0.22
SHADE_LOWER_IRIS_RADII = 0.16
SOCKET_TERMS = 5                # of the shading: the socket's light, which was taken out of the sclera only


def gaze_rotation(yaw_rad: float, pitch_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (yaw, pitch with torsion) rotations (3, 3) in the gaze frame; their product obeys Listing's law.

    With Fick angles H, V the torsion is asin(sin H sin V / (1 + cos H cos V)), 0.9 deg at 10/10.
    """
    cy, sy, cp, sp = np.cos(yaw_rad), np.sin(yaw_rad), np.cos(pitch_rad), np.sin(pitch_rad)
    torsion = -np.arcsin(sy * sp / (1.0 + cy * cp))
    ct, st = np.cos(torsion), np.sin(torsion)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]])
    return yaw, pitch @ roll


def globe_transform(rig: EyeRig, yaw_rad: float, pitch_rad: float) -> np.ndarray:
    """Return the rigid 4x4 transform of the globe in the portrait frame: pitch about its pivot, then yaw about its own."""
    g = rig.gaze_frame()
    yaw, pitch = (g @ r @ g.T for r in gaze_rotation(yaw_rad, pitch_rad))
    pivot_yaw, pivot_pitch = np.asarray(rig.pivot_yaw_m), np.asarray(rig.pivot_pitch_m)
    transform = np.eye(4)
    transform[:3, :3] = yaw @ pitch
    transform[:3, 3] = pivot_yaw + yaw @ (pivot_pitch - pitch @ pivot_pitch - pivot_yaw)
    return transform


def shading_terms(rig: EyeRig, q: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the (N, 7) terms of the globe's log-shading at eye-frame points q (N, 3).

    Socket light along x, x^2 and y, the two corners, and the shadows of both margins (N,), which move with the lids.
    """
    terms = [*socket_terms(rig, q[:, 0], q[:, 1]), *margin_terms(rig, q[:, 1], upper, lower)]
    return np.stack(terms, 1).astype(np.float32)


def socket_terms(rig: EyeRig, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Return the first five terms, (N,) each: they depend on the place alone."""
    width, decay = abs(rig.outer_x_m - rig.inner_x_m), SHADE_CORNER_IRIS_RADII * rig.iris_radius_m
    share = lids.opening_share(rig, x)
    across = np.clip(2.0 * share - 1.0, -1.0, 1.0)
    inner = np.exp(np.maximum(share, 0.0) * (-width / decay))
    outer = np.exp(np.maximum(1.0 - share, 0.0) * (-width / decay))
    height = np.clip((y - rig.corner_y_m) / rig.iris_radius_m, -1.5, 1.5)
    return [across, across * across, height, inner, outer]


def margin_terms(rig: EyeRig, y: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> list[np.ndarray]:
    """Return the last two terms, (N,) each: the shadows of the margins."""
    r = rig.iris_radius_m
    under_upper = np.exp(np.maximum(upper - y, 0.0) / (-SHADE_UPPER_IRIS_RADII * r))
    over_lower = np.exp(np.maximum(y - lower, 0.0) / (-SHADE_LOWER_IRIS_RADII * r))
    return [under_upper, over_lower]


def pupil_now(rig: EyeRig, pupil: float) -> float:
    """Return the pupil's radius in metres when it is to be ``pupil`` times that of the photo."""
    return min(rig.pupil_radius_m * max(pupil, 0.05), PUPIL_LIMIT_SHARE * rig.iris_radius_m)


def dilate(rig: EyeRig, p: np.ndarray, pupil: float) -> np.ndarray:
    """Scale the pupil about the iris centre; the iris between pupil and limbus stretches linearly. p (N, 3) portrait frame."""
    g = rig.gaze_frame().astype(np.float32)
    local = (p - np.asarray(rig.iris_centre_m, np.float32)) @ g
    rho = np.maximum(np.linalg.norm(local[:, :2], axis=1), 1e-9)
    r, rest = rig.iris_radius_m, rig.pupil_radius_m
    now = pupil_now(rig, pupil)
    inside = rho * (now / rest)
    annulus = r - (r - rho) * (r - now) / (r - rest)
    moved = np.where(rho < rest, inside, np.where(rho < r, annulus, rho))
    local[:, :2] *= (moved / rho)[:, None]
    return local @ g.T + np.asarray(rig.iris_centre_m, np.float32)
