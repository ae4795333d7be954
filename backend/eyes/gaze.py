# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the eyes look in the photo: into the lens, unless they clearly do not."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model.scan import FaceScan
from .contour import EyeContour

# MediaPipe's eyeLook scores are about 0.75 at 20 deg of true yaw (rendered heads), near 0 straight ahead.
DEGREES_PER_SCORE = 27.0
# The middle between an eye's corners lies this far behind its iris plane: what parallax of a turned head says (5-6 mm on rendered heads).
CORNERS_BEHIND_M = 0.005
# Twelve portraits that look into the lens are estimated within 4 deg of it (rms 2.5), rendered gazes of 10-20 deg within 3.
AVERTED_DEG = 6.0
# The mean squared cosine over the arcs of 40 deg on which the limbus' radius is read.
ARCS_SHARE = 0.85


def estimate_rest_gaze(scan: FaceScan) -> tuple[float, float] | None:
    """Return the gaze (yaw_deg, pitch_deg) in the head frame, or None for a look into the lens.

    Height stays that of the lens: the lids' follow makes vertical scores useless for small angles.
    """
    x, y, z = scan.to_portrait(np.zeros(3))         # the lens, seen from between the eyes
    lens_yaw, lens_pitch = np.degrees(np.arctan2(x, -y)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    yaw = _yaw_from_irises(scan, lens_yaw)
    if scan.blendshapes:        # landmarks from elsewhere come without
        yaw = 0.5 * (yaw + _yaw_from_scores(scan.blendshapes))
    if abs(yaw - lens_yaw) < AVERTED_DEG:
        return None
    return float(yaw), float(lens_pitch)


def _yaw_from_scores(scores: dict[str, float]) -> float:
    left = scores["eyeLookOutLeft"] - scores["eyeLookInLeft"]
    right = scores["eyeLookInRight"] - scores["eyeLookOutRight"]
    return DEGREES_PER_SCORE * 0.5 * (left + right)


def _yaw_from_irises(scan: FaceScan, lens_yaw_deg: float) -> float:
    """Return the yaw at which irises stand as they do between their corners; what is mirrored in both eyes cancels."""
    aside = []
    for eye in scan.eyes.values():
        depth = 0.5 * scan.fx * scan.ruler.iris_diameter_m / eye.radius_px
        corners = eye.lids.to_image(np.array([[0.0, 0.0], [eye.lids.width_px, 0.0]]))
        iris, middle = (scan.to_portrait(scan.rays(p) * depth) for p in (eye.iris_px, corners.mean(axis=0)))
        aside.append(iris[0] - middle[0])
    seen = np.mean(aside) + CORNERS_BEHIND_M * np.tan(np.radians(lens_yaw_deg))
    return float(np.degrees(np.arcsin(np.clip(seen / scan.ruler.lever_yaw_m, -0.7, 0.7))))


def round_irises(scan: FaceScan, gaze_deg: tuple[float, float]) -> dict[str, EyeContour]:
    """Return the scan's eyes with the radius that their irises have, given a gaze (yaw_deg, pitch_deg) in the head frame.

    An iris that looks aside is an ellipse, and its radius was read where it is narrow.
    """
    yaw, pitch = np.radians(gaze_deg)
    gaze = np.array([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)]) @ scan.portrait_rotation
    eyes = {}
    for side, eye in scan.eyes.items():
        ray = scan.rays(eye.iris_px)
        ray = ray / np.linalg.norm(ray)
        aside = float((gaze - (gaze @ ray) * ray)[:2] @ eye.lids.along)
        narrow = np.sqrt(1.0 - min(aside * aside, 0.5))
        eyes[side] = replace(eye, radius_px=eye.radius_px / (1.0 - ARCS_SHARE * (1.0 - narrow)))
    return eyes
