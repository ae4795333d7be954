# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a trained scene is the head: by what splats show in the views, by what hangs together, and by a cut through the neck."""
from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from scipy import ndimage

from ...gazesplat_addon.splat import harmonics
from ...gazesplat_addon.splat.arrays import Splats
from ..render import RenderSettings, numba_training
from .views import View

CHIN = 152                  # MediaPipe's lowest point of the face
NECK_AXIS_Y_M = 0.045       # of the portrait frame: the neck's axis lies this far behind the eyes, about over the ears
CLUSTER_M = 0.006           # splats nearer than this hang together


@dataclass(frozen=True)
class Keep:
    """Thresholds of the isolation.

    inside_share     of what a splat shows, over all views, lies inside the masks
    least_opacity    fainter splats are dust
    least_weight_px  the most it shows in any view, in pixels; less was never seen, and so never learnt
    largest_only     drop whatever does not hang together with the head
    neck_below_chin_m, neck_radius_m   where the neck ends: below the chin, and from its axis; None = no cut
    """

    inside_share: float = 0.75
    least_opacity: float = 0.05
    least_weight_px: float = 0.02
    largest_only: bool = True
    neck_below_chin_m: float | None = 0.080
    neck_radius_m: float = 0.085


def head_of(splats: Splats, views: list[View], chin_m: np.ndarray | None, keep: Keep) -> np.ndarray:
    """Return which splats (N,) bool are the head. ``chin_m`` (3,) in the portrait frame; None = unknown, no neck cut."""
    inside, everywhere, most = weights_in_views(splats, views)
    head = (inside >= keep.inside_share * everywhere) & (splats.opacities >= keep.least_opacity) & (most >= keep.least_weight_px)
    if chin_m is not None and keep.neck_below_chin_m is not None:
        head &= ~_below_neck(splats.means, chin_m, keep)
    if keep.largest_only and head.any():
        head[head] = _largest_cluster(splats.means[head], splats.opacities[head])
    return head


def weights_in_views(splats: Splats, views: list[View]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three (N,) arrays in pixels: what each splat shows inside the masks, at all, and the most in one view.

    The rasteriser's own weights, so what is hidden behind others does not count.
    """
    inside, everywhere, most = np.zeros((3, len(splats)), np.float32)
    factors = splats.linear_factors()
    for view in views:
        posed = SimpleNamespace(means=splats.means, factors=factors, opacities=splats.opacities,
                                colours=np.maximum(harmonics.colours(splats, splats.means, view.camera.position), 0.0))
        _, tape = numba_training.forward(posed, view.camera, RenderSettings())
        probe = np.stack([view.mask, np.ones_like(view.mask), np.zeros_like(view.mask)], -1)
        shown = numba_training.backward(tape, probe).colours
        inside += shown[:, 0]
        everywhere += shown[:, 1]
        np.maximum(most, shown[:, 1], out=most)
    return inside, everywhere, most


def _below_neck(means: np.ndarray, chin_m: np.ndarray, keep: Keep) -> np.ndarray:
    """Return what lies below the cut, or below the chin and off the neck: shoulders and collar."""
    away = np.hypot(means[:, 0] - chin_m[0], means[:, 1] - NECK_AXIS_Y_M)
    return (means[:, 2] < chin_m[2] - keep.neck_below_chin_m) | ((means[:, 2] < chin_m[2] - 0.02) & (away > keep.neck_radius_m))


def _largest_cluster(means: np.ndarray, opacities: np.ndarray) -> np.ndarray:
    """Return which splats (N,) belong to the largest connected set of occupied voxels, by opacity."""
    index = np.floor((means - means.min(0)) / CLUSTER_M).astype(int)
    # A stray splat metres away must not make the grid huge.
    order = np.unique(index, axis=0, return_inverse=True)
    cells, of_splat = order[0], order[1].reshape(-1)
    if np.prod(cells.max(0) + 1.0) > 5e7:
        middle = np.abs(means - np.median(means, 0)).max(1) < 0.5
        found = np.zeros(len(means), bool)
        found[middle] = _largest_cluster(means[middle], opacities[middle])
        return found
    grid = np.zeros(cells.max(0) + 1, bool)
    grid[tuple(cells.T)] = True
    labels, _ = ndimage.label(grid, np.ones((3, 3, 3)))
    label = labels[tuple(cells.T)][of_splat]
    return label == np.argmax(np.bincount(label, opacities))
