# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the eyes look in the photo: into the lens, unless they clearly do not."""
from __future__ import annotations

import numpy as np

from ..model.scan import FaceScan

# MediaPipe's eyeLook scores are about 0.75 at 20 deg of true yaw (rendered heads), near 0 straight ahead.
DEGREES_PER_SCORE = 27.0
# Within this, blendshapes cannot tell a turned head's look into the lens from an averted one.
AVERTED_DEG = 11.0


def estimate_rest_gaze(scan: FaceScan) -> tuple[float, float] | None:
    """Return the gaze (yaw_deg, pitch_deg) in the head frame, or None for a look into the lens.

    Height stays that of the lens: the lids' follow makes vertical scores useless for small angles.
    """
    scores = scan.blendshapes
    left = scores["eyeLookOutLeft"] - scores["eyeLookInLeft"]
    right = scores["eyeLookInRight"] - scores["eyeLookOutRight"]
    yaw = DEGREES_PER_SCORE * 0.5 * (left + right)
    x, y, z = scan.to_portrait(np.zeros(3))         # the lens, seen from between the eyes
    lens_yaw, lens_pitch = np.degrees(np.arctan2(x, -y)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    if abs(yaw - lens_yaw) < AVERTED_DEG:
        return None
    return float(yaw), float(lens_pitch)
