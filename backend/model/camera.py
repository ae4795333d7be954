# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the head stands before the camera: metric scale from the irises, rotation from the rigid part of the face."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .face_model import face_model
from .scan import EyeRuler

# Canonical face axes (x subject's left, y up, z out) from portrait axes (x left, y back, z up).
CANONICAL_FROM_PORTRAIT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera in pixels, centres at +0.5."""

    focal: float
    cx: float
    cy: float

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Return camera-frame rays (..., 3) with z = 1 through pixels (..., 2)."""
        xy = (np.asarray(pixels, float) - [self.cx, self.cy]) / self.focal
        return np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)


def unproject_landmarks(landmarks_px: np.ndarray, iris_radius_px: float, camera: Intrinsics, ruler: EyeRuler) -> np.ndarray:
    """Return the landmarks (478, 3) in metres, camera frame.

    The iris' size gives the distance of the iris plane; the mesh's relative z (in pixels of that plane) gives the
    rest, each point lying on its own ray: this undoes the perspective that makes noses large at arm's length.
    """
    distance = camera.focal * 0.5 * ruler.iris_diameter_m / iris_radius_px
    relative = landmarks_px[:, 2] - landmarks_px[[468, 473], 2].mean()
    depth = distance + relative * distance / camera.focal
    return camera.rays(landmarks_px[:, :2]) * depth[:, None]


def head_rotation(points_m: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) from the portrait frame to the camera frame, given landmarks (478, 3) in metres.

    A weighted similarity fit (Kabsch with scale) of the face's stable points to the canonical face.
    """
    model = face_model()
    weight = model.weights / model.weights.sum()
    source, target = model.vertices[model.stable], points_m[model.stable]
    source, target = source - weight @ source, target - weight @ target
    u, _, vt = np.linalg.svd((target * weight[:, None]).T @ source)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return u @ flip @ vt @ CANONICAL_FROM_PORTRAIT


def head_angles_deg(rotation: np.ndarray) -> tuple[float, float, float]:
    """Return yaw (+ = turned to the subject's left), pitch (+ = up) and roll of a head with this portrait-to-camera rotation."""
    forward, left = -rotation[:, 1], rotation[:, 0]
    yaw = np.degrees(np.arctan2(forward[0], -forward[2]))
    pitch = np.degrees(np.arcsin(np.clip(-forward[1], -1.0, 1.0)))
    return float(yaw), float(pitch), float(np.degrees(np.arctan2(left[1], left[0])))


def portrait_to_camera(rotation: np.ndarray, irises_m: np.ndarray, axes: np.ndarray, lever_m: float) -> np.ndarray:
    """Return the rigid (4, 4) placement whose origin lies midway between the globe centres.

    irises_m (2, 3) iris centres and axes (2, 3) unit gaze axes, both in the camera frame.
    """
    placement = np.eye(4)
    placement[:3, :3] = rotation
    placement[:3, 3] = (irises_m - lever_m * axes).mean(axis=0)
    return placement
