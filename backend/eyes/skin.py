# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids as splats: the photographed skin on a grid in lid coordinates, and the lashes lifted off it.

Columns run along the opening (x from the inner to the outer corner), rows away from the margin (t). The skin is
taken without its lashes, so that it may stretch over the globe; the lashes become a translucent layer of their own.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, sample
from .geometry import eye_rays, from_eye, on_lids, on_surface
from .lid_skin import draw_out, grain_of, part_lid
from .surfels import OPAQUE, Layer, layered_opacity, surfels

STEP_IRIS_RADII = 0.045       # grid step; 0.04-0.12 score alike when the lid moves, rest sharpness falls with it
STEP_MIN_PX = 0.45
SKIN_BUDGET = 16_000           # splats of one eye's skin: both eyes whole stay below 65,000, a third of a portrait
SIDE_IRIS_RADII = 1.4         # grid beyond the corners
UPPER_SPARE = 1.25            # grid beyond the reach of motion
LOWER_IRIS_RADII = 2.2
OPENING_IRIS_RADII = 1.7
MARGIN_SKIP_IRIS_RADII = 0.1  # the pixel astride the margin is neither skin nor globe
FILM_MIN_ALPHA = 0.04
RIM_SLOPE = 2.0               # depth per distance from the rim of the lids' sphere, where skin falls back to the face
SHUT_STEP_SHARE = 0.7         # rows of a shut lid stand up to this much wider apart than its columns
GRAIN_FROM_IRIS_RADII = 0.7    # below the lower lashes: skin whose grain a photo shows undisturbed


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
    area = width * (sum(heights.values()) + SHUT_STEP_SHARE * OPENING_IRIS_RADII * r)
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
    reach = rig.upper_reach_m / _metres_per_pixel(scan, rig)
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


def build_lids(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> list[Layer]:
    """Return the layers of upper skin, lower skin, upper lashes and the shade above them of one eye."""
    scale = _metres_per_pixel(scan, rig)
    upper, lower = (lid_grid(contour, rig, scale, upper=u) for u in (True, False))
    r = contour.radius_px
    colours = _grid_colours(scan, contour, upper, MARGIN_SKIP_IRIS_RADII * r)
    below = _grid_colours(scan, contour, lower, 0.0)
    undisturbed = below[_rows(lower, GRAIN_FROM_IRIS_RADII * r):]
    skin = part_lid(colours, undisturbed, upper.x_px, upper.t_px, width_px=contour.lids.width_px, reach_px=rig.upper_reach_m / scale, r=r)
    layers = [_upper_layer(scan, contour, rig, upper, skin.clean, undisturbed, parts.code(side, parts.UPPER_LID)),
              _skin_layer(scan, contour, rig, lower, _clean_lower(contour, lower, below), parts.code(side, parts.LOWER_LID))]
    for part, alpha in ((parts.UPPER_LASH, skin.lash_alpha), (parts.UPPER_SHADE, skin.shade_alpha)):
        film = _film_layer(scan, contour, rig, upper, alpha, skin.lash_colour, parts.code(side, part), stands_off=part == parts.UPPER_LASH)
        layers += [film] if film else []
    return layers


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


def _clean_lower(contour: EyeContour, grid: LidGrid, colours: np.ndarray) -> np.ndarray:
    """Return the lower skin with smears of iris and lash roots at the margin smoothed along it."""
    c, r = contour.lids, contour.radius_px
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


def _upper_layer(scan, contour, rig, grid, clean, skin_below, group) -> Layer:
    """The upper lid's skin on rows that stand close enough to cover when the lid is shut."""
    scale, still, reach = _metres_per_pixel(scan, rig), lids.STILL_IRIS_RADII * rig.iris_radius_m, rig.upper_reach_m
    along = grid.x_px * scale * (1.0 if rig.outer_x_m > rig.inner_x_m else -1.0) + rig.inner_x_m
    shut = lids.margins(rig, along, 0.0, 0.0, 1.0)
    drop = np.maximum(shut.upper_rest - shut.upper, 0.0)

    def shut_distance(t_m: np.ndarray) -> np.ndarray:
        """Distance (rows, columns) from the margin when shut, of rows t (rows,) at rest, metres."""
        return t_m[:, None] + drop[None] * lids.smoothstep(still, reach, t_m)[:, None]

    # Rows spaced evenly by what lies between them at rest and, mid-lid, when shut: half a step each.
    fine = np.linspace(grid.t_px[0], grid.t_px[-1], 8 * len(grid.t_px))
    mid_shut = shut_distance(fine * scale)[:, int(np.argmax(drop))] / scale
    travelled = np.maximum(fine, SHUT_STEP_SHARE * (mid_shut - mid_shut[0]) + fine[0])
    count = int(np.ceil((travelled[-1] - travelled[0]) / grid.step_px)) + 1
    rows = np.interp(np.linspace(travelled[0], travelled[-1], count), travelled, fine)
    colours = draw_out(clean, grid.t_px, rows, shut_distance(rows * scale) / scale, grain_of(skin_below, contour.radius_px / grid.step_px),
                       contour.radius_px)
    return _skin_layer(scan, contour, rig, grid_rows(contour, grid, rows), colours, group)


def _skin_layer(scan, contour, rig, grid, colours, group) -> Layer:
    pixels = grid.pixels.reshape(-1, 2)
    depth = lid_depth(scan, contour, rig, pixels)
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    edges = _edges(points, 4.0 * grid.step_px * _metres_per_pixel(scan, rig))
    return surfels(points.reshape(-1, 3), *edges, colours.reshape(-1, 3), OPAQUE, group)


def _film_layer(scan, contour, rig, grid, alpha, colour, group, *, stands_off: bool) -> Layer | None:
    """Lashes stand off the skin: t above the margin they are t / tan(lash angle) before it. Shade lies on the skin."""
    shown = (alpha > FILM_MIN_ALPHA).ravel()
    if shown.sum() < 8:
        return None
    slope = 1.0 / np.tan(np.radians(rig.lash_angle_deg))

    def height(x, y):
        m = lids.margins(rig, x, 0.0, 0.0, 0.0)
        t = np.maximum(y - m.upper_rest, 0.0)
        return lids.lid_height(rig, x, np.minimum(y, m.upper_rest)) + lids.LASH_LIFT_M + slope * t

    pixels = grid.pixels.reshape(-1, 2)
    depth = lid_depth(scan, contour, rig, pixels) - lids.LASH_LIFT_M
    if stands_off:
        depth = np.minimum(scan.to_camera(from_eye(rig, on_surface(scan, rig, pixels, height)))[:, 2], depth)
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    scale = _metres_per_pixel(scan, rig)
    along, across = (edge[shown] for edge in _edges(points, 4.0 * grid.step_px * scale))
    step = np.full(shown.sum(), grid.step_px)
    opacity = np.clip(layered_opacity(alpha.ravel()[shown], step, step), 0.0045, 0.97)
    return surfels(points.reshape(-1, 3)[shown], along, across, np.broadcast_to(colour, (shown.sum(), 3)), opacity, group)
