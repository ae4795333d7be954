# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies over a lid's skin: lashes as splats, and over the upper lid two films of shade."""
from __future__ import annotations

import cv2
import numpy as np

from ...gazesplat_addon.rig import lids, parts
from .contour import LidContour
from .geometry import from_eye, on_lids, on_surface
from .lashes import LashLine, Strokes, grow_lashes
from .lid_skin import LidSkin
from .lid_surface import cell_edges, lid_depth, lower_set_back, metres_per_pixel_at_iris
from .lower_lid import LowerLashes
from .surfels import FILL, Layer, layered_opacity, surfels

FILM_MIN_ALPHA = 0.04
FILM_OVERLAP = 1.3            # of its splats: dense films would show their rows as stripes in a close-up
FILM_LEAST = 0.015            # brightness by which a film must change what it hides
SHADE_CONTRAST, VEIL_CONTRAST = 0.5, 0.25     # brightness by which a film's colour may differ from what it hides
STEEP_CONTRAST, STEEP_FACING = 0.15, (0.5, 0.85)       # where its surface turns away, cosine
SHADE_EVEN_IRIS_RADII = 0.2
VEIL_FROM_COVER = 0.05        # of lashes, evened out: elsewhere nothing needs a veil
LOWER_LASH_DEG = 50.0         # below the line of sight: forward and down, by eye
ROOTED_M = 0.0001             # lower lashes leave the skin this far before it


def upper_layers(scan, contour, rig, grid, colours, skin: LidSkin, side) -> list[Layer]:
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
    hairs = _stroke_layer(scan, contour.lids, strokes, metres_per_pixel_at_iris(scan, rig), skin.lash_colour,
                          parts.code(side, parts.UPPER_LASH), lambda pixels: _lash_depth(scan, contour, rig, pixels))
    films = (_film_layer(scan, contour, rig, grid, shade, shade_colour, code, before_lashes=False),
             _film_layer(scan, contour, rig, grid, veil, veil_colour, code, before_lashes=True))
    return [layer for layer in (hairs, *films) if layer]


def lower_layer(scan, contour, rig, lashes: LowerLashes, colour: np.ndarray, side) -> list[Layer]:
    """Return the lower lashes, nothing where the photo shows none."""
    hairs = _stroke_layer(scan, contour.lids.upside_down(), lashes.strokes, metres_per_pixel_at_iris(scan, rig), colour,
                          parts.code(side, parts.LOWER_LASH), lambda pixels: _lower_lash_depth(scan, contour, rig, pixels, lashes.root_px))
    return [hairs] if hairs else []


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


def _film_layer(scan, contour, rig, grid, alpha, colours, group, *, before_lashes: bool) -> Layer | None:
    """A translucent film on the skin, or before the lashes that stand off it."""
    shown = (alpha > FILM_MIN_ALPHA).ravel()
    if shown.sum() < 8:
        return None
    pixels = grid.pixels.reshape(-1, 2)
    depth = (_lash_depth if before_lashes else lid_depth)(scan, contour, rig, pixels) - lids.LASH_LIFT_M
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None]).reshape(*grid.pixels.shape[:2], 3)
    along, across = (FILM_OVERLAP * edge[shown] for edge in cell_edges(points, 4.0 * grid.step_px * metres_per_pixel_at_iris(scan, rig)))
    step = np.full(shown.sum(), grid.step_px)
    opacity = np.clip(layered_opacity(alpha.ravel()[shown], step, step, FILM_OVERLAP), 0.0045, 0.97)
    return surfels(points.reshape(-1, 3)[shown], along, across, colours.reshape(-1, 3)[shown], opacity, group)


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
    slope, root_m = 1.0 / np.tan(np.radians(LOWER_LASH_DEG)), root_px * metres_per_pixel_at_iris(scan, rig)
    local = contour.lids.to_local(pixels)
    behind = lower_set_back(contour, local[:, 0], contour.lids.lower_at(local[:, 0]) - local[:, 1])

    def height(x, y):
        root = lids.margins(rig, x, 0.0, 0.0, 0.0).lower_rest - root_m
        return lids.lid_height(rig, x, np.maximum(y, root)) + slope * np.maximum(root - y, 0.0)

    depth = scan.to_camera(from_eye(rig, on_surface(scan, rig, pixels, height)))[:, 2]
    return np.minimum(depth, lid_depth(scan, contour, rig, pixels)) + behind - ROOTED_M
