# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids as splats: the photographed skin on a grid in lid coordinates, and the lashes lifted off it.

Columns run along the opening (x from the inner to the outer corner), rows away from the margin (t). The skin is
taken without its lashes, so that it may stretch over the globe; the lashes become a translucent layer of their own.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import median_filter, percentile_filter

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, sample
from .geometry import eye_rays, from_eye, on_lids, on_surface
from .surfels import OPAQUE, Layer, layered_opacity, surfels

STEP_IRIS_RADII = 0.045       # grid step; 0.04-0.12 score alike when the lid moves, rest sharpness falls with it
STEP_MIN_PX = 0.45
SIDE_IRIS_RADII = 1.4         # grid beyond the corners
UPPER_SPARE = 1.25            # grid beyond the reach of motion
LOWER_IRIS_RADII = 2.2
MARGIN_SKIP_IRIS_RADII = 0.1  # the pixel astride the margin is neither skin nor globe
LASH_MIN_ALPHA = 0.04


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
    step = max(STEP_IRIS_RADII * r, STEP_MIN_PX)
    x = np.arange(-SIDE_IRIS_RADII * r, c.width_px + SIDE_IRIS_RADII * r, step)
    height = UPPER_SPARE * rig.upper_reach_m / metres_per_pixel if upper else LOWER_IRIS_RADII * r
    t = (np.arange(int(height / step)) + 0.15) * step
    margin = c.upper_at(x) if upper else c.lower_at(x)
    y = margin[None] + t[:, None] * (1.0 if upper else -1.0)
    return LidGrid(x, t, c.to_image(np.stack([np.broadcast_to(x, y.shape), y], -1)), step, upper)


def lid_depth(scan: FaceScan, contour: EyeContour, rig: EyeRig, pixels: np.ndarray) -> np.ndarray:
    """Return planar depth (N,) in metres at pixels (N, 2): the globe's cover near the opening, the scan's depth away from it.

    Nowhere does it lie behind the globe: skin that moves keeps its distance from the lids' sphere, so it stays in front.
    """
    c, r = contour.lids, contour.radius_px
    local = c.to_local(pixels)
    above, below = local[:, 1] - c.upper_at(local[:, 0]), c.lower_at(local[:, 0]) - local[:, 1]
    reach = rig.upper_reach_m / _metres_per_pixel(scan, rig)
    beyond = np.maximum(np.maximum(-local[:, 0], local[:, 0] - c.width_px), 0.0)
    near = 1.0 - lids.smoothstep(0.3 * r, 0.85 * reach, above)
    near *= 1.0 - lids.smoothstep(0.3 * r, 1.7 * r, below)
    near *= 1.0 - lids.smoothstep(0.0, 1.3 * r, beyond)
    cover = scan.to_camera(from_eye(rig, on_lids(scan, rig, pixels)))[:, 2]
    face = sample(np.nan_to_num(scan.depth_m, nan=float(np.nanmedian(scan.depth_m))).astype(np.float32), pixels, cv2.INTER_LINEAR)
    return np.minimum(near * cover + (1.0 - near) * face, globe_depth(scan, rig, pixels))


def globe_depth(scan: FaceScan, rig: EyeRig, pixels: np.ndarray) -> np.ndarray:
    """Return the planar depth (N,) at which rays through pixels (N, 2) enter the lids' sphere; inf where they miss it."""
    origin, direction = eye_rays(scan, rig, pixels)
    a, b = (direction ** 2).sum(1), direction @ origin
    disc = b * b - a * (origin @ origin - rig.lid_radius_m ** 2)
    return np.where(disc > 0.0, (-b - np.sqrt(np.maximum(disc, 0.0))) / a, np.inf)


def build_lids(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> list[Layer]:
    """Return the layers of upper skin, lower skin and upper lashes of one eye."""
    scale = _metres_per_pixel(scan, rig)
    upper, lower = (lid_grid(contour, rig, scale, upper=u) for u in (True, False))
    skin, alpha, lash_colour = _clean_upper(scan, contour, upper)
    layers = [_skin_layer(scan, contour, rig, upper, skin, parts.code(side, parts.UPPER_LID)),
              _skin_layer(scan, contour, rig, lower, _clean_lower(scan, contour, lower), parts.code(side, parts.LOWER_LID))]
    lashes = _lash_layer(scan, contour, rig, upper, alpha, lash_colour, parts.code(side, parts.UPPER_LASH))
    return layers + ([lashes] if lashes else [])


def covered_pixels(scan: FaceScan, contour: EyeContour, rig: EyeRig) -> np.ndarray:
    """Return a mask (H, W): photo pixels that the eye's own splats show, a little inside the grids' rim."""
    scale = _metres_per_pixel(scan, rig)
    upper, lower = (lid_grid(contour, rig, scale, upper=u) for u in (True, False))
    outline = np.concatenate([upper.pixels[-1], lower.pixels[-1][::-1]])
    mask = np.zeros(scan.image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline - 0.5).astype(np.int32)], 1)
    inset = max(1, int(0.12 * contour.radius_px))
    return cv2.erode(mask, np.ones((2 * inset + 1,) * 2, np.uint8)) > 0


def _metres_per_pixel(scan: FaceScan, rig: EyeRig) -> float:
    return float(scan.to_camera(np.asarray(rig.iris_centre_m))[2] / scan.fx)


def _grid_colours(scan: FaceScan, contour: EyeContour, grid: LidGrid, skip_px: float) -> np.ndarray:
    """Sample the photo on a grid, never closer to the margin than ``skip_px``."""
    c = contour.lids
    margin = c.upper_at(grid.x_px) if grid.upper else c.lower_at(grid.x_px)
    t = np.maximum(grid.t_px, skip_px)
    y = margin[None] + t[:, None] * (1.0 if grid.upper else -1.0)
    pixels = c.to_image(np.stack([np.broadcast_to(grid.x_px, y.shape), y], -1))
    return sample(scan.image, pixels.reshape(-1, 2)).reshape(*y.shape, 3)


def _rows(grid: LidGrid, pixels: float) -> int:
    return max(1, int(pixels / grid.step_px))


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE)


def _clean_upper(scan: FaceScan, contour: EyeContour, grid: LidGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return skin without lashes (rows, columns, 3), the lash matte (rows, columns) and the lash colour (3,)."""
    c, r, st = contour.lids, contour.radius_px, grid.step_px
    colours = _grid_colours(scan, contour, grid, MARGIN_SKIP_IRIS_RADII * r)
    x, t = grid.x_px, grid.t_px
    core = (x > 0.1 * c.width_px) & (x < 0.9 * c.width_px)
    # Lashes end where the dark share of a row has come back to the lid's own brightness.
    dark = np.percentile(colours[:, core].mean(-1), 15, axis=1)
    plateau_rows = (t > 0.9 * r) & (t < 2.2 * r)
    plateau = dark[plateau_rows].max() if plateau_rows.any() else dark.max()
    lash_end = float(np.clip(t[np.argmax(dark > 0.94 * plateau)], 0.6 * r, 1.7 * r))
    end_row = min(_rows(grid, lash_end), len(t) - 2)

    lifted = _lift_strands(colours, grid, lash_end, r)
    skin = lifted.copy()
    skin[:end_row] = _continue_down(lifted, grid, end_row, lash_end, c.width_px, r)
    zone = 1.0 - lids.smoothstep(1.15 * lash_end, 1.45 * lash_end, t)[:, None]
    along = lids.smoothstep(-0.3 * r, 0.2 * r, x) * lids.smoothstep(-1.3 * r, -0.8 * r, c.width_px - x)
    share = (zone * along)[..., None]
    clean = colours * (1.0 - share) + skin * share

    edge = colours[: _rows(grid, 0.35 * r), core].reshape(-1, 3)
    light = edge.mean(1)
    lash_colour = np.clip(0.8 * edge[light <= np.percentile(light, 12)].mean(0), 0.02, 0.25)
    contrast = clean - lash_colour
    alpha = ((clean - colours) * contrast).sum(-1) / np.maximum((contrast ** 2).sum(-1), 1e-4)
    alpha = np.clip(alpha, 0.0, 1.0) * (share[..., 0] > 0.02)
    # The roots stand dense: carry the line's darkest down to the margin.
    root = alpha[_rows(grid, 0.05 * r): max(_rows(grid, 0.25 * r), _rows(grid, 0.05 * r) + 1)].max(0)
    fade = (1.0 - lids.smoothstep(0.12 * r, 0.25 * r, t))[:, None] * (share[:1, :, 0] > 0.02)
    return clean, np.maximum(alpha, root[None] * fade), lash_colour


def _lift_strands(colours: np.ndarray, grid: LidGrid, lash_end: float, r: float) -> np.ndarray:
    """Brighten dark strands to the 78th percentile of their row's neighbourhood."""
    rows = min(len(colours), _rows(grid, 1.45 * lash_end))
    light = _blur(colours[:rows].mean(-1), 0.08 * r / grid.step_px)
    width = 2 * int(0.3 * r / grid.step_px) + 1
    target = percentile_filter(light, 78, (1, width))
    gain = np.maximum(1.0, _blur(target, 0.15 * r / grid.step_px) / np.maximum(light, 0.02))
    fade = 1.0 - lids.smoothstep(1.1 * lash_end, 1.45 * lash_end, grid.t_px[:rows])[:, None]
    lifted = colours.copy()
    lifted[:rows] *= (1.0 + (np.minimum(gain, 4.0) - 1.0) * fade)[..., None]
    return lifted


def _continue_down(lifted: np.ndarray, grid: LidGrid, end_row: int, lash_end: float, width_px: float, r: float) -> np.ndarray:
    """Skin for the rows under the lashes: the strip above them as a smooth base, its mirror image as grain."""
    st = grid.step_px
    mirrored = lifted[np.clip(2 * end_row - np.arange(end_row), 0, len(lifted) - 1)]
    strip = np.median(lifted[end_row: end_row + max(1, _rows(grid, 0.7 * r))], axis=0)
    inside = lids.smoothstep(0.0, 0.2 * r, grid.x_px) * lids.smoothstep(0.0, 0.2 * r, width_px - grid.x_px) + 0.02
    base = _blur((strip * inside[:, None])[None], 0.45 * r / st) / _blur(inside[None], 0.45 * r / st)[..., None]
    grain = np.clip(mirrored - _blur(mirrored, 0.18 * r / st), -0.06, 0.06)
    joined = lids.smoothstep(0.55 * lash_end, lash_end, grid.t_px[:end_row])[:, None, None]
    return base * (1.0 - joined) + _blur(mirrored, 0.25 * r / st) * joined + grain


def _clean_lower(scan: FaceScan, contour: EyeContour, grid: LidGrid) -> np.ndarray:
    """Return the lower skin with smears of iris and lash roots at the margin smoothed along it."""
    c, r = contour.lids, contour.radius_px
    colours = _grid_colours(scan, contour, grid, 0.0)
    width = 2 * int(0.9 * r / grid.step_px) + 1
    smooth = np.stack([median_filter(colours[..., k], (1, width)) for k in range(3)], -1)
    near = (1.0 - lids.smoothstep(0.12 * r, 0.3 * r, grid.t_px))[:, None]
    inside = lids.smoothstep(0.0, 0.2 * r, grid.x_px) * lids.smoothstep(0.0, 0.2 * r, c.width_px - grid.x_px)
    share = (near * inside[None])[..., None]
    return colours * (1.0 - share) + smooth * share


def _edges(points: np.ndarray, limit_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid's cell edges along columns and rows, (N, 3) each; jumps are cut to ``limit_m``."""
    edges = []
    for axis in (1, 0):
        edge = np.gradient(points, axis=axis).reshape(-1, 3)
        length = np.linalg.norm(edge, axis=1, keepdims=True)
        edges.append(edge * np.minimum(1.0, limit_m / np.maximum(length, 1e-12)))
    return edges[0], edges[1]


def _skin_layer(scan, contour, rig, grid, colours, group) -> Layer:
    pixels = grid.pixels.reshape(-1, 2)
    depth = lid_depth(scan, contour, rig, pixels)
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    edges = _edges(points, 4.0 * grid.step_px * _metres_per_pixel(scan, rig))
    return surfels(points.reshape(-1, 3), *edges, colours.reshape(-1, 3), OPAQUE, group)


def _lash_layer(scan, contour, rig, grid, alpha, colour, group) -> Layer | None:
    """Lashes stand off the skin: t above the margin they are t / tan(lash angle) before it."""
    shown = (alpha > LASH_MIN_ALPHA).ravel()
    if shown.sum() < 8:
        return None
    slope = 1.0 / np.tan(np.radians(rig.lash_angle_deg))

    def height(x, y):
        m = lids.margins(rig, x, 0.0, 0.0, 0.0)
        t = np.maximum(y - m.upper_rest, 0.0)
        return lids.lid_height(rig, x, np.minimum(y, m.upper_rest)) + lids.LASH_LIFT_M + slope * t

    pixels = grid.pixels.reshape(-1, 2)
    sheet = scan.to_camera(from_eye(rig, on_surface(scan, rig, pixels, height)))[:, 2]
    depth = np.minimum(sheet, lid_depth(scan, contour, rig, pixels) - lids.LASH_LIFT_M)
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    scale = _metres_per_pixel(scan, rig)
    along, across = (edge[shown] for edge in _edges(points, 4.0 * grid.step_px * scale))
    step = np.full(shown.sum(), grid.step_px)
    opacity = np.clip(layered_opacity(alpha.ravel()[shown], step, step), 0.0045, 0.97)
    return surfels(points.reshape(-1, 3)[shown], along, across, np.broadcast_to(colour, (shown.sum(), 3)), opacity, group)
