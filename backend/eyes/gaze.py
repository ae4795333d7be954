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
# Upwards people differ more: how high irises stand over the line of the corners, how scores read heavy lids. Twelve portraits that
# look into the lens, in seven variants of each, are estimated within 6.1 deg of it by the more careful of two signals (rms 2.8).
AVERTED_UP_DEG = 9.0
# Irises that look along the head stand this share of their diameter above the line between the corners (mean of those twelve).
IRIS_ABOVE_CORNERS = 0.2
# MediaPipe's eyeLookUp less eyeLookDown, mean of both eyes: what it is for a look along the head, and degrees per score (rendered heads).
SCORE_AHEAD = 0.065
DEGREES_UP_PER_SCORE = 42.5
# The mean squared cosine over the arcs of 40 deg on which the limbus' radius is read.
ARCS_SHARE = 0.85


def estimate_rest_gaze(scan: FaceScan) -> tuple[float, float] | None:
    """Return the gaze (yaw_deg, pitch_deg) in the head frame, or None for a look into the lens.

    A direction that is not clearly averted stays that of the lens.
    """
    x, y, z = scan.to_portrait(np.zeros(3))         # the lens, seen from between the eyes
    lens_yaw, lens_pitch = np.degrees(np.arctan2(x, -y)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    aside, above = _iris_places(scan)
    yaw = _yaw_from_irises(scan, aside, lens_yaw)
    up = 0.0
    if scan.blendshapes:        # landmarks from elsewhere come without
        yaw = 0.5 * (yaw + _yaw_from_scores(scan.blendshapes))
        up = _more_careful(_pitch_from_irises(scan, above, lens_pitch) - lens_pitch, _pitch_from_scores(scan.blendshapes) - lens_pitch)
    beside, raised = abs(yaw - lens_yaw) >= AVERTED_DEG, abs(up) >= AVERTED_UP_DEG
    if not (beside or raised):
        return None
    return float(yaw if beside else lens_yaw), float(lens_pitch + up if raised else lens_pitch)


def _more_careful(one_deg: float, other_deg: float) -> float:
    """Return the smaller of two angles, 0 where they contradict each other: lids, glasses and helmets fool one signal, rarely both."""
    return min(one_deg, other_deg, key=abs) if one_deg * other_deg > 0.0 else 0.0


def _yaw_from_scores(scores: dict[str, float]) -> float:
    left = scores["eyeLookOutLeft"] - scores["eyeLookInLeft"]
    right = scores["eyeLookInRight"] - scores["eyeLookOutRight"]
    return DEGREES_PER_SCORE * 0.5 * (left + right)


def _pitch_from_scores(scores: dict[str, float]) -> float:
    left = scores["eyeLookUpLeft"] - scores["eyeLookDownLeft"]
    right = scores["eyeLookUpRight"] - scores["eyeLookDownRight"]
    return DEGREES_UP_PER_SCORE * (0.5 * (left + right) - SCORE_AHEAD)


def _iris_places(scan: FaceScan) -> tuple[float, float]:
    """Return how far irises stand to the subject's left of the middle between their corners, and above it, in metres.

    What is mirrored in both eyes cancels.
    """
    places = []
    for eye in scan.eyes.values():
        depth = 0.5 * scan.fx * scan.ruler.iris_diameter_m / eye.radius_px
        corners = eye.lids.to_image(np.array([[0.0, 0.0], [eye.lids.width_px, 0.0]]))
        iris, middle = (scan.to_portrait(scan.rays(p) * depth) for p in (eye.iris_px, corners.mean(axis=0)))
        places.append(iris - middle)
    aside, _, above = np.mean(places, axis=0)
    return float(aside), float(above)


def _yaw_from_irises(scan: FaceScan, aside_m: float, lens_yaw_deg: float) -> float:
    seen = aside_m + CORNERS_BEHIND_M * np.tan(np.radians(lens_yaw_deg))
    return float(np.degrees(np.arcsin(np.clip(seen / scan.ruler.lever_yaw_m, -0.7, 0.7))))


def _pitch_from_irises(scan: FaceScan, above_m: float, lens_pitch_deg: float) -> float:
    seen = above_m + CORNERS_BEHIND_M * np.tan(np.radians(lens_pitch_deg)) - IRIS_ABOVE_CORNERS * scan.ruler.iris_diameter_m
    return float(np.degrees(np.arcsin(np.clip(seen / scan.ruler.lever_pitch_m, -0.7, 0.7))))


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
