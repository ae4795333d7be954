# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaussians on a depth map: where they lie, and how they cover a surface without gaps, however steep it is."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...gazesplat_addon.splat.arrays import Splats, quaternions_of
from .scan import FaceScan

FILL = 0.60                 # standard deviation per step: neighbours sum to an even surface, edges stay sharp
OVERLAP = 2.0 * np.pi * FILL ** 2 / (np.sqrt(3.0) / 2.0)     # splats of full weight over every point of a triangular grid
STEEPEST = 8.0              # metres of depth per lateral metre beyond which a surface is not followed: it stands on its edge
PATCH_STRETCH = 2.2         # a longer patch of a slope is divided into several splats
MOST_DIVISIONS = 4
THICKNESS = 0.25            # of a surfel, in standard deviations across it


@dataclass(frozen=True)
class Samples:
    """Points of a depth map that become splats: pixels (N, 2), step_px (N,) between neighbours, depth_m (N,),
    slope (N, 2) metres per lateral metre, divisions (N,) int: how many of them share one step along the slope.
    """

    pixels: np.ndarray
    step_px: np.ndarray
    depth_m: np.ndarray
    slope: np.ndarray
    divisions: np.ndarray


class DepthSurface:
    """A depth map (H, W) metres with NaN outside, seen by a scan's camera."""

    def __init__(self, scan: FaceScan, depth_m: np.ndarray) -> None:
        self._scan = scan
        self._depth = continued(depth_m)
        smooth = cv2.GaussianBlur(self._depth, (0, 0), 1.0)
        per_pixel = [cv2.Sobel(smooth, cv2.CV_32F, dx, dy, ksize=3) / 8.0 for dx, dy in ((1, 0), (0, 1))]
        slope = np.stack(per_pixel, -1) * (scan.fx / self._depth)[..., None]
        length = np.linalg.norm(slope, axis=-1, keepdims=True)
        self._slope = slope * np.minimum(1.0, STEEPEST / np.maximum(length, 1e-9))

    @property
    def steepness(self) -> np.ndarray:
        """The slope's length (H, W), metres of depth per lateral metre."""
        return np.linalg.norm(self._slope, axis=-1)

    @property
    def divisions(self) -> np.ndarray:
        """How many splats (H, W) a step needs along the slope."""
        stretch = np.sqrt(1.0 + self.steepness ** 2)
        return np.clip(np.ceil(stretch / PATCH_STRETCH), 1, MOST_DIVISIONS).astype(int)

    def sample(self, where: np.ndarray, step_px: float) -> Samples:
        """Return samples on a staggered grid over the pixels ``where`` (H, W), by arc length on slopes."""
        pixels = staggered_grid(where, step_px)
        column, row = np.minimum(pixels.astype(int), np.array(where.shape[::-1]) - 1).T
        divisions = self.divisions[row, column]
        slope = self._slope[row, column]
        owner = np.repeat(np.arange(len(pixels)), divisions)
        order = np.arange(len(owner)) - np.repeat(np.cumsum(divisions) - divisions, divisions)
        along = ((order + 0.5) / divisions[owner] - 0.5) * step_px
        direction = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
        pixels = pixels[owner] + along[:, None] * direction[owner]
        return Samples(pixels, np.full(len(pixels), step_px), bilinear(self._depth, pixels), bilinear(self._slope, pixels),
                       divisions[owner])

    def splats(self, samples: Samples, colours: np.ndarray, opacities: np.ndarray) -> Splats:
        """Return Gaussians tangent to the surface whose footprints in the photo fill their steps."""
        n = len(samples.pixels)
        rays = self._scan.rays(samples.pixels)
        steepness = np.linalg.norm(samples.slope, axis=1)
        flat = steepness < 1e-6
        direction = np.where(flat[:, None], [1.0, 0.0], samples.slope / np.maximum(steepness, 1e-9)[:, None])
        # A lateral unit step and how it recedes along the ray; across it the depth stays.
        step = np.column_stack([direction, np.zeros(n)]) + steepness[:, None] * rays
        stretch = np.linalg.norm(step, axis=1)
        along = step / stretch[:, None]
        normal = np.cross(along, np.column_stack([-direction[:, 1], direction[:, 0], np.zeros(n)]))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        sigma = FILL * samples.step_px * samples.depth_m / self._scan.fx
        scales = np.column_stack([sigma * stretch / samples.divisions, sigma, THICKNESS * sigma])
        rotation = self._scan.portrait_rotation @ np.stack([along, np.cross(normal, along), normal], 2)
        return Splats(self._scan.to_portrait(rays * samples.depth_m[:, None]).astype(np.float32), scales.astype(np.float32),
                      quaternions_of(rotation).astype(np.float32), opacities.astype(np.float32),
                      np.clip(colours, 0.0, 1.0).astype(np.float32), np.zeros((n, 0, 3), np.float32))


def staggered_grid(where: np.ndarray, step_px: float) -> np.ndarray:
    """Return the positions (N, 2) in pixels of a triangular grid that fall on the pixels ``where`` (H, W) bool."""
    rows = np.arange(0.5 * step_px, where.shape[0], step_px * np.sqrt(3.0) / 2.0)
    columns = np.arange(0.25 * step_px, where.shape[1], step_px)
    x, y = np.meshgrid(columns, rows)
    x = np.minimum(x + 0.5 * step_px * (np.arange(len(rows)) % 2)[:, None], where.shape[1] - 0.01)
    keep = where[y.astype(int), x.astype(int)]
    return np.stack([x[keep], y[keep]], 1)


def bilinear(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Sample (H, W) or (H, W, C) at pixels (N, 2) whose centres lie at +0.5."""
    x = np.clip(pixels[:, 0] - 0.5, 0, image.shape[1] - 1.001)
    y = np.clip(pixels[:, 1] - 0.5, 0, image.shape[0] - 1.001)
    j, i = x.astype(int), y.astype(int)
    u, v = x - j, y - i
    if image.ndim == 3:
        u, v = u[:, None], v[:, None]
    return (1 - v) * ((1 - u) * image[i, j] + u * image[i, j + 1]) + v * ((1 - u) * image[i + 1, j] + u * image[i + 1, j + 1])


def nearest_known(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return ``values`` (H, W) or (H, W, C) with every unknown pixel set to the nearest known one's value."""
    if known.all() or not known.any():
        return values
    _, label = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros((label.max() + 1, *values.shape[2:]), np.float32)
    table[label[known]] = values[known]
    return table[label]


def continued(depth_m: np.ndarray) -> np.ndarray:
    """Continue depth (H, W) beyond its rim, so that sampling at the rim mixes with nothing else."""
    return nearest_known(depth_m.astype(np.float32), np.isfinite(depth_m))
