# SPDX-License-Identifier: GPL-3.0-or-later
"""From depth to Gaussians: surfels that reproduce the photo from its own camera and hold together beside it."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.splat.arrays import Splats, concatenate, quaternions_of
from .face_model import LIPS
from .scan import FaceScan

BUDGET = {"draft": 45_000, "standard": 90_000, "high": 160_000}
FINEST_STEP_PX = 0.8        # closer samples know no more than the photo's pixels
LIP_STEP_PX = 0.5
DENSITY_GAIN = 2.0          # step shrinks by this at lips and round the eyes: four times the density
FILL = 0.60                 # standard deviation per step: neighbours sum to an even surface, edges stay sharp
STEEPEST = 2.5              # depth per lateral metre at which surfels stop growing
BREAK_M = 0.015             # a depth jump within a few pixels is an edge, not a slope
BREAK_SLOPE = 3.5           # nor anything flatter than this
EDGE_PX = 5
BACK_SIDE_PX = 320
OPAQUE = 0.993
FAINTEST = 0.3              # of the soft mask: fainter rims are not worth splats


@dataclass(frozen=True)
class Head:
    """The head without its eyes: splats in the portrait frame and their groups (all parts.HEAD)."""

    splats: Splats
    groups: np.ndarray


def lift_head(scan: FaceScan, depth_m: np.ndarray, exclude: np.ndarray, budget: int) -> Head:
    """Return front and back splats of a scan.

    depth_m (H, W) is the front's depth, ``exclude`` (H, W) bool marks pixels that the eyes' own splats show.
    """
    front = _front(scan, depth_m, exclude, budget)
    back = _back(scan, budget)
    splats = concatenate([front, back])
    return Head(splats, np.full(len(splats), parts.HEAD, np.uint8))


def _front(scan: FaceScan, depth_m: np.ndarray, exclude: np.ndarray, budget: int) -> Splats:
    mask = scan.head_mask * ~exclude * np.isfinite(depth_m)
    fine = _fine_area(scan)
    area = float((mask > 0.5).sum() + (DENSITY_GAIN ** 2 - 1.0) * ((mask > 0.5) & fine).sum())
    step = max(FINEST_STEP_PX, np.sqrt(area / budget))
    layers = [_sample(mask, ~fine, step), _sample(mask, fine, max(LIP_STEP_PX, step / DENSITY_GAIN))]
    pixels, size = np.concatenate([p for p, _ in layers]), np.concatenate([s for _, s in layers])
    depth, slope = _depth_and_slope(scan, depth_m, pixels)
    opacity = OPAQUE * np.clip(_at(mask.astype(np.float32), pixels), 0.0, 1.0)
    colours = np.clip(_at(edge_safe_photo(scan), pixels), 0.0, 1.0)
    return _surfels(scan, pixels, size, depth, slope, colours, opacity)


def _back(scan: FaceScan, budget: int) -> Splats:
    """The far side: shares the rim's depth, coloured by the hair (or skin) that the rim shows nearest to it."""
    depth_m = scan.back_depth_m
    mask = scan.head_mask * np.isfinite(depth_m)
    step = max(1.5 * FINEST_STEP_PX, np.sqrt((mask > 0.5).sum() / (0.2 * budget)))
    pixels, size = _sample(mask, np.ones(mask.shape, bool), step)
    depth, slope = _depth_and_slope(scan, depth_m, pixels)
    opacity = OPAQUE * np.clip(_at(mask.astype(np.float32), pixels), 0.0, 1.0)
    return _surfels(scan, pixels, size * 1.15, depth, slope, np.clip(_at(_back_colours(scan), pixels), 0.0, 1.0), opacity)


def _fine_area(scan: FaceScan) -> np.ndarray:
    """Return where the photo's finest detail matters: lips, and the brows and skin round the eyes."""
    area = np.zeros(scan.image.shape[:2], np.uint8)
    points = scan.landmarks_px[:, :2]
    cv2.fillPoly(area, [np.round(cv2.convexHull(points[list(LIPS)].astype(np.float32))).astype(np.int32)], 1)
    for eye in scan.eyes.values():
        cv2.circle(area, tuple(int(v) for v in eye.iris_px), int(4.5 * eye.radius_px), 1, -1)
    return area > 0


def _sample(mask: np.ndarray, where: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return grid positions (N, 2) in pixels and their steps (N,) where the mask allows; rows are staggered."""
    rows = np.arange(0.5 * step, mask.shape[0], step * np.sqrt(3.0) / 2.0)
    columns = np.arange(0.25 * step, mask.shape[1], step)
    x, y = np.meshgrid(columns, rows)
    x = (x + 0.5 * step * (np.arange(len(rows)) % 2)[:, None]).ravel()
    y = y.ravel()
    i = np.minimum(y.astype(int), mask.shape[0] - 1)
    j = np.minimum(x.astype(int), mask.shape[1] - 1)
    keep = (mask[i, j] > FAINTEST) & where[i, j]
    return np.stack([x[keep], y[keep]], 1), np.full(keep.sum(), step)


def _depth_and_slope(scan: FaceScan, depth_m: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return depth (N,) and its slope (N, 2) in metres per lateral metre; slopes across an edge are cut off."""
    filled = _fill(depth_m)
    blurred = cv2.GaussianBlur(filled, (0, 0), 1.0)
    gradient = np.stack([cv2.Sobel(blurred, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(blurred, cv2.CV_32F, 0, 1, ksize=3)], -1) / 8.0
    depth = _at(filled, pixels)
    # Across an edge nothing hangs in between: a sample belongs to the near or to the far side.
    window = np.ones((EDGE_PX, EDGE_PX), np.uint8)
    near, far = _at(cv2.erode(filled, window), pixels), _at(cv2.dilate(filled, window), pixels)
    edge = far - near > np.maximum(BREAK_M, BREAK_SLOPE * EDGE_PX * depth / scan.fx)
    depth = np.where(edge, np.where(depth - near < far - depth, near, far), depth)
    slope = _at(gradient, pixels) * (scan.fx / depth)[:, None]
    slope[edge] = 0.0
    length = np.linalg.norm(slope, axis=1, keepdims=True)
    return depth, slope * np.minimum(1.0, STEEPEST / np.maximum(length, 1e-9))


def _fill(depth_m: np.ndarray) -> np.ndarray:
    """Continue depth beyond its rim, so that sampling at the rim mixes with nothing else."""
    known = np.isfinite(depth_m)
    if known.all():
        return depth_m.astype(np.float32)
    _, label = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros(label.max() + 1, np.float32)
    values[label[known]] = depth_m[known]
    return values[label]


def edge_safe_photo(scan: FaceScan) -> np.ndarray:
    """Return the photo with background colours at the rim replaced by the head's nearest own."""
    sure = (scan.head_mask > 0.9).astype(np.uint8)
    sure = cv2.erode(sure, np.ones((3, 3), np.uint8))
    _, label = cv2.distanceTransformWithLabels(1 - sure, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros((label.max() + 1, 3), np.float32)
    values[label[sure > 0]] = scan.image[sure > 0]
    share = np.clip((scan.head_mask - 0.5) / 0.45, 0.0, 1.0)[..., None]
    return scan.image * share + values[label] * (1.0 - share)


def _back_colours(scan: FaceScan) -> np.ndarray:
    """Return colours (H, W, 3) of the far side: the rim's own, spread inwards ever smoother."""
    mask = (scan.head_mask > 0.8).astype(np.uint8)
    face = np.zeros(mask.shape, np.uint8)
    hull = cv2.convexHull(scan.landmarks_px[:468, :2].astype(np.float32))
    cv2.fillPoly(face, [np.round(hull).astype(np.int32)], 1)
    grow = int(0.06 * np.ptp(scan.landmarks_px[:468, 0])) * 2 + 1
    source = (mask > 0) & (cv2.dilate(face, np.ones((grow, grow), np.uint8)) == 0)
    if source.sum() < 50:
        source = mask > 0
    # These colours are smooth by nature: a small picture holds them, and wide blurs stay cheap.
    scale = min(1.0, BACK_SIDE_PX / max(mask.shape))
    size = (max(2, round(mask.shape[1] * scale)), max(2, round(mask.shape[0] * scale)))
    source = cv2.resize(source.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    image = cv2.resize(edge_safe_photo(scan), size, interpolation=cv2.INTER_AREA)
    colours = np.broadcast_to((image * source[..., None]).sum((0, 1)) / source.sum(), image.shape).astype(np.float32)
    for share in (0.12, 0.05, 0.02, 0.008):
        sigma = max(share * size[0], 0.5)
        weight = cv2.GaussianBlur(source, (0, 0), sigma)
        mean = cv2.GaussianBlur(image * source[..., None], (0, 0), sigma) / np.maximum(weight, 1e-6)[..., None]
        trust = np.clip(weight / 0.15, 0.0, 1.0)[..., None]
        colours = colours * (1.0 - trust) + mean * trust
    return cv2.resize(colours, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _surfels(scan, pixels, step_px, depth, slope, colours, opacity) -> Splats:
    """Return Gaussians tangent to the surface z(x, y) whose footprints in the photo are round and one step wide."""
    rays = scan.rays(pixels)
    centres = rays * depth[:, None]
    metres = step_px * depth / scan.fx
    n = len(pixels)
    gradient = np.linalg.norm(slope, axis=1)
    direction = np.where(gradient[:, None] > 1e-6, slope / np.maximum(gradient, 1e-9)[:, None], [1.0, 0.0])
    steep = np.stack([direction[:, 0], direction[:, 1], gradient], 1)       # lateral unit step and its rise
    stretch = np.linalg.norm(steep, axis=1)
    along = steep / stretch[:, None]
    across = np.stack([-direction[:, 1], direction[:, 0], np.zeros(n)], 1)
    rotation = np.stack([along, across, np.cross(along, across)], 2)
    sigma = FILL * metres
    scales = np.stack([sigma * stretch, sigma, 0.25 * sigma], 1)
    world = scan.portrait_rotation
    return Splats(scan.to_portrait(centres).astype(np.float32), scales.astype(np.float32),
                  quaternions_of(world @ rotation).astype(np.float32), opacity.astype(np.float32),
                  colours.astype(np.float32), np.zeros((n, 0, 3), np.float32))


def _at(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Sample (H, W) or (H, W, C) bilinearly at pixels (N, 2), centres at +0.5."""
    x = np.clip(pixels[:, 0] - 0.5, 0, image.shape[1] - 1.001)
    y = np.clip(pixels[:, 1] - 0.5, 0, image.shape[0] - 1.001)
    j, i = x.astype(int), y.astype(int)
    u, v = x - j, y - i
    if image.ndim == 3:
        u, v = u[:, None], v[:, None]
    return ((1 - v) * ((1 - u) * image[i, j] + u * image[i, j + 1]) + v * ((1 - u) * image[i + 1, j] + u * image[i + 1, j + 1]))
