# SPDX-License-Identifier: GPL-3.0-or-later
"""Lid margins and an iris as they lie in a photo, in pixels.

Each curve keeps few degrees of freedom: freer ones score alike on rendered heads and wander off the lid on real photographs.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

# MediaPipe face-mesh indices; left and right are the subject's.
BROW_INDICES = {"right": (52, 65, 53), "left": (282, 295, 283)}
TERMS = 5


@dataclass(frozen=True)
class LidContour:
    """Both lid margins of one eye in the image, pixels.

    Local frame: origin at the inner corner, x along the corner line to the outer corner, y up in the face.
    Margins are sine series in t = acos(1 - 2 x / width_px).
    """

    origin: np.ndarray     # (2,) image position of the inner corner
    along: np.ndarray      # (2,) unit vector, inner to outer
    up: np.ndarray         # (2,) unit vector, up the face
    width_px: float
    upper: np.ndarray      # (TERMS,)
    lower: np.ndarray      # (TERMS,)

    def to_local(self, pixels: np.ndarray) -> np.ndarray:
        """Map image positions (..., 2) into the local frame."""
        d = np.asarray(pixels) - self.origin
        return np.stack([d @ self.along, d @ self.up], axis=-1)

    def to_image(self, local: np.ndarray) -> np.ndarray:
        """Map local positions (..., 2) into the image."""
        return self.origin + local[..., :1] * self.along + local[..., 1:2] * self.up

    def upper_at(self, x: np.ndarray) -> np.ndarray:
        """Height of the upper margin at local x; 0 beyond the corners."""
        return self._series(self.upper, x)

    def lower_at(self, x: np.ndarray) -> np.ndarray:
        """Height of the lower margin at local x; 0 beyond the corners."""
        return self._series(self.lower, x)

    def upside_down(self) -> LidContour:
        """Return the same lids in a frame whose y runs down the face: the lower lid is its upper one."""
        return replace(self, up=-self.up, upper=-self.lower, lower=-self.upper)

    def _series(self, coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
        t = np.arccos(np.clip(1.0 - 2.0 * np.asarray(x) / self.width_px, -1.0, 1.0))
        return sum(a * np.sin((n + 1) * t) for n, a in enumerate(coefficients))


@dataclass(frozen=True)
class EyeContour:
    """One eye as found in the photo: lids, iris circle (pixels) and the edge strength that supports it."""

    lids: LidContour
    iris_px: np.ndarray    # (2,) centre
    radius_px: float
    iris_step: float       # mean brightness step across the limbus, 0..1: small means a weak edge


def sample(image: np.ndarray, pixels: np.ndarray, interpolation: int = cv2.INTER_CUBIC) -> np.ndarray:
    """Sample an image at positions (N, 2), pixel centres at +0.5; returns (N,) or (N, C)."""
    xy = np.asarray(pixels, np.float32).reshape(-1, 1, 2)
    # cv2.remap takes at most 32767 rows: fold long lists into a block.
    rows = -(-len(xy) // 256)
    block = np.zeros((rows * 256, 2), np.float32)
    block[: len(xy)] = xy[:, 0]
    block = block.reshape(rows, 256, 2) - 0.5
    out = cv2.remap(image, np.ascontiguousarray(block[..., 0]), np.ascontiguousarray(block[..., 1]), interpolation,
                    borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(rows * 256, *image.shape[2:])[: len(xy)]
