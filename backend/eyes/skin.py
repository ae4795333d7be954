# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids as splats: the photographed skin on a grid in lid coordinates, and what is lifted off it.

The skin is taken without its lashes, so that it may stretch over the globe; lashes become strokes of their own (``over_lid.py``).
"""
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, sample
from .lid_skin import LidSkin, part_lid
from .lid_surface import LidGrid, cell_edges, grid_rows, lid_depth, lid_grid, lower_set_back, metres_per_pixel_at_iris
from .lower_lid import part_lower_lid
from .over_lid import lower_layer, upper_layers
from .shut_lid import STEP_SHARE, Restored, ShutLid, draw_out
from .skin_around import SkinAround, grain, skin_around
from .surfels import FILL, OPAQUE, Layer, surfels

MARGIN_SKIP_IRIS_RADII = 0.1  # the pixel astride the margin is neither skin nor globe
EDGE_CLEAN_IRIS_RADII = (0.12, 0.3)   # the lower lid's edge is smoothed up to the first, and not beyond the second
SHEARED_OVERLAP, SHEARED_IRIS_RADII = 1.5, 0.06
DRAWN_OUT_OVERLAP = 1.25      # of rows: at the usual one, dark from behind them shows as fine stripes on a shut lid


def build_lids(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> list[Layer]:
    """Return the layers of one eye's lids: upper skin, lower skin, upper lashes, and the films of shade over the upper lid."""
    scale = metres_per_pixel_at_iris(scan, rig)
    upper, lower = (lid_grid(contour, rig, scale, upper=u) for u in (True, False))
    r, reach = contour.radius_px, rig.upper_reach_m / scale
    colours = _grid_colours(scan, contour, upper, MARGIN_SKIP_IRIS_RADII * r)
    around, shut = skin_around(scan.image, contour.lids, reach, upper.step_px, r), ShutLid.of(rig, upper.x_px, scale)
    tone = around.tone_at(upper.x_px, contour.lids.upper_at(upper.x_px) - shut.drop_px + shut.distance(upper.t_px))
    skin = part_lid(colours, tone, upper.x_px, upper.t_px, width_px=contour.lids.width_px, reach_px=reach, r=r)
    rows = shut.rows(upper.t_px[0], upper.t_px[-1], upper.step_px)
    drawn_out = _drawn_out(skin, around, shut, upper, rows, side, r)
    lashes = part_lower_lid(_grid_colours(scan, contour, lower, 0.0), skin.lash_colour, lower.x_px, lower.t_px, contour.lids, r)
    layers = [_skin_layer(scan, contour, rig, grid_rows(contour, upper, rows), drawn_out, parts.code(side, parts.UPPER_LID),
                          taller=1.0 + (DRAWN_OUT_OVERLAP - 1.0) * shut.drawn_out(rows) + _sheared(upper, rows, r)),
              _skin_layer(scan, contour, rig, lower, _clean_lower(contour, lower, lashes.skin), parts.code(side, parts.LOWER_LID),
                          lower_set_back(contour, lower.x_px[None], lower.t_px[:, None]))]
    over = upper_layers(scan, contour, rig, upper, colours, replace(skin, clean=_on_grid(drawn_out, rows, upper)), side)
    return layers + over + lower_layer(scan, contour, rig, lashes, skin.lash_colour, side)


def _sheared(grid: LidGrid, t_px: np.ndarray, r: float) -> np.ndarray:
    """Return how much (rows, columns) taller splats must be beside the inner corner, where a margin that comes down shears them apart."""
    above = lids.smoothstep(0.05 * r, 0.3 * r, t_px)[:, None]
    return SHEARED_OVERLAP * above * np.exp(-0.5 * (grid.x_px / (SHEARED_IRIS_RADII * r)) ** 2)


def _drawn_out(skin: LidSkin, around: SkinAround, shut: ShutLid, grid: LidGrid, rows: np.ndarray, side: str, r: float) -> np.ndarray:
    """Return the colours (M, columns, 3) of the upper lid on rows that stand close enough to cover when it is shut."""
    height = int(shut.distance(rows[-1:]).max() / grid.step_px) + 2
    # Always the same grain for the same eye, and not the same on both.
    chance = np.random.default_rng(parts.code(side, parts.UPPER_LID))
    uneven = grain(around.bands, (height, len(grid.x_px)), grid.step_px, chance, (FILL, FILL * DRAWN_OUT_OVERLAP / STEP_SHARE))
    colours = draw_out(skin.clean, Restored(uneven, skin.own, skin.moves, skin.crease), grid.t_px, rows, shut, r)
    at = np.clip((rows - grid.t_px[0]) / grid.step_px, 0.0, len(grid.t_px) - 1.001)
    low, share = at.astype(int), (at - at.astype(int))[:, None]
    line = ((1.0 - share) * skin.line_alpha[low] + share * skin.line_alpha[low + 1])[..., None]
    return colours + (skin.lash_colour - colours) * line


def _on_grid(colours: np.ndarray, rows: np.ndarray, grid: LidGrid) -> np.ndarray:
    """Return colours on the grid's own rows: the mean of the finer rows that lie about each of them."""
    share = np.maximum(1.0 - np.abs(rows[None] - grid.t_px[:, None]) / grid.step_px, 0.0)
    share /= share.sum(1, keepdims=True)
    return np.einsum("tm,mck->tck", share, colours)


def covered_pixels(scan: FaceScan, contour: EyeContour, rig: EyeRig) -> np.ndarray:
    """Return a mask (H, W): photo pixels that the eye's own splats show, a little inside the grids' rim."""
    scale = metres_per_pixel_at_iris(scan, rig)
    upper, lower = (lid_grid(contour, rig, scale, upper=u) for u in (True, False))
    outline = np.concatenate([upper.pixels[-1], lower.pixels[-1][::-1]])
    mask = np.zeros(scan.image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline - 0.5).astype(np.int32)], 1)
    inset = max(1, int(0.12 * contour.radius_px))
    return cv2.erode(mask, np.ones((2 * inset + 1,) * 2, np.uint8)) > 0


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
    near = (1.0 - lids.smoothstep(*EDGE_CLEAN_IRIS_RADII, grid.t_px / r))[:, None]
    inside = lids.smoothstep(0.0, 0.2 * r, grid.x_px) * lids.smoothstep(0.0, 0.2 * r, c.width_px - grid.x_px)
    share = (near * inside[None])[..., None]
    return colours * (1.0 - share) + smooth * share


def _skin_layer(scan, contour, rig, grid, colours, group, set_back_m: np.ndarray | None = None,
                taller: np.ndarray | None = None) -> Layer:
    """Skin on a grid, ``set_back_m`` behind the lids' surface, of splats ``taller`` than usual by a factor, both (rows, columns)."""
    pixels = grid.pixels.reshape(-1, 2)
    depth = lid_depth(scan, contour, rig, pixels).reshape(grid.pixels.shape[:2])
    depth = (depth if set_back_m is None else depth + set_back_m).ravel()
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    along, across = cell_edges(points, 4.0 * grid.step_px * metres_per_pixel_at_iris(scan, rig))
    across = across if taller is None else across * taller.reshape(-1, 1)
    return surfels(points.reshape(-1, 3), along, across, colours.reshape(-1, 3), OPAQUE, group)
