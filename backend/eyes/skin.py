# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids as splats: the photographed skin on a grid in lid coordinates, and the lashes lifted off it.

Columns run along the opening (x from the inner to the outer corner), rows away from the margin (t). The skin is
taken without its lashes, so that it may stretch over the globe; the lashes become strokes of their own (``lashes.py``).
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, LidContour, sample
from .geometry import eye_rays, from_eye, on_lids, on_surface
from .lashes import LashLine, Strokes, grow_lashes
from .lid_skin import LidSkin, part_lid
from .lower_lid import part_lower_lid
from .shut_lid import STEP_SHARE, Restored, ShutLid, draw_out
from .skin_around import SkinAround, grain, skin_around
from .surfels import FILL, OPAQUE, Layer, layered_opacity, surfels

STEP_IRIS_RADII = 0.045       # grid step; 0.04-0.12 score alike when the lid moves, rest sharpness falls with it
STEP_MIN_PX = 0.3            # coarser splats of a small photo would let a globe through that lies close behind them
SKIN_BUDGET = 14_800           # splats of one eye's skin: both eyes whole stay below 67,000, a third of a portrait
SIDE_IRIS_RADII = 1.4         # grid beyond the corners
UPPER_SPARE = 1.25            # grid beyond the reach of motion
LOWER_IRIS_RADII = 2.2
OPENING_IRIS_RADII = 1.7
MARGIN_SKIP_IRIS_RADII = 0.1  # the pixel astride the margin is neither skin nor globe
EDGE_CLEAN_IRIS_RADII = (0.12, 0.3)   # the lower lid's edge is smoothed up to the first, and not beyond the second
FILM_MIN_ALPHA = 0.04
FILM_OVERLAP = 1.3            # of its splats: dense films would show their rows as stripes in a close-up
FILM_LEAST = 0.015            # brightness by which a film must change what it hides
SHEARED_OVERLAP, SHEARED_IRIS_RADII = 1.5, 0.06
DRAWN_OUT_OVERLAP = 1.25      # of rows: at the usual one, dark from behind them shows as fine stripes on a shut lid
RIM_SLOPE = 2.0               # depth per distance from the rim of the lids' sphere, where skin falls back to the face
SHADE_CONTRAST, VEIL_CONTRAST = 0.5, 0.25     # brightness by which a film's colour may differ from what it hides
STEEP_CONTRAST, STEEP_FACING = 0.15, (0.5, 0.85)       # where its surface turns away, cosine
SHADE_EVEN_IRIS_RADII = 0.2
VEIL_FROM_COVER = 0.05        # of lashes, evened out: elsewhere nothing needs a veil
BEHIND_M = 0.00025            # which lid lies before the other; more would let a globe that looks up break through
BEHIND_AT_CORNER_M = 0.0007   # the outer one, over which the upper lid comes down furthest
LOWER_LASH_DEG = 50.0         # below the line of sight: forward and down, by eye
ROOTED_M = 0.0001             # lower lashes leave the skin this far before it


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
    """Return the layers of one eye's lids: upper skin, lower skin, upper lashes, and the films of shade over the upper lid."""
    scale = _metres_per_pixel(scan, rig)
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
                          _lower_set_back(contour, lower.x_px[None], lower.t_px[:, None]))]
    layers += _dark_layers(scan, contour, rig, upper, colours, replace(skin, clean=_on_grid(drawn_out, rows, upper)), side)
    hairs = _stroke_layer(scan, contour.lids.upside_down(), lashes.strokes, scale, skin.lash_colour, parts.code(side, parts.LOWER_LASH),
                          lambda pixels: _lower_lash_depth(scan, contour, rig, pixels, lashes.root_px))
    return layers + ([hairs] if hairs else [])


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


def _dark_layers(scan, contour, rig, grid, colours, skin: LidSkin, side) -> list[Layer]:
    """Return what lies over the upper lid's skin: lashes as strokes, and two films that make up the difference to the photo.

    Shade lies behind the strokes. Where they are darker than the photo, or of another hue, a veil before them holds
    the photo itself. Both fade as the lid comes down, and leave skin and lashes.
    """
    r, code = contour.radius_px, parts.code(side, parts.UPPER_SHADE)
    line = LashLine(skin.lash_alpha, skin.dark_alpha, grid.x_px, grid.t_px, skin.lash_height)
    strokes, covered = grow_lashes(line, contour.lids, r)
    # Evened out, or each hair would leave a bright streak where it was.
    even = cv2.GaussianBlur(np.minimum(covered, 0.9), (0, 0), SHADE_EVEN_IRIS_RADII * r / grid.step_px,
                            borderType=cv2.BORDER_REPLICATE)[..., None]
    behind = np.clip((colours - even * skin.lash_colour) / (1.0 - even), 0.0, 1.0)
    steep = _steepness(scan, rig, grid)
    shade_colour, shade = _film_between(skin.clean, behind, SHADE_CONTRAST + (STEEP_CONTRAST - SHADE_CONTRAST) * steep)
    drawn = skin.clean + (shade_colour - skin.clean) * shade[..., None]
    drawn = drawn + (skin.lash_colour - drawn) * covered[..., None]
    veil_colour, veil = _film_between(drawn, colours, VEIL_CONTRAST + (STEEP_CONTRAST - VEIL_CONTRAST) * steep)
    veil = veil * lids.smoothstep(0.0, VEIL_FROM_COVER, even[..., 0])
    hairs = _stroke_layer(scan, contour.lids, strokes, _metres_per_pixel(scan, rig), skin.lash_colour, parts.code(side, parts.UPPER_LASH),
                          lambda pixels: _lash_depth(scan, contour, rig, pixels))
    films = (_film_layer(scan, contour, rig, grid, shade, shade_colour, code, before_lashes=False),
             _film_layer(scan, contour, rig, grid, veil, veil_colour, code, before_lashes=True))
    return [layer for layer in (hairs, *films) if layer]


def _steepness(scan, rig, grid) -> np.ndarray:
    """Return how near (rows, columns) the lids' sphere comes to its rim, 0..1.

    From the side one looks along a film there, through many of its splats: what shows is its own colour alone.
    """
    x, y, _ = on_lids(scan, rig, grid.pixels.reshape(-1, 2)).T
    facing = np.sqrt(np.maximum(1.0 - (x * x + y * y) / rig.lid_radius_m ** 2, 0.0))
    return 1.0 - lids.smoothstep(*STEEP_FACING, facing).reshape(grid.pixels.shape[:2])


def _film_between(drawn: np.ndarray, photo: np.ndarray, contrast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return colours (rows, columns, 3) and alpha of a film that turns what is drawn into the photo, differing by ``contrast`` at most."""
    off = photo - drawn
    most = np.abs(off).max(-1)
    alpha = np.clip(most / contrast, 0.0, 0.9) * (most > FILM_LEAST)
    return np.clip(drawn + off / np.maximum(alpha, 1e-3)[..., None], 0.0, 1.0), alpha


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
    near = (1.0 - lids.smoothstep(*EDGE_CLEAN_IRIS_RADII, grid.t_px / r))[:, None]
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


def _lower_set_back(contour, x_px: np.ndarray, t_px: np.ndarray | float) -> np.ndarray:
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
    behind = _lower_set_back(contour, local[:, 0], contour.lids.lower_at(local[:, 0]) - local[:, 1])
    return lid_depth(scan, contour, rig, pixels) + behind


def _skin_layer(scan, contour, rig, grid, colours, group, set_back_m: np.ndarray | None = None,
                taller: np.ndarray | None = None) -> Layer:
    """Skin on a grid, ``set_back_m`` behind the lids' surface, of splats ``taller`` than usual by a factor, both (rows, columns)."""
    pixels = grid.pixels.reshape(-1, 2)
    depth = lid_depth(scan, contour, rig, pixels).reshape(grid.pixels.shape[:2])
    depth = (depth if set_back_m is None else depth + set_back_m).ravel()
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    along, across = _edges(points, 4.0 * grid.step_px * _metres_per_pixel(scan, rig))
    across = across if taller is None else across * taller.reshape(-1, 1)
    return surfels(points.reshape(-1, 3), along, across, colours.reshape(-1, 3), OPAQUE, group)


def _film_layer(scan, contour, rig, grid, alpha, colours, group, *, before_lashes: bool) -> Layer | None:
    """A translucent film on the skin, or before the lashes that stand off it."""
    shown = (alpha > FILM_MIN_ALPHA).ravel()
    if shown.sum() < 8:
        return None
    pixels = grid.pixels.reshape(-1, 2)
    depth = (_lash_depth if before_lashes else lid_depth)(scan, contour, rig, pixels) - lids.LASH_LIFT_M
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    along, across = (FILM_OVERLAP * edge[shown] for edge in _edges(points, 4.0 * grid.step_px * _metres_per_pixel(scan, rig)))
    step = np.full(shown.sum(), grid.step_px)
    opacity = np.clip(layered_opacity(alpha.ravel()[shown], step, step, FILM_OVERLAP), 0.0045, 0.97)
    return surfels(points.reshape(-1, 3)[shown], along, across, colours.reshape(-1, 3)[shown], opacity, group)


def _lash_depth(scan, contour, rig, pixels: np.ndarray) -> np.ndarray:
    """Return the planar depth (N,) of lashes seen at pixels (N, 2): t above the margin they stand t / tan(lash angle) before the skin."""
    slope = 1.0 / np.tan(np.radians(rig.lash_angle_deg))

    def height(x, y):
        m = lids.margins(rig, x, 0.0, 0.0, 0.0)
        t = np.maximum(y - m.upper_rest, 0.0)
        return lids.lid_height(rig, x, np.minimum(y, m.upper_rest)) + lids.LASH_LIFT_M + slope * t

    depth = scan.to_camera(from_eye(rig, on_surface(scan, rig, pixels, height)))[:, 2]
    return np.minimum(depth, lid_depth(scan, contour, rig, pixels) - lids.LASH_LIFT_M)


def _lower_lash_depth(scan, contour, rig, pixels: np.ndarray, root_px: float) -> np.ndarray:
    """Return the planar depth (N,) of lower lashes seen at pixels (N, 2): they leave the skin at their roots and point forward and down."""
    slope, root_m = 1.0 / np.tan(np.radians(LOWER_LASH_DEG)), root_px * _metres_per_pixel(scan, rig)
    local = contour.lids.to_local(pixels)
    behind = _lower_set_back(contour, local[:, 0], contour.lids.lower_at(local[:, 0]) - local[:, 1])

    def height(x, y):
        root = lids.margins(rig, x, 0.0, 0.0, 0.0).lower_rest - root_m
        return lids.lid_height(rig, x, np.maximum(y, root)) + slope * np.maximum(root - y, 0.0)

    depth = scan.to_camera(from_eye(rig, on_surface(scan, rig, pixels, height)))[:, 2]
    return np.minimum(depth, lid_depth(scan, contour, rig, pixels)) + behind - ROOTED_M


def _stroke_layer(scan, frame: LidContour, strokes: Strokes, metres_per_pixel: float, colour, group, depth_at) -> Layer | None:
    """Strokes, given in pixels of ``frame``, at the depth that ``depth_at`` gives for pixels (N, 2) of the photo."""
    shown = strokes.alpha > FILM_MIN_ALPHA
    if not shown.any():
        return None

    def place(local: np.ndarray) -> np.ndarray:
        pixels = frame.to_image(local)
        return scan.to_portrait(scan.rays(pixels) * depth_at(pixels)[:, None])

    middle, along = strokes.middle_px[shown], strokes.along_px[shown]
    ahead = place(middle + along) - place(middle - along)
    points = place(middle)
    away = scan.portrait_rotation @ np.array([0.0, 0.0, 1.0])
    across = np.cross(ahead, away)
    across *= (strokes.width_px[shown] * metres_per_pixel / FILL / np.linalg.norm(across, axis=1))[:, None]
    return surfels(points, ahead, across, np.broadcast_to(colour, (len(points), 3)), strokes.opacity()[shown], group)
