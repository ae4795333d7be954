# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth of a head from one photo without a depth network.

The face is MediaPipe's mesh, whose metric z is good to a few millimetres. Everything else (hair, ears, neck) is the
silhouette inflated: a Poisson solve lap(h) = -1 on the mask gives the cap z = z_rim - 2 sqrt(h), a sphere over a disc,
which is then corrected harmonically so that it meets the mesh in the face and the rim at the silhouette.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from .face_model import CHIN, OVAL, SIDES, face_model

NECK_BEHIND_CHIN_M = 0.045  # the throat stands this far behind the chin
SOLVE_SIDE_PX = 260         # the solves run at this size; heads are smooth
BULGE = 0.9                 # the cap's height over the silhouette's half width: heads are deeper than round in front, flatter in hair


@dataclass(frozen=True)
class HeadDepth:
    """front_m: planar depth (H, W) of what the photo shows, NaN outside the mask; back_m: of the far side, equal at the rim."""

    front_m: np.ndarray
    back_m: np.ndarray


def head_depth(mask: np.ndarray, landmarks_px: np.ndarray, landmarks_m: np.ndarray, focal_px: float) -> HeadDepth:
    """Return depth for a mask (H, W) 0..1 given landmarks (478, 3) in pixels and in metres (camera frame)."""
    height, width = mask.shape
    scale = min(1.0, SOLVE_SIDE_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    ratio = np.array([size[0] / width, size[1] / height])
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0.35
    inside[[0, -1]] = False
    inside[:, [0, -1]] = False
    points = landmarks_px[:468, :2] * ratio
    face = raster_mesh(points, landmarks_m[:468, 2], face_model().triangles, size[::-1])
    oval = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(oval, [np.round(points[list(OVAL)]).astype(np.int32)], 1)
    core = cv2.erode(oval, np.ones((5, 5), np.uint8)) > 0
    known = core & np.isfinite(face) & inside

    neck = _neck(points, inside, oval)
    metre = float(np.median(landmarks_m[:468, 2])) / focal_px / float(ratio.mean())     # metres per solve pixel at the face
    cap = BULGE * 2.0 * np.sqrt(np.maximum(_solve(inside, 1.0, np.zeros_like(inside), np.zeros(inside.shape)), 0.0)) * metre
    ring = known & ~(cv2.erode(known.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    rim = float(np.mean(face[ring] + cap[ring]))
    inflated = rim - cap
    correction = _solve(inside, 0.0, known, np.where(known, np.nan_to_num(face) - inflated, 0.0))
    front = _smooth_inside(np.where(known, np.nan_to_num(face), inflated + correction), inside & ~neck, 1.2)
    behind = float(landmarks_m[CHIN, 2]) + NECK_BEHIND_CHIN_M
    front = np.where(neck, np.maximum(front, behind + _roundness(neck) * metre), front)
    back = rim + 1.05 * cap
    return HeadDepth(_to_full(front, inside, mask), _to_full(np.maximum(back, front), inside, mask))


def _neck(points: np.ndarray, inside: np.ndarray, oval: np.ndarray) -> np.ndarray:
    """Return the mask of what lies below the jaw: it is no continuation of the chin but stands well behind it."""
    left, right, chin = points[SIDES["left"]], points[SIDES["right"]], points[CHIN]
    middle = 0.5 * (left + right)
    down = (chin - middle) / np.linalg.norm(chin - middle)
    y, x = np.mgrid[: inside.shape[0], : inside.shape[1]] + 0.5
    v = ((x - middle[0]) * down[0] + (y - middle[1]) * down[1]) / np.linalg.norm(chin - middle)
    u = np.abs((x - middle[0]) * -down[1] + (y - middle[1]) * down[0]) / (0.5 * np.linalg.norm(left - right))
    return inside & (oval == 0) & (v > 0.62) & (u < 0.95)


def _roundness(region: np.ndarray) -> np.ndarray:
    """Return how far a cylinder over each row of the region falls back from its front, in pixels (H, W)."""
    columns = np.arange(region.shape[1]) + 0.5
    count = region.sum(1)
    centre = np.where(count > 0, (region * columns).sum(1) / np.maximum(count, 1), 0.0)
    half = np.maximum(0.5 * count, 1.0)[:, None]
    away = np.clip(np.abs(columns[None] - centre[:, None]), 0.0, half)
    return half - np.sqrt(np.maximum(half ** 2 - away ** 2, 0.0))


def raster_mesh(points_px: np.ndarray, depth: np.ndarray, triangles: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Rasterise per-vertex depth (N,) over triangles (T, 3); nearest wins, NaN where there is none. Returns (H, W).

    All triangles are sampled at once on a barycentric lattice dense enough for their size, then scattered.
    """
    corners = points_px[triangles]
    edge = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    steps = int(np.clip(np.ceil(2.0 * edge.max()), 2, 128))
    i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    keep = i + j <= steps
    u, v = i[keep] / steps, j[keep] / steps
    bary = np.stack([1.0 - u - v, u, v], 1)
    out = np.full(shape, np.inf)
    for chunk in np.array_split(np.arange(len(triangles)), max(1, len(triangles) * len(bary) // 2_000_000)):
        xy = np.einsum("bk,tkc->tbc", bary, corners[chunk]).reshape(-1, 2)
        z = np.einsum("bk,tk->tb", bary, depth[triangles[chunk]]).ravel()
        column, row = np.floor(xy).astype(int).T
        ok = (column >= 0) & (row >= 0) & (column < shape[1]) & (row < shape[0])
        np.minimum.at(out, (row[ok], column[ok]), z[ok])
    return np.where(np.isfinite(out), out, np.nan)


def _solve(inside: np.ndarray, source: float, fixed: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Solve lap(x) = -source on ``inside`` with x = values on ``fixed`` and 0 outside (5-point stencil)."""
    unknown = inside & ~fixed
    number = np.full(inside.shape, -1)
    count = int(unknown.sum())
    number[unknown] = np.arange(count)
    row, column = np.nonzero(unknown)
    right = np.full(count, float(source))
    rows, columns, entries = [np.arange(count)], [np.arange(count)], [np.full(count, 4.0)]
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = np.clip(row + dy, 0, inside.shape[0] - 1), np.clip(column + dx, 0, inside.shape[1] - 1)
        other = number[y, x]
        linked = other >= 0
        rows.append(np.flatnonzero(linked))
        columns.append(other[linked])
        entries.append(np.full(linked.sum(), -1.0))
        right += np.where(~linked & fixed[y, x], values[y, x], 0.0)
    matrix = coo_matrix((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)).tocsc()
    out = np.where(fixed, values, 0.0).astype(float)
    out[unknown] = spsolve(matrix, right)
    return out


def _smooth_inside(values: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    weight = inside.astype(np.float32)
    return cv2.GaussianBlur(np.where(inside, values, 0.0).astype(np.float32), (0, 0), sigma) / \
        np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)


def _to_full(values: np.ndarray, inside: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Enlarge a solved field to the picture; it is continued a little beyond the rim first, so that no edge mixes with nothing."""
    spread = _smooth_inside(values, inside, 3.0)
    filled = np.where(inside, values, spread).astype(np.float32)
    full = cv2.resize(filled, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(mask > 0.02, full, np.nan).astype(np.float32)
