# SPDX-License-Identifier: GPL-3.0-or-later
"""Flat Gaussians on sampled surfaces, and the opacity of translucent layers of them."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...gazesplat_addon.splat.arrays import Splats, quaternions_of

FILL = 0.62             # standard deviation per cell edge: neighbours sum to an even surface
THICKNESS_M = 6e-5
OPAQUE = 0.993          # logit 5
LOW_PASS_PX2 = 0.03     # the viewer's 0.3 px2 in photo pixels when the photo's detail is shown about threefold


@dataclass(frozen=True)
class Layer:
    """Splats of one part, all in the portrait frame."""

    splats: Splats
    groups: np.ndarray   # (N,) uint8


def surfels(centres: np.ndarray, edge_1: np.ndarray, edge_2: np.ndarray, colours: np.ndarray, opacities: np.ndarray | float,
            group: int | np.ndarray) -> Layer:
    """Return Gaussians whose footprints cover the cells spanned by edge_1 and edge_2 (N, 3) at centres (N, 3)."""
    n = len(centres)
    length_1 = np.linalg.norm(edge_1, axis=1) + 1e-12
    axis_1 = edge_1 / length_1[:, None]
    across = edge_2 - (edge_2 * axis_1).sum(1)[:, None] * axis_1
    length_2 = np.linalg.norm(across, axis=1) + 1e-12
    axis_2 = across / length_2[:, None]
    rotation = np.stack([axis_1, axis_2, np.cross(axis_1, axis_2)], 2)
    scales = np.stack([FILL * length_1, FILL * length_2, np.full(n, THICKNESS_M)], 1)
    splats = Splats(centres.astype(np.float32), scales.astype(np.float32), quaternions_of(rotation).astype(np.float32),
                    np.broadcast_to(np.asarray(opacities, np.float32), n).copy(), np.asarray(colours, np.float32),
                    np.zeros((n, 0, 3), np.float32))
    return Layer(splats, np.broadcast_to(np.asarray(group, np.uint8), n).copy())


def layered_opacity(alpha: np.ndarray, edge_1_px: np.ndarray, edge_2_px: np.ndarray, overlap: float = 1.0) -> np.ndarray:
    """Return per-splat opacities (N,) such that overlapping cells add up to ``alpha`` in the photo's camera.

    ``overlap``: how many times larger than cells the splats were made.

    Cells overlap by their Gaussian tails and by the viewer's low-pass; a splat therefore gets
    1 - (1 - alpha)^k, k = cell area / effective Gaussian area.
    """
    area = edge_1_px * edge_2_px
    size = FILL * overlap
    spread = np.sqrt(((size * edge_1_px) ** 2 + LOW_PASS_PX2) * ((size * edge_2_px) ** 2 + LOW_PASS_PX2))
    k = np.clip(area / (2.0 * np.pi * spread), 0.01, 1.0)
    return 1.0 - (1.0 - np.clip(alpha, 0.0, 0.98)) ** k
