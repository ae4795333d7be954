# SPDX-License-Identifier: GPL-3.0-or-later
"""Where both eyes must turn to look at one point."""
from __future__ import annotations

import numpy as np

from .pose import EyePose, Pose
from .sidecar import EyeRig, PortraitRig


def eye_angles_toward(rig: EyeRig, point_m: np.ndarray) -> tuple[float, float]:
    """Return (yaw_deg, pitch_deg) relative to the photo's gaze that bring the axis onto a point of the portrait frame.

    Limits are not applied. The direction is taken from the globe's centre; its yaw pivot lies there.
    """
    x, y, z = (np.asarray(point_m, float) - np.asarray(rig.centre_m)) @ rig.gaze_frame()
    return float(np.degrees(np.arctan2(x, z))), float(np.degrees(np.arctan2(y, np.hypot(x, z))))


def eye_poses_toward(rig: PortraitRig, point_m: np.ndarray) -> Pose:
    """Return the pose in which both eyes converge on a point of the portrait frame."""
    return Pose({side: EyePose(*eye_angles_toward(eye, point_m)) for side, eye in rig.eyes.items()})
