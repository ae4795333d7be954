# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the eye builder's contours and what an artist draws over the photo.

Five points cannot say all that a contour holds, so a correction changes what was found by what was moved: points that stay
where they were change nothing at all, points that move pull the curve along smoothly and lie on it exactly.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...gazesplat_addon.rig.eye_marks import POINTS, EyeMarks
from .contour import TERMS, EyeContour, LidContour

STILL_PX = 0.02       # moves below this come from rounding on the way through Blender
_T = np.linspace(0.0, np.pi, POINTS)     # of the five points along the sine series


def marks_of(eye: EyeContour) -> EyeMarks:
    """Return an eye's five points a lid and its circle, in pixels of the contour's image."""
    return EyeMarks(_points(eye.lids, eye.lids.upper), _points(eye.lids, eye.lids.lower), np.append(eye.iris_px, eye.radius_px))


def handles_of(eye: EyeContour) -> dict[str, np.ndarray]:
    """Return Bezier handles (5, 2, 2), before and after each point, with which a drawn curve follows each margin."""
    return {"upper": _handles(eye.lids, eye.lids.upper), "lower": _handles(eye.lids, eye.lids.lower)}


def corrected_eyes(eyes: Mapping[str, EyeContour], marks: Mapping[str, EyeMarks]) -> tuple[dict[str, EyeContour], float]:
    """Return the eyes as drawn, and how much larger their irises became (1 where nobody touched a radius).

    Both irises are one size: where only one circle was scaled the other follows, where both were the mean counts.
    """
    ratios = [marks[side].iris[2] / eye.radius_px for side, eye in eyes.items() if abs(marks[side].iris[2] - eye.radius_px) > STILL_PX]
    ratio = float(np.mean(ratios)) if ratios else 1.0
    moved = {}
    for side, eye in eyes.items():
        far = np.linalg.norm(marks[side].iris[:2] - eye.iris_px) > STILL_PX
        moved[side] = replace(eye, lids=corrected_lids(eye.lids, marks[side].upper, marks[side].lower),
                              iris_px=marks[side].iris[:2] if far else eye.iris_px, radius_px=eye.radius_px * ratio)
    return moved, ratio


def differ(eyes: Mapping[str, EyeContour], others: Mapping[str, EyeContour]) -> bool:
    """Return whether a correction has changed anything."""
    return any(eye.lids is not others[side].lids or eye.radius_px != others[side].radius_px
               or not np.array_equal(eye.iris_px, others[side].iris_px) for side, eye in eyes.items())


def corrected_lids(lids: LidContour, upper: np.ndarray, lower: np.ndarray) -> LidContour:
    """Return the contour through points (5, 2) of both margins in pixels; the same object where none was moved."""
    was_upper, was_lower = _points(lids, lids.upper), _points(lids, lids.lower)
    if max(np.abs(upper - was_upper).max(), np.abs(lower - was_lower).max()) <= STILL_PX:
        return lids
    inner, outer = (_corner(was_upper[k], upper[k], lower[k]) for k in (0, -1))
    along = outer - inner
    width = float(np.linalg.norm(along))
    along = along / width
    up = np.array([along[1], -along[0]])
    frame = LidContour(inner, along, up if up @ lids.up > 0.0 else -up, width, lids.upper, lids.lower)
    return replace(frame, upper=_pulled(frame, lids.upper, upper), lower=_pulled(frame, lids.lower, lower))


def _corner(was: np.ndarray, *now: np.ndarray) -> np.ndarray:
    """Return where a corner is: whichever lid's end was moved says so, both together where both were."""
    moved = [point for point in now if np.abs(point - was).max() > STILL_PX]
    return np.mean(moved, axis=0) if moved else was


def _pulled(frame: LidContour, series: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the sine series pulled onto the three points between the corners, by its three smoothest terms."""
    local = frame.to_local(points[1:-1])
    t = np.arccos(np.clip(1.0 - 2.0 * local[:, 0] / frame.width_px, -1.0, 1.0))
    missed = local[:, 1] - np.sin(np.outer(t, np.arange(1, TERMS + 1))) @ series
    pull = np.zeros(TERMS)
    pull[:3] = np.linalg.lstsq(np.sin(np.outer(t, np.arange(1, 4))), missed, rcond=None)[0]
    return series + pull


def _points(lids: LidContour, series: np.ndarray) -> np.ndarray:
    return lids.to_image(_local(lids, series, _T))


def _local(lids: LidContour, series: np.ndarray, t: np.ndarray) -> np.ndarray:
    heights = np.where(np.sin(t) < 1e-9, 0.0, np.sin(np.multiply.outer(t, np.arange(1, TERMS + 1))) @ series)
    return np.stack([0.5 * lids.width_px * (1.0 - np.cos(t)), heights], -1)


def _handles(lids: LidContour, series: np.ndarray) -> np.ndarray:
    """Fit each span's cubic in t, in which the margin is smooth even at its corners."""
    u = np.linspace(0.0, 1.0, 17)[:, None]
    inner = np.hstack([3.0 * u * (1.0 - u) ** 2, 3.0 * u * u * (1.0 - u)])
    points = _local(lids, series, _T)
    handles = np.repeat(points[:, None], 2, axis=1)
    for k in range(POINTS - 1):
        wanted = _local(lids, series, _T[k] + u[:, 0] * (_T[k + 1] - _T[k])) - (1.0 - u) ** 3 * points[k] - u ** 3 * points[k + 1]
        handles[k, 1], handles[k + 1, 0] = np.linalg.lstsq(inner, wanted, rcond=None)[0]
    return lids.to_image(handles)
