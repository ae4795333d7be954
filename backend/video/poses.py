# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras that were found, in any frame and unit, and what the face's landmarks say about them."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# No reading of a landmark is more precise.
_LEAST_SPREAD_PX = 0.3


@dataclass(frozen=True)
class Poses:
    """K of a clip's frames with cameras in an arbitrary frame.

    which             (K,) int, indices of the frames
    world_to_camera   (K, 4, 4) rigid, OpenCV
    lens              focal, cx, cy, radial (SIMPLE_RADIAL), pixels
    points, colours   (N, 3) float64 and (N, 3) uint8
    source            as in clip.Cameras
    """

    which: np.ndarray
    world_to_camera: np.ndarray
    lens: tuple[float, float, float, float]
    points: np.ndarray
    colours: np.ndarray
    source: str

    @property
    def centres(self) -> np.ndarray:
        """(K, 3) the cameras' positions."""
        return -np.einsum("kji,kj->ki", self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return pixels (K, N, 2) of points (N, 3); NaN behind a camera."""
        focal, cx, cy, radial = self.lens
        seen = np.einsum("kij,nj->kni", self.world_to_camera[:, :3, :3], points) + self.world_to_camera[:, None, :3, 3]
        flat = seen[..., :2] / np.where(seen[..., 2:] > 1e-9, seen[..., 2:], np.nan)
        return flat * (1.0 + radial * (flat ** 2).sum(axis=-1, keepdims=True)) * focal + [cx, cy]

    def depths(self, points: np.ndarray) -> np.ndarray:
        """Return planar depths (K, N) of points (N, 3)."""
        return np.einsum("kj,nj->kn", self.world_to_camera[:, 2, :3], points) + self.world_to_camera[:, 2, 3][:, None]

    def directions(self, pixels: np.ndarray) -> np.ndarray:
        """Return unit rays (K, N, 3), world frame, through pixels (K, N, 2)."""
        focal, cx, cy, radial = self.lens
        flat = straightened((pixels - [cx, cy]) / focal, radial)
        rays = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
        rays = np.einsum("kji,knj->kni", self.world_to_camera[:, :3, :3], rays)
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)

    def moved(self, scale: float, rotation: np.ndarray, shift: np.ndarray) -> Poses:
        """Return the same cameras after the world's similarity x -> scale rotation x + shift."""
        placed = self.world_to_camera.copy()
        placed[:, :3, :3] = self.world_to_camera[:, :3, :3] @ rotation.T
        placed[:, :3, 3] = scale * self.world_to_camera[:, :3, 3] - np.einsum("kij,j->ki", placed[:, :3, :3], shift)
        return replace(self, world_to_camera=placed, points=scale * self.points @ rotation.T + shift)


@dataclass(frozen=True)
class FacePoints:
    """The landmarks (478, 3) met in space, NaN where too few views saw one, and each view's median error (K,) in pixels."""

    points: np.ndarray
    errors_px: np.ndarray

    @property
    def median_px(self) -> float:
        """The median over views of the landmarks' median reprojection error; infinite without any face."""
        known = self.errors_px[np.isfinite(self.errors_px)]
        return float(np.median(known)) if len(known) else float("inf")


def straightened(seen: np.ndarray, radial: float) -> np.ndarray:
    """Return where a pinhole would see what a SIMPLE_RADIAL lens shows at ``seen`` (..., 2), both over the focal length.

    Newton's steps on the radius r of r (1 + k r^2); beyond a barrel lens' turning point nothing was ever seen, and that point is taken.
    """
    length = np.linalg.norm(seen, axis=-1, keepdims=True)
    most = np.sqrt(-1.0 / (3.0 * radial)) if radial < 0.0 else np.inf
    r = np.minimum(length, 0.9 * most)
    for _ in range(8):
        r = np.clip(r - (r * (1.0 + radial * r * r) - length) / np.maximum(1.0 + 3.0 * radial * r * r, 1e-3), 0.0, most)
    return seen * np.where(length > 0.0, r / np.maximum(length, 1e-12), 1.0)


def triangulate(poses: Poses, landmarks_px: np.ndarray, rounds: int = 6) -> FacePoints:
    """Return where the rays through landmarks (K, 478, >= 2) of these poses' frames meet, outliers weighed down.

    Landmarks slide along the skin where it turns away from a camera, hence the weights: 1 / (1 + (error / spread)^2).
    """
    pixels = landmarks_px[..., :2]
    seen = np.isfinite(pixels[..., 0])
    rays = poses.directions(np.where(seen[..., None], pixels, 0.0))
    across = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    weight = seen.astype(np.float64)
    enough = seen.sum(axis=0) >= 2
    points = np.full((pixels.shape[1], 3), np.nan)
    error = np.full(seen.shape, np.nan)
    for _ in range(rounds if enough.any() else 0):
        normal = np.einsum("kn,knij->nij", weight, across)[enough] + 1e-9 * np.eye(3)
        side = np.einsum("kn,knij,kj->ni", weight, across, poses.centres)[enough]
        points[enough] = np.linalg.solve(normal, side[..., None])[..., 0]
        error = np.where(seen, np.linalg.norm(poses.project(points) - pixels, axis=-1), np.nan)
        spread = max(float(np.nanmedian(error)), _LEAST_SPREAD_PX)
        weight = np.where(seen, 1.0 / (1.0 + np.nan_to_num(error, nan=1e6) ** 2 / (2.0 * spread) ** 2), 0.0)
    known = seen.any(axis=1)
    errors = np.full(len(poses.which), np.nan)
    if enough.any():
        errors[known] = np.nanmedian(error[known][:, enough], axis=1)
    return FacePoints(points, errors)
