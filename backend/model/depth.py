# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of a head from one photo without a depth network: what the photo shows, and the far side it does not.

The face is MediaPipe's mesh, whose metric z is good to 3-5 mm. Round it lies a head of usual proportions: its widest
contour, which is the silhouette in the photo, runs through the middle of the cranium and of the neck; a Poisson solve
lap(h) = -1 on the mask gives the roundness sqrt(h) between silhouette and middle (a sphere over a disc). The result is
corrected harmonically so that it meets the mesh. The neck stands behind the jaw, joined to it by a steep ramp, as the
floor of the mouth does.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..contract.errors import GazeSplatError
from .camera import face_similarity
from .face_model import CHIN, OVAL, SIDES, face_model
from .poisson import raster_mesh, solve_poisson

SOLVE_SIDE_PX = 240         # the solves run at this size; heads are smooth
# Centimetres in the canonical face's axes, from its own proportions and a head 19.5 cm long and 15.3 cm broad.
CRANIUM_CENTRE, NECK_CENTRE = (0.0, 4.0, -4.4), (0.0, -10.0, -6.0)
FRONT_BULGE, BACK_BULGE = 1.1, 1.2      # depth over half width of the silhouette: heads are longer than broad
CRANIUM_FRONT = 9.5                     # centimetres that hair may stand before the contour, however wide it is
CRANIUM_BACK, NECK_BACK = 10.0, 5.0     # centimetres that the far side may stand behind it
NECK_RADIUS = 6.0                       # centimetres; narrower when the photo shows a narrower neck
RAMP_SHARE = 0.045                      # of the face's width: how far below the jaw the neck is reached
LEAST_AGREEMENT = 0.6                   # correlation of a depth network's guess with the mesh inside the face
JAW_V, NECK_U = 0.62, 0.95              # where in face coordinates the neck may begin


@dataclass(frozen=True)
class HeadDepth:
    """front_m: planar depth (H, W) of what the photo shows, NaN outside the mask; back_m: of the far side, equal at the rim."""

    front_m: np.ndarray
    back_m: np.ndarray


@dataclass(frozen=True)
class _Grid:
    """The mask and the face at solving size: points (468, 2) in its pixels, u and v as in ``face_coordinates``."""

    inside: np.ndarray
    points: np.ndarray
    u: np.ndarray
    v: np.ndarray
    metre: float        # per pixel, at the face's depth


def head_depth(mask: np.ndarray, landmarks_px: np.ndarray, landmarks_m: np.ndarray, focal_px: float,
               nearness: np.ndarray | None = None) -> HeadDepth:
    """Return depth for a mask (H, W) 0..1 given landmarks (478, 3) in pixels and in metres (camera frame).

    ``nearness`` (H, W), inverse depth up to scale and shift as a depth network sees it, replaces the usual proportions
    where it agrees with the face. Raises GazeSplatError ``depth-disagrees`` when it does not.
    """
    grid = _grid(mask, landmarks_px, landmarks_m, focal_px)
    scale, rotation, shift = face_similarity(landmarks_m)

    def depth_of(canonical_cm: tuple[float, float, float]) -> float:
        return float((scale * rotation @ np.array(canonical_cm) + shift)[2])

    centimetre = scale                                  # metres per canonical centimetre: this person's size
    toward_neck = _smoothstep((grid.v - 0.7) / 0.5)
    rim = depth_of(CRANIUM_CENTRE) * (1.0 - toward_neck) + depth_of(NECK_CENTRE) * toward_neck
    nothing = np.zeros(grid.inside.shape, bool)
    open_below = ~grid.inside & (grid.v > 1.0)
    half = 2.0 * np.sqrt(np.maximum(solve_poisson(grid.inside, 1.0, nothing, np.zeros(nothing.shape), open_below), 0.0)) * grid.metre

    face = raster_mesh(grid.points, landmarks_m[:468, 2], face_model().triangles, grid.inside.shape)
    oval = _filled(grid.points[list(OVAL)], grid.inside.shape)
    known = (cv2.erode(oval.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & np.isfinite(face) & grid.inside
    guess = rim - _soft_limit(FRONT_BULGE * half, CRANIUM_FRONT * centimetre)
    if nearness is not None:
        guess = np.minimum(_metric(nearness, face, known), rim)
    correction = solve_poisson(grid.inside, 0.0, known, np.where(known, np.nan_to_num(face) - guess, 0.0), open_below)
    front = np.where(known, np.nan_to_num(face), guess + correction)
    if nearness is None:
        neck = depth_of(NECK_CENTRE) - _neck_front(grid, NECK_RADIUS * centimetre)
        front = front + _neck_share(grid, oval) * np.maximum(neck - front, 0.0)
    front = np.minimum(_smooth_inside(front, grid.inside, 1.0), rim)

    limit = (CRANIUM_BACK * (1.0 - toward_neck) + NECK_BACK * toward_neck) * centimetre
    back = rim + _soft_limit(BACK_BULGE * half, limit)
    return HeadDepth(_to_full(front, grid.inside, mask), _to_full(np.maximum(back, front), grid.inside, mask))


def face_coordinates(shape: tuple[int, int], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u (H, W), 1 at the face's sides, and v (H, W), 0 at the ears' height and 1 at the chin; points (N, 2) in pixels."""
    chin, left, right = points[CHIN], points[SIDES["left"]], points[SIDES["right"]]
    middle = 0.5 * (left + right)
    length, half = np.linalg.norm(chin - middle), 0.5 * np.linalg.norm(left - right)
    down = (chin - middle) / length
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    v = ((x - middle[0]) * down[0] + (y - middle[1]) * down[1]) / length
    return np.abs((y - middle[1]) * down[0] - (x - middle[0]) * down[1]) / half, v


def _grid(mask: np.ndarray, landmarks_px: np.ndarray, landmarks_m: np.ndarray, focal_px: float) -> _Grid:
    height, width = mask.shape
    scale = min(1.0, SOLVE_SIDE_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    ratio = np.array([size[0] / width, size[1] / height])
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0.35
    points = landmarks_px[:468, :2] * ratio
    u, v = face_coordinates(inside.shape, points)
    return _Grid(inside, points, u, v, float(np.median(landmarks_m[:468, 2])) / focal_px / float(ratio.mean()))


def _metric(nearness: np.ndarray, face: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return depth in metres (h, w) from relative inverse depth (H, W), fitted to the face's depth where that is known."""
    seen = cv2.resize(nearness.astype(np.float32), face.shape[::-1], interpolation=cv2.INTER_AREA).astype(float)
    inverse = 1.0 / face[known]
    basis = np.column_stack([seen[known], np.ones(len(inverse))])
    trusted = np.ones(len(inverse), bool)
    for _ in range(3):
        fit, *_ = np.linalg.lstsq(basis[trusted], inverse[trusted], rcond=None)
        error = np.abs(basis @ fit - inverse)
        trusted = error < 2.5 * np.median(error) + 1e-9
    agreement = np.corrcoef(seen[known], inverse)[0, 1] if np.ptp(seen[known]) > 0 else 0.0
    if not agreement > LEAST_AGREEMENT:
        raise GazeSplatError("depth-disagrees", "The depth network's guess does not fit the face in this photo.",
                             "Leave the option 'depth' out.")
    return 1.0 / np.maximum(seen * fit[0] + fit[1], 1e-3)


def _neck_share(grid: _Grid, oval: np.ndarray) -> np.ndarray:
    """Return 0..1: how much of a pixel's depth is the neck's, rising over a ramp below the jaw."""
    ramp = max(1.0, RAMP_SHARE * np.ptp(grid.points[:, 0]))
    away = cv2.distanceTransform(1 - oval.astype(np.uint8), cv2.DIST_L2, 5)
    below = ((grid.v > JAW_V) & (grid.u < NECK_U) & ~oval).astype(np.float32)
    return cv2.GaussianBlur(below, (0, 0), 1.0) * _smoothstep(away / ramp)


def _neck_front(grid: _Grid, radius_m: float) -> np.ndarray:
    """Return how far a round neck stands before its axis (H, W), metres, from the width each row shows."""
    columns = np.arange(grid.inside.shape[1]) + 0.5
    region = grid.inside & (grid.u < NECK_U)
    count = region.sum(axis=1)
    centre = np.where(count > 0, (region * columns).sum(axis=1) / np.maximum(count, 1), 0.0)[:, None]
    half = np.minimum(0.5 * np.maximum(count, 1.0)[:, None] * grid.metre, 1.15 * radius_m)
    away = np.abs(columns[None] - centre) * grid.metre
    return radius_m * np.sqrt(np.maximum(1.0 - (away / half) ** 2, 0.0))


def _filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.fillPoly(np.zeros(shape, np.uint8), [np.round(outline - 0.5).astype(np.int32)], 1) > 0


def _soft_limit(values: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    return values / (1.0 + (values / limit) ** 4) ** 0.25


def _smoothstep(x: np.ndarray) -> np.ndarray:
    t = np.clip(x, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _smooth_inside(values: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    weight = inside.astype(np.float32)
    return cv2.GaussianBlur(np.where(inside, values, 0.0).astype(np.float32), (0, 0), sigma) / \
        np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)


def _to_full(values: np.ndarray, inside: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Enlarge a solved field to the picture; it is continued a little beyond the rim first, so that no edge mixes with nothing."""
    filled = np.where(inside, values, _smooth_inside(values, inside, 3.0)).astype(np.float32)
    full = cv2.resize(filled, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(mask > 0.02, full, np.nan).astype(np.float32)
