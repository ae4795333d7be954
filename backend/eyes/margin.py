# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower lid's edge in a close-up: its thickness, and the tears along it that catch the light.

A lid is about 1.7 mm thick (median of 15 people by Scheimpflug camera, lower lid), and tears stand about 0.2 mm high along it
(Contact Lens and Anterior Eye, 2002: 0.215 mm on average over the literature). In a photo they show as a thin bright line, broken, at the
edge or just above it, and as specks in the inner corner. Left on the globe they would turn with it, so they are taken out there and laid
back on a film that moves with the lower lid. Whose photo shows none gets none.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import grey_opening

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, sample
from .geometry import from_eye, on_surface
from .lashes import blur
from .lid_surface import lower_lid_depth
from .skin import EDGE_CLEAN_IRIS_RADII
from .surfels import OPAQUE, Layer, layered_opacity, surfels

CLEAR_M = 0.0001              # before the globe's widest part, the limbus, on which the film would flicker otherwise
BEHIND_LID_M = 0.0003         # where the edge's flat side begins, inside the lid
BELOW_EDGE_IRIS_RADII = 0.09  # seen by the photo's camera it lies behind the lid's skin
EDGE_FROM_IRIS_RADII = 0.12   # below the margin: the pink of the edge, neither globe nor lash roots
ALONG, ACROSS = 90, 5
PINK = np.array([1.04, 0.94, 0.93])
DEEP_SHARE = 0.75             # of its brightness, where it meets the globe
LINE_IRIS_RADII = 0.28        # tears are narrower than this across the margin
LINE_REACH_IRIS_RADII = 0.26  # and lie within this distance of it
STEP_IRIS_RADII, STEP_MIN_PX = 0.045, 0.45
SPECK_IRIS_RADII = 0.16       # specks of light on the globe are smaller than this, radius
CORNER_SHARE = 0.22           # of the opening: the inner corner, where the tear lake lies
WHITE_PERCENTILE = 85         # of the opening's brightness beside the iris
LEAST_EXCESS = 0.05           # of white: less is grain
WHITE = 0.97


def build_margin(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> list[Layer]:
    """Return the lower lid's edge and the tears along it, both of the lower lid."""
    tears = _tears(scan, contour, rig, side)
    return [_edge(scan, contour, rig, side)] + ([tears] if tears else [])


@dataclass(frozen=True)
class _Window:
    """The part of an image round one eye: where it lies, its pixels (h, w, 3) and, of each (h, w), how high above the lower margin it
    lies, pixels, which share of the opening along, how far from the iris' centre, iris radii, and whether it is within the opening.
    """

    rows: slice
    columns: slice
    pixels: np.ndarray
    above: np.ndarray
    share: np.ndarray
    away: np.ndarray
    inside: np.ndarray

    def white(self) -> float:
        """Return the brightness above which something in the opening is no sclera but a reflection."""
        sclera = self.pixels.mean(-1)[self.inside & (self.away > 1.15)]
        return float(np.percentile(sclera, WHITE_PERCENTILE)) if len(sclera) else 1.0


def _window(image: np.ndarray, contour: EyeContour) -> _Window:
    c, r = contour.lids, contour.radius_px
    ends = c.to_image(np.array([[-r, -2.0 * r], [c.width_px + r, 2.0 * r], [-r, 2.0 * r], [c.width_px + r, -2.0 * r]]))
    size = np.array(image.shape[1::-1])
    low, high = np.clip(np.floor(ends.min(0)).astype(int), 0, size - 1), np.clip(np.ceil(ends.max(0)).astype(int) + 1, 1, size)
    rows, columns = np.mgrid[low[1]:high[1], low[0]:high[0]]
    at = np.stack([columns, rows], -1) + 0.5
    local = c.to_local(at)
    above, below = local[..., 1] - c.lower_at(local[..., 0]), c.upper_at(local[..., 0]) - local[..., 1]
    inside = (local[..., 0] > 0.0) & (local[..., 0] < c.width_px) & (above > 0.1 * r) & (below > 0.1 * r)
    part = slice(low[1], high[1]), slice(low[0], high[0])
    return _Window(*part, image[part], above, local[..., 0] / c.width_px, np.linalg.norm(at - contour.iris_px, axis=-1) / r, inside)


def without_specks(image: np.ndarray, contour: EyeContour) -> np.ndarray:
    """Return an image (H, W, 3) without the light that tears and corners catch in an eye's opening, beside the iris."""
    r, window = contour.radius_px, _window(image, contour)
    light = window.pixels.mean(-1)
    size = 2 * max(1, round(SPECK_IRIS_RADII * r)) + 1
    dull = cv2.morphologyEx(light, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    wet = np.maximum(1.0 - lids.smoothstep(0.3 * r, 0.45 * r, window.above),
                     1.0 - lids.smoothstep(CORNER_SHARE, 1.3 * CORNER_SHARE, window.share))
    beside = lids.smoothstep(1.0, 1.1, window.away)
    # A corner's narrow end is as white as the rest; only what is brighter is a reflection.
    bright = lids.smoothstep(0.0, LEAST_EXCESS, light - window.white())
    share = lids.smoothstep(0.5 * LEAST_EXCESS, 1.5 * LEAST_EXCESS, light - dull) * wet * beside * bright
    share = cv2.dilate(share.astype(np.float32), np.ones((3, 3), np.uint8))[..., None]
    kept = (1.0 - share) * (beside * window.inside)[..., None] + 1e-3
    around = blur(window.pixels * kept, 0.15 * r) / blur(kept[..., 0], 0.15 * r)[..., None]
    clean = image.copy()
    clean[window.rows, window.columns] += (np.minimum(around, window.pixels) - window.pixels) * share
    return clean


def _near_globe(scan: FaceScan, contour: EyeContour, rig: EyeRig, pixels: np.ndarray, radius: float) -> np.ndarray:
    """Return eye-frame points (N, 3) on a sphere round the globe's centre, seen at pixels (N, 2)."""
    def height(x, y):
        return np.sqrt(np.maximum(radius ** 2 - x ** 2 - y ** 2, (0.4 * radius) ** 2))
    return on_surface(scan, rig, pixels, height)


def _clear_radius(rig: EyeRig) -> float:
    return float(np.hypot(rig.iris_radius_m, rig.lever_yaw_m)) + CLEAR_M


def _edge(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> Layer:
    """Return the edge's flat side: a strip from the lid's surface to the globe, edge-on from the photo's camera."""
    c, r = contour.lids, contour.radius_px
    x = np.linspace(0.02, 0.98, ALONG) * c.width_px
    below = c.lower_at(x)
    pixels = c.to_image(np.stack([x, below - BELOW_EDGE_IRIS_RADII * r], 1))
    front = on_surface(scan, rig, pixels, lambda x, y: lids.lid_height(rig, x, y) - BEHIND_LID_M)
    back = _near_globe(scan, contour, rig, pixels, _clear_radius(rig))
    v = np.linspace(0.0, 1.0, ACROSS)[:, None, None]
    points = from_eye(rig, front + v * (back - front))
    seen = c.to_image(np.stack([x, below - EDGE_FROM_IRIS_RADII * r], 1))
    colour = blur(sample(scan.image, seen)[None], ALONG / 30.0)[0] * PINK
    colours = np.clip(colour[None] * (1.0 - (1.0 - DEEP_SHARE) * v), 0.0, 1.0)
    along, across = np.gradient(points, axis=1), np.gradient(points, axis=0)
    return surfels(points.reshape(-1, 3), along.reshape(-1, 3), across.reshape(-1, 3), colours.reshape(-1, 3), OPAQUE,
                   parts.code(side, parts.LOWER_LID))


def _tears(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> Layer | None:
    """Return the light that tears along the lower margin catch, as a film of white before the globe and on the lid's edge."""
    c, r = contour.lids, contour.radius_px
    step = max(STEP_IRIS_RADII * r, STEP_MIN_PX)
    reach = LINE_REACH_IRIS_RADII * r
    x, t = np.arange(0.04 * c.width_px, 0.97 * c.width_px, step), np.arange(-reach, reach, step)
    pixels = c.to_image(np.stack([np.broadcast_to(x, (len(t), len(x))), c.lower_at(x)[None] + t[:, None]], -1)).reshape(-1, 2)
    light = sample(scan.image, pixels).mean(-1).reshape(len(t), len(x))
    dull = grey_opening(light, (2 * int(0.5 * LINE_IRIS_RADII * r / step) + 1, 1), mode="nearest")
    excess = np.maximum(light - dull - 0.5 * LEAST_EXCESS, 0.0)
    # A sliver of sclera between iris and lid is a bright line too, but no brighter than the rest of it.
    sclera = lids.smoothstep(-0.2 * r, -0.12 * r, t)[:, None]
    excess *= 1.0 - sclera * (1.0 - lids.smoothstep(0.0, LEAST_EXCESS, light - _window(scan.image, contour).white()))
    # On the lid's side they replace what its edge was cleaned of.
    near = 1.0 - np.where(t < 0.0, lids.smoothstep(*EDGE_CLEAN_IRIS_RADII, -t / r), lids.smoothstep(0.6, 1.0, t / reach))
    alpha = np.clip(excess / np.maximum(WHITE - dull, 0.1), 0.0, 0.95) * near[:, None]
    shown = (alpha > 0.03).ravel()
    if shown.sum() < 3:
        return None
    pixels, on_lid = pixels[shown], np.broadcast_to((t < 0.0)[:, None], alpha.shape).ravel()[shown]
    skin = lower_lid_depth(scan, contour, rig, pixels)
    film = scan.to_camera(from_eye(rig, _near_globe(scan, contour, rig, pixels, _clear_radius(rig))))[:, 2]
    depth = np.where(on_lid, skin - CLEAR_M, film)
    points = scan.to_portrait(scan.rays(pixels) * depth[:, None])
    edge, opacity = np.full(len(points), step), alpha.ravel()[shown]
    edges = [scan.portrait_rotation[:, k] * (step * depth / scan.fx)[:, None] for k in (0, 1)]
    return surfels(points, *edges, np.full((len(points), 3), WHITE), np.clip(layered_opacity(opacity, edge, edge), 0.0045, 0.97),
                   parts.code(side, parts.LOWER_LID))
