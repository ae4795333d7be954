# SPDX-License-Identifier: GPL-3.0-or-later
"""What the browser original does to eyes, by its own formulas, as the row to beat."""
from __future__ import annotations

import cv2
import numpy as np

DISC_IPD_SHARE = 0.15     # radius of the disc that is moved, in interpupillary distances
TRAVEL_SHARE = 1.2        # its travel in radii times the sine of the gaze angle


def disc_slide(photo: np.ndarray, eyes2d: dict, gaze_deg: tuple[float, float]) -> np.ndarray:
    """Return the photo (H, W, 3) with a disc round each iris slid by dx = sin(yaw) r 1.2, dy = -sin(pitch) r 1.2."""
    irises = [np.asarray(eye["iris_px"]) for eye in eyes2d.values()]
    radius = DISC_IPD_SHARE * float(np.linalg.norm(irises[0] - irises[1]))
    yaw, pitch = np.radians(gaze_deg)
    shift = np.array([np.sin(yaw), -np.sin(pitch)]) * radius * TRAVEL_SHARE
    height, width = photo.shape[:2]
    moved = cv2.warpAffine(photo, np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]]), (width, height), flags=cv2.INTER_CUBIC,
                           borderMode=cv2.BORDER_REPLICATE)
    rows, columns = np.mgrid[:height, :width] + 0.5
    out = photo.copy()
    for iris in irises:
        share = np.clip(radius - np.hypot(columns - iris[0] - shift[0], rows - iris[1] - shift[1]) + 0.5, 0.0, 1.0)[..., None]
        out = out * (1.0 - share) + moved * share
    return out.astype(np.float32)
