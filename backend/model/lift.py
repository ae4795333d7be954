# SPDX-License-Identifier: GPL-3.0-or-later
"""From depth to Gaussians: a head that reproduces the photo from its own camera and holds together beside it."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.splat.arrays import Splats, concatenate
from .contour_band import contour_band
from .face_model import LIPS
from .far_side import far_side
from .scan import FaceScan
from .surface import OVERLAP, DepthSurface, bilinear, nearest_known

BUDGET = {"draft": 40_000, "standard": 80_000, "high": 160_000}
FAR_SHARE = 0.16            # of the near side's budget, for the far side
FINEST_STEP_PX = 0.8        # closer samples know no more than the photo's pixels
LIP_STEP_PX = 0.5
DENSITY_GAIN = 2.0          # the step shrinks by this at lips and round the eyes: four times the density
OPAQUE = 0.993
SOLID = (0.75, 0.98)        # of the soft mask: between these the far side begins
FAINTEST = 0.1              # of the soft mask: fainter rims are not worth splats
# Slopes between these were seen at a glancing angle or not at all (below the jaw, behind hair): their few pixels
# would be drawn out into streaks, so they take the colours round them, a little darker, as creases are.
GLANCING, EDGE_ON = 3.0, 6.0
CREASE_BLUR_SHARE, CREASE_SHADE = 0.012, 0.85


@dataclass(frozen=True)
class Head:
    """The head without its eyes: splats in the portrait frame and their groups (all parts.HEAD)."""

    splats: Splats
    groups: np.ndarray


def lift_head(scan: FaceScan, depth_m: np.ndarray, exclude: np.ndarray, budget: int) -> Head:
    """Return near and far splats of a scan: about ``budget`` on what faces the camera, fewer where the photo has fewer pixels.

    Slopes, the far side and the strip along the contour add up to six tenths of that.

    depth_m (H, W) is the front's depth, ``exclude`` (H, W) bool marks pixels that the eyes' own splats show.
    """
    photo = edge_safe_photo(scan)
    far = far_side(scan, photo)
    splats = concatenate([_near_side(scan, photo, depth_m, exclude, budget), _far_side(scan, far.colours, FAR_SHARE * budget),
                          contour_band(scan, depth_m, photo, far)])
    return Head(splats, np.full(len(splats), parts.HEAD, np.uint8))


def edge_safe_photo(scan: FaceScan) -> np.ndarray:
    """Return the photo with background colours at the rim replaced by the head's nearest own."""
    sure = cv2.erode((scan.head_mask > 0.9).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    share = np.clip((scan.head_mask - 0.5) / 0.45, 0.0, 1.0)[..., None]
    return scan.image * share + nearest_known(scan.image, sure) * (1.0 - share)


def _near_side(scan: FaceScan, photo: np.ndarray, depth_m: np.ndarray, exclude: np.ndarray, budget: float) -> Splats:
    opacity = np.where(np.isfinite(depth_m) & ~exclude, scan.head_mask, 0.0).astype(np.float32)
    shown, fine = opacity > FAINTEST, _fine_area(scan)
    surface = DepthSurface(scan, depth_m)
    area = shown.sum() + (DENSITY_GAIN ** 2 - 1.0) * (shown & fine).sum()
    step = max(FINEST_STEP_PX, _step(area, budget))
    colours = _without_streaks(photo, scan.head_mask, surface.steepness)
    layers = []
    for area, step_px in ((shown & ~fine, step), (shown & fine, max(LIP_STEP_PX, step / DENSITY_GAIN))):
        samples = surface.sample(area, step_px)
        layers.append(surface.splats(samples, bilinear(colours, samples.pixels), _share_of_each(bilinear(opacity, samples.pixels))))
    return concatenate(layers)


def _far_side(scan: FaceScan, colours: np.ndarray, budget: float) -> Splats:
    # Where the near side's edge is soft nothing may stand behind it: two soft edges make a hard one.
    hidden = np.clip((scan.head_mask - SOLID[0]) / (SOLID[1] - SOLID[0]), 0.0, 1.0)
    opacity = np.where(np.isfinite(scan.back_depth_m), hidden, 0.0).astype(np.float32)
    shown = opacity > FAINTEST
    surface = DepthSurface(scan, scan.back_depth_m)
    step = max(1.5 * FINEST_STEP_PX, _step(surface.divisions[shown].sum(), budget))
    samples = surface.sample(shown, step)
    return surface.splats(samples, bilinear(colours, samples.pixels), _share_of_each(bilinear(opacity, samples.pixels)))


def _share_of_each(opacity: np.ndarray) -> np.ndarray:
    """Return the opacity (N,) that every one of several overlapping splats needs for this one together."""
    return np.minimum(OPAQUE, 1.0 - (1.0 - np.clip(opacity, 0.0, 1.0)) ** (1.0 / OVERLAP))


def _step(area_px: float, budget: float) -> float:
    """Return the spacing in pixels at which a triangular grid has ``budget`` points on this area."""
    return float(np.sqrt(area_px / budget * 2.0 / np.sqrt(3.0)))


def _fine_area(scan: FaceScan) -> np.ndarray:
    """Return where the photo's finest detail matters: lips, and the brows and skin round the eyes."""
    area = np.zeros(scan.image.shape[:2], np.uint8)
    points = scan.landmarks_px[:, :2]
    cv2.fillPoly(area, [np.round(cv2.convexHull(points[list(LIPS)].astype(np.float32))).astype(np.int32)], 1)
    for eye in scan.eyes.values():
        cv2.circle(area, tuple(int(v) for v in eye.iris_px), int(4.5 * eye.radius_px), 1, -1)
    return area > 0


def _without_streaks(photo: np.ndarray, mask: np.ndarray, steepness: np.ndarray) -> np.ndarray:
    """Return the photo's colours (H, W, 3), softened where the surface was seen edge-on."""
    sigma = max(1.0, CREASE_BLUR_SHARE * max(photo.shape[:2]))
    weight = (mask > 0.5).astype(np.float32)
    soft = cv2.GaussianBlur(photo * weight[..., None], (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)[..., None]
    share = np.clip((steepness - GLANCING) / (EDGE_ON - GLANCING), 0.0, 1.0)[..., None]
    return photo * (1.0 - share) + CREASE_SHADE * soft * share
