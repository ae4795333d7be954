# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the head stands before the camera: metric scale from the irises, rotation from the rigid part of the face."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .face_model import face_model
from .scan import EyeRuler

# Canonical face axes (x subject's left, y up, z out) from portrait axes (x left, y back, z up).
CANONICAL_FROM_PORTRAIT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])

# Between the eyes' rotation centres: 63 mm with a spread of 3.6 mm (Dodgson 2004, n = 3976); irises: 11.8 mm, 4 %.
PUPIL_DISTANCE_M, PUPIL_DISTANCE_SPREAD = 0.063, 0.057
IRIS_SPREAD, IRIS_DIAMETERS_M = 0.04, (0.0102, 0.0130)
IRIS_RADIUS_ERROR_PX = 0.25     # of the fitted circle, as measured on rendered heads


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


def personal_ruler(ruler: EyeRuler, iris_radius_px: float, apart_px: float, focal_px: float) -> EyeRuler:
    """Return the ruler with the iris diameter that, at this measured radius, gives the likeliest metric scale.

    Two rulers lie in every face: the irises and the distance between them, ``apart_px`` (turned heads: in depth too).
    They are joined by their spreads; the fewer pixels an iris has, the less it counts. Irises that converge on the
    camera stand closer than the globes' centres.
    """
    distance = focal_px * 0.5 * ruler.iris_diameter_m / iris_radius_px
    converged = PUPIL_DISTANCE_M * distance / (distance + ruler.lever_yaw_m)
    implied = converged * 2.0 * iris_radius_px / apart_px
    iris_trust = 1.0 / (IRIS_SPREAD ** 2 + (IRIS_RADIUS_ERROR_PX / iris_radius_px) ** 2)
    apart_trust = 1.0 / PUPIL_DISTANCE_SPREAD ** 2
    share = apart_trust / (apart_trust + iris_trust)
    diameter = ruler.iris_diameter_m ** (1.0 - share) * implied ** share
    return replace(ruler, iris_diameter_m=float(np.clip(diameter, *IRIS_DIAMETERS_M)))


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
    """Return the rotation (3, 3) from the portrait frame to the camera frame, given landmarks (478, 3) in metres."""
    return face_similarity(points_m)[1] @ CANONICAL_FROM_PORTRAIT


def face_similarity(points_m: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return scale (metres per canonical centimetre), rotation (3, 3) and shift (3,): canonical face -> camera frame.

    A weighted similarity fit (Kabsch with scale) of the face's stable points, given landmarks (478, 3) in metres.
    """
    model = face_model()
    weight = model.weights / model.weights.sum()
    source, target = model.vertices[model.stable], points_m[model.stable]
    middle_source, middle_target = weight @ source, weight @ target
    source, target = source - middle_source, target - middle_target
    u, singular, vt = np.linalg.svd((target * weight[:, None]).T @ source)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(flip) @ vt
    scale = float((singular * flip).sum() / (weight * (source ** 2).sum(axis=1)).sum())
    return scale, rotation, middle_target - scale * rotation @ middle_source


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
