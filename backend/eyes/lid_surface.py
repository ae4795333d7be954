# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the skin of lids lies: the grid that both lids are laid on in a photo, and the depth of their surface.

Columns run along the opening (x from the inner to the outer corner), rows away from the margin (t).
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...gazesplat_addon.rig import lids
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, sample
from .geometry import eye_rays, from_eye, on_lids
from .shut_lid import STEP_SHARE

STEP_IRIS_RADII = 0.045       # grid step; 0.04-0.12 score alike when the lid moves, rest sharpness falls with it
STEP_MIN_PX = 0.3            # coarser splats of a small photo would let a globe through that lies close behind them
SKIN_BUDGET = 14_800           # splats of one eye's skin: both eyes whole stay below 67,000, a third of a portrait
SIDE_IRIS_RADII = 1.4         # grid beyond the corners
UPPER_SPARE = 1.25            # grid beyond the reach of motion
LOWER_IRIS_RADII = 2.2
OPENING_IRIS_RADII = 1.7
RIM_SLOPE = 2.0               # depth per distance from the rim of the lids' sphere, where skin falls back to the face
BEHIND_M = 0.00025            # which lid lies before the other; more would let a globe that looks up break through
BEHIND_AT_CORNER_M = 0.0007   # the outer one, over which the upper lid comes down furthest


@dataclass(frozen=True)
class LidGrid:
    """One lid's rows and columns: local image x (columns,), distance t (rows,) from the margin, pixels (rows, columns, 2)."""

    x_px: np.ndarray
    t_px: np.ndarray
    pixels: np.ndarray
    step_px: float
    upper: bool


def lid_grid(contour: EyeContour, rig: EyeRig, metres_per_pixel: float, *, upper: bool) -> LidGrid:
    """Lay the grid of one lid over the photo."""
    c, r = contour.lids, contour.radius_px
    heights = {True: UPPER_SPARE * rig.upper_reach_m / metres_per_pixel, False: LOWER_IRIS_RADII * r}
    width = c.width_px + 2.0 * SIDE_IRIS_RADII * r
    # What a shut lid draws out needs rows of its own: about the opening's height.
    area = width * (sum(heights.values()) + STEP_SHARE * OPENING_IRIS_RADII * r)
    step = max(STEP_IRIS_RADII * r, STEP_MIN_PX, float(np.sqrt(area / SKIN_BUDGET)))
    x = np.arange(-SIDE_IRIS_RADII * r, c.width_px + SIDE_IRIS_RADII * r, step)
    height = heights[upper]
    t = (np.arange(int(height / step)) + 0.15) * step
    return grid_rows(contour, LidGrid(x, t, np.empty((0, 0, 2)), step, upper), t)


def grid_rows(contour: EyeContour, grid: LidGrid, t_px: np.ndarray) -> LidGrid:
    """Return the grid with other rows."""
    c = contour.lids
    margin = c.upper_at(grid.x_px) if grid.upper else c.lower_at(grid.x_px)
    y = margin[None] + t_px[:, None] * (1.0 if grid.upper else -1.0)
    return replace(grid, t_px=t_px, pixels=c.to_image(np.stack([np.broadcast_to(grid.x_px, y.shape), y], -1)))


def lid_depth(scan: FaceScan, contour: EyeContour, rig: EyeRig, pixels: np.ndarray) -> np.ndarray:
    """Return planar depth (N,) in metres at pixels (N, 2): the globe's cover near the opening, the scan's depth away from it.

    Nowhere does it lie behind the globe: skin that moves keeps its distance from the lids' sphere, so it stays in front.
    """
    c, r = contour.lids, contour.radius_px
    local = c.to_local(pixels)
    above, below = local[:, 1] - c.upper_at(local[:, 0]), c.lower_at(local[:, 0]) - local[:, 1]
    reach = rig.upper_reach_m / metres_per_pixel_at_iris(scan, rig)
    beyond = np.maximum(np.maximum(-local[:, 0], local[:, 0] - c.width_px), 0.0)
    near = 1.0 - lids.smoothstep(0.3 * r, 0.85 * reach, above)
    near *= 1.0 - lids.smoothstep(0.3 * r, 1.7 * r, below)
    near *= 1.0 - lids.smoothstep(0.0, 1.3 * r, beyond)
    cover = scan.to_camera(from_eye(rig, on_lids(scan, rig, pixels)))[:, 2]
    face = sample(np.nan_to_num(scan.depth_m, nan=float(np.nanmedian(scan.depth_m))).astype(np.float32), pixels, cv2.INTER_LINEAR)
    return np.minimum(near * cover + (1.0 - near) * face, globe_depth(scan, rig, pixels))


def globe_depth(scan: FaceScan, rig: EyeRig, pixels: np.ndarray) -> np.ndarray:
    """Return the planar depth (N,) at which rays through pixels (N, 2) enter the lids' sphere.

    Beside it the surface goes on backwards in a steep slope, so that skin over the sphere's rim is not torn.
    """
    origin, direction = eye_rays(scan, rig, pixels)
    a, b = (direction ** 2).sum(1), direction @ origin
    disc = b * b - a * (origin @ origin - rig.lid_radius_m ** 2)
    beside = np.sqrt(np.maximum(origin @ origin - b * b / a, 0.0)) - rig.lid_radius_m
    return (-b - np.sqrt(np.maximum(disc, 0.0))) / a + RIM_SLOPE * np.maximum(beside, 0.0)


def lower_set_back(contour, x_px: np.ndarray, t_px: np.ndarray | float) -> np.ndarray:
    """Return how far behind the lids' surface the lower lid's edge lies, metres, at places x_px along the lid and t_px below its margin.

    Where the upper lid overlaps it, most at the outer corner, it would show through otherwise.
    """
    r, beyond = contour.radius_px, x_px - contour.lids.width_px
    near = 1.0 - lids.smoothstep(0.2 * r, 0.8 * r, t_px)
    corner = lids.smoothstep(-0.7 * r, -0.1 * r, beyond) * (1.0 - lids.smoothstep(0.5 * r, 1.2 * r, beyond))
    return near * (BEHIND_M + (BEHIND_AT_CORNER_M - BEHIND_M) * corner)


def lower_lid_depth(scan, contour, rig, pixels: np.ndarray) -> np.ndarray:
    """Return the planar depth (N,) of the lower lid's skin at pixels (N, 2)."""
    local = contour.lids.to_local(pixels)
    behind = lower_set_back(contour, local[:, 0], contour.lids.lower_at(local[:, 0]) - local[:, 1])
    return lid_depth(scan, contour, rig, pixels) + behind


def cell_edges(points: np.ndarray, limit_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid's cell edges along columns and rows, (N, 3) each; jumps are cut to ``limit_m``."""
    edges = []
    for axis in (1, 0):
        edge = np.gradient(points, axis=axis).reshape(-1, 3)
        length = np.linalg.norm(edge, axis=1, keepdims=True)
        edges.append(edge * np.minimum(1.0, limit_m / np.maximum(length, 1e-12)))
    return edges[0], edges[1]


def metres_per_pixel_at_iris(scan: FaceScan, rig: EyeRig) -> float:
    """Return how many metres a pixel of the photo is wide at the depth of the iris."""
    return float(scan.to_camera(np.asarray(rig.iris_centre_m))[2] / scan.fx)
