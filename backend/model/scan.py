# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read off a photo: the one bundle that depth, head and eye builders share."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...gazesplat_addon.rig.eye_marks import WHOLE_PHOTO, Crop
from ..eyes.contour import EyeContour


@dataclass(frozen=True)
class EyeRuler:
    """Lengths of a human eye in metres; the metric ruler of a selfie, and overridable per portrait.

    iris_diameter_m  horizontal visible iris diameter, 11.8 mm (mean of n=200 and n=461; 10.2-13.0)
    lever_yaw_m      yaw rotation centre to iris plane, 10.8 mm (Fry & Hill: 14.7 behind the apex, iris plane 3.9)
    lever_pitch_m    pitch rotation centre to iris plane, 8.1 mm (Fry & Hill: 12.0 behind the apex)
    globe_radius_m   radius of the scleral sphere, 12 mm
    """

    iris_diameter_m: float = 0.0118
    lever_yaw_m: float = 0.0108
    lever_pitch_m: float = 0.0081
    globe_radius_m: float = 0.0120


@dataclass(frozen=True)
class FaceScan:
    """One upright photo cropped round the head, its camera, landmarks, mask and depth.

    image             (H, W, 3) float32, sRGB 0..1, pixel centres at +0.5
    landmarks_px      (478, 3)  float64, MediaPipe face mesh with irises: x, y in pixels of ``image``, z in the same unit
    blendshapes       52 scores 0..1 by name
    fx, fy, cx, cy    intrinsics of ``image`` in pixels (the principal point may lie outside a crop)
    portrait_to_camera (4, 4)  rigid, OpenCV camera; portrait frame: metres, +Z up, -Y forward, +X subject's left,
                      origin midway between the eyes
    head_mask         (H, W) float32 0..1, head with hair, ears and neck, soft edge
    depth_m           (H, W) float32, planar z in the camera, metres; NaN outside the mask
    back_depth_m      (H, W) float32, the same of the head's far side, which no photo shows; meets depth_m at the rim
    eyes              lid curves and irises by side, as found in ``image``
    ruler             the eye lengths used for the metric scale
    crop              where ``image`` lies in the whole upright photo
    """

    image: np.ndarray
    landmarks_px: np.ndarray
    blendshapes: dict[str, float]
    fx: float
    fy: float
    cx: float
    cy: float
    portrait_to_camera: np.ndarray
    head_mask: np.ndarray
    depth_m: np.ndarray
    back_depth_m: np.ndarray
    eyes: dict[str, EyeContour]
    ruler: EyeRuler
    crop: Crop = WHOLE_PHOTO

    @property
    def portrait_rotation(self) -> np.ndarray:
        """(3, 3) rotation from the camera frame to the portrait frame."""
        return self.portrait_to_camera[:3, :3].T

    def to_portrait(self, points_camera: np.ndarray) -> np.ndarray:
        """Map points (..., 3) from the camera frame to the portrait frame, metres."""
        return (points_camera - self.portrait_to_camera[:3, 3]) @ self.portrait_to_camera[:3, :3]

    def to_camera(self, points_portrait: np.ndarray) -> np.ndarray:
        """Map points (..., 3) from the portrait frame to the camera frame, metres."""
        return points_portrait @ self.portrait_to_camera[:3, :3].T + self.portrait_to_camera[:3, 3]

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Return camera-frame rays (..., 3) with z = 1 through pixel positions (..., 2)."""
        x = (pixels[..., 0] - self.cx) / self.fx
        y = (pixels[..., 1] - self.cy) / self.fy
        return np.stack([x, y, np.ones_like(x)], axis=-1)

    def project(self, points_portrait: np.ndarray) -> np.ndarray:
        """Return pixel positions (..., 2) of points (..., 3) of the portrait frame."""
        p = self.to_camera(points_portrait)
        return np.stack([p[..., 0] / p[..., 2] * self.fx + self.cx, p[..., 1] / p[..., 2] * self.fy + self.cy], axis=-1)
