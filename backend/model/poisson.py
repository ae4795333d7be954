# SPDX-License-Identifier: GPL-3.0-or-later
"""Poisson's equation on a picture region, and a rasteriser for small meshes: what depth is solved with."""
from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve


def solve_poisson(inside: np.ndarray, source: float, fixed: np.ndarray, values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Solve lap(x) = -source on a region of a grid (5-point stencil, spacing 1); returns (H, W) float64.

    inside  (H, W) bool, the region; beyond it x is 0
    fixed   (H, W) bool, inside: where x is given by ``values``
    free    (H, W) bool, outside: neighbours across which nothing flows (the slope there is 0)
    """
    unknown = inside & ~fixed
    count = int(unknown.sum())
    number = np.full(inside.shape, -1)
    number[unknown] = np.arange(count)
    row, column = np.nonzero(unknown)
    right, diagonal = np.full(count, float(source)), np.zeros(count)
    rows, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = np.clip(row + dy, 0, inside.shape[0] - 1), np.clip(column + dx, 0, inside.shape[1] - 1)
        other = number[y, x]
        linked = other >= 0
        rows.append(np.flatnonzero(linked))
        columns.append(other[linked])
        diagonal += ~(free[y, x] & ~inside[y, x])
        right += np.where(~linked & fixed[y, x], values[y, x], 0.0)
    entries = np.concatenate([np.full(sum(map(len, rows)), -1.0), np.maximum(diagonal, 1e-9)])
    index = np.arange(count)
    matrix = coo_matrix((entries, (np.concatenate([*rows, index]), np.concatenate([*columns, index]))), shape=(count, count))
    out = np.where(fixed, values, 0.0).astype(float)
    out[unknown] = spsolve(matrix.tocsc(), right)
    return out


def raster_mesh(points_px: np.ndarray, depth: np.ndarray, triangles: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Rasterise per-vertex depth (N,) over triangles (T, 3); nearest wins, NaN where there is none. Returns (H, W).

    Every pixel of every triangle's box is tested at once: small meshes only.
    """
    corners = points_px[triangles]
    low = np.clip(np.floor(corners.min(axis=1)), 0, np.array(shape[::-1]) - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=1)), 0, np.array(shape[::-1])).astype(int)
    extent = np.maximum(high - low, 0)
    count = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(triangles)), count)
    order = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    x, y = low[owner, 0] + order % extent[owner, 0], low[owner, 1] + order // extent[owner, 0]
    a, b, c = (corners[owner, k] for k in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(np.abs(area) < 1e-9, np.nan, area)
    px, py = x + 0.5 - a[:, 0], y + 0.5 - a[:, 1]
    u = (px * ac[:, 1] - py * ac[:, 0]) / area
    v = (ab[:, 0] * py - ab[:, 1] * px) / area
    hit = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1.0 + 1e-6)
    corner_depth = depth[triangles][owner[hit]]
    z = corner_depth[:, 0] + u[hit] * (corner_depth[:, 1] - corner_depth[:, 0]) + v[hit] * (corner_depth[:, 2] - corner_depth[:, 0])
    out = np.full(shape, np.inf)
    np.minimum.at(out, (y[hit], x[hit]), z)
    return np.where(np.isfinite(out), out, np.nan)
