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
LASH_TIP_MATTE = 0.1           # strands end where their matte falls below this
LASH_MAX_IRIS_RADII = 1.6     # a photographed lash is at most about 9 mm high


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
    c, r = contour.lids, contour.radius_px
    colours = _grid_colours(scan, contour, grid, MARGIN_SKIP_IRIS_RADII * r)
    x, t = grid.x_px, grid.t_px
    core = (x > 0.1 * c.width_px) & (x < 0.9 * c.width_px)
    edge = colours[: _rows(grid, 0.35 * r), core].reshape(-1, 3)
    light = edge.mean(1)
    lash_colour = np.clip(0.8 * edge[light <= np.percentile(light, 12)].mean(0), 0.02, 0.25)
    # Beyond the corners there is skin alone on the nose's side, and lashes that lean out on the other.
    along = lids.smoothstep(-0.3 * r, 0.2 * r, x) * lids.smoothstep(-1.3 * r, -0.8 * r, c.width_px - x)

    lifted = _lift_strands(colours, grid, LASH_MAX_IRIS_RADII * r, r)
    rough = _matte(colours, lifted, lash_colour) * along
    # Lashes grow from the margin: darkness that bright skin parts from it is the lid's crease and stays skin.
    grown = np.minimum.accumulate(_reach(rough, grid, r), axis=0)
    height = np.clip((grown > LASH_TIP_MATTE).sum(0) * grid.step_px, 0.3 * r, LASH_MAX_IRIS_RADII * r)
    height = _blur(height[None], 0.5 * r / grid.step_px)[0]
    skin = _continue_down(colours, grid, height, c.width_px, r)
    share = (1.0 - lids.smoothstep(height, height + 0.3 * r, t[:, None])) * along
    clean = colours * (1.0 - share[..., None]) + skin * share[..., None]

    alpha = _matte(colours, clean, lash_colour) * (share > 0.02)
    # The roots stand dense: carry the line's darkest down to the margin.
    root = alpha[_rows(grid, 0.05 * r): max(_rows(grid, 0.25 * r), _rows(grid, 0.05 * r) + 1)].max(0)
    fade = (1.0 - lids.smoothstep(0.12 * r, 0.25 * r, t))[:, None] * (along > 0.02)
    return clean, np.maximum(alpha, root[None] * fade), lash_colour


def _matte(colours: np.ndarray, skin: np.ndarray, lash_colour: np.ndarray) -> np.ndarray:
    """Return how far each colour lies on the way from skin to lash, 0..1."""
    contrast = skin - lash_colour
    return np.clip(((skin - colours) * contrast).sum(-1) / np.maximum((contrast ** 2).sum(-1), 1e-4), 0.0, 1.0)


def _reach(alpha: np.ndarray, grid: LidGrid, r: float) -> np.ndarray:
    """Return the matte as a lash would reach it from the row below: strands lean, so look 0.3 iris radii to each side."""
    side = 2 * int(0.3 * r / grid.step_px) + 1
    up = 2 * int(0.06 * r / grid.step_px) + 1
    return _blur(cv2.dilate(alpha.astype(np.float32), np.ones((up, side), np.uint8)), 0.08 * r / grid.step_px)


def _lift_strands(colours: np.ndarray, grid: LidGrid, height_px: float, r: float) -> np.ndarray:
    """Brighten dark strands to the 78th percentile of their row's neighbourhood: a first guess of the skin behind them."""
    rows = min(len(colours), _rows(grid, 1.3 * height_px))
    light = _blur(colours[:rows].mean(-1), 0.08 * r / grid.step_px)
    width = 2 * int(0.3 * r / grid.step_px) + 1
    bright = _blur(percentile_filter(light, 78, (1, width)), 0.15 * r / grid.step_px)
    # Near the margin whole rows are dark: the skin there is at least as bright as the rows above.
    bright = np.maximum(bright, 0.9 * np.percentile(bright, 70, axis=0, keepdims=True))
    lifted = colours.copy()
    lifted[:rows] *= np.clip(bright / np.maximum(light, 0.02), 1.0, 4.0)[..., None]
    return lifted


def _continue_down(colours: np.ndarray, grid: LidGrid, height: np.ndarray, width_px: float, r: float) -> np.ndarray:
    """Return skin (rows, columns, 3) for the rows under the lashes: the strip above them as smooth base, its grain on top.

    A closing lid stretches this skin about threefold, so its grain is laid down compressed.
    """
    st = grid.step_px
    above = (grid.t_px[:, None] > height) & (grid.t_px[:, None] < height + 0.7 * r)
    # The brighter part of the strip: what stands between stray strands and above the crease.
    strip = np.nanpercentile(np.where(above[..., None], colours, np.nan), 75, axis=0)
    inside = lids.smoothstep(0.0, 0.2 * r, grid.x_px) * lids.smoothstep(0.0, 0.2 * r, width_px - grid.x_px) + 0.02
    base = _blur((strip * inside[:, None])[None], 0.45 * r / st) / _blur(inside[None], 0.45 * r / st)[..., None]
    rows = np.arange(len(colours))[:, None]
    first = (height / st).astype(int)[None]
    grain = colours - _blur(colours, 0.15 * r / st)
    taken = np.clip(first + 3 * np.abs(first - rows), 0, len(colours) - 1)
    return base + np.clip(np.take_along_axis(grain, np.broadcast_to(taken[..., None], colours.shape), 0), -0.03, 0.03)


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
