# SPDX-License-Identifier: GPL-3.0-or-later
"""How far away was the camera, when the file does not say? The face's own perspective tells, roughly.

A near camera makes noses large and ears small. The canonical face is laid over the landmarks for a range of
focal lengths; how badly each fits is weighed against what people photograph themselves with. Faces differ from
the canonical one by more than perspective does at arm's length, so the prior counts as much as the fit: on
photos whose lens is known, the estimate is within a factor of 1.7 (the fixed lens of a phone assumed: of 3.7).
"""
from __future__ import annotations

import cv2
import numpy as np

from .face_model import face_model
from .focal import focal_px

# The 468 errors are so strongly correlated that they weigh like this many independent ones; chosen so that
# two photos of one head at 30 and 60 cm by one camera agree.
INDEPENDENT_ERRORS = 10.0
# Selfies and portraits without EXIF: 35 mm equivalents around 30, two thirds of them within a factor exp(0.5).
PRIOR_EQUIVALENT_MM, PRIOR_SPREAD = 30.0, 0.5
_CANDIDATES_MM = np.exp(np.linspace(np.log(18.0), np.log(120.0), 20))


def estimate_equivalent_mm(points_px: np.ndarray, width_px: int, height_px: int) -> float:
    """Return the likeliest 35 mm equivalent of a whole, uncropped picture given its landmarks (478, 3)."""
    errors = np.array([_misfit(points_px, focal_px(mm, width_px, height_px), width_px, height_px) for mm in _CANDIDATES_MM])
    prior = (np.log(_CANDIDATES_MM / PRIOR_EQUIVALENT_MM) / PRIOR_SPREAD) ** 2 / 2.0
    return float(_CANDIDATES_MM[np.argmin(INDEPENDENT_ERRORS * np.log(errors) + prior)])


def _misfit(points_px: np.ndarray, focal: float, width_px: int, height_px: int) -> float:
    """Return the rms distance, pixels, between the landmarks and the best-placed canonical face."""
    camera = np.array([[focal, 0.0, width_px / 2], [0.0, focal, height_px / 2], [0.0, 0.0, 1.0]])
    vertices = face_model().vertices * [1.0, -1.0, -1.0]
    seen = np.ascontiguousarray(points_px[:468, :2])
    _, rotation, shift = cv2.solvePnP(vertices, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    rotation, shift = cv2.solvePnPRefineLM(vertices, seen, camera, None, rotation, shift)
    projected = cv2.projectPoints(vertices, rotation, shift, camera, None)[0][:, 0]
    return float(np.sqrt(((projected - seen) ** 2).sum(axis=1).mean()))
