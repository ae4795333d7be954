# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras and poses in which a linear refit is made and judged: round the head, near and far, eyes moving.

Both sets follow a low-discrepancy sequence; the judges' views lie between those that were fitted.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...gazesplat_addon.rig.pose import Pose
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats
from ..render import Camera

SIZE_PX = 288
YAW_DEG, PITCH_DEG = 40.0, 20.0        # what a portrait of one photo is good for
DISTANCES = (2.0, 2.8, 4.5, 8.0)       # of the camera, in radii of the splats
REACHES = (0.55, 0.75, 1.0)            # half the picture's width, in radii
EYE_REACHES = (0.75, 1.0, 1.4)         # the same for close-ups of both eyes, in distances between the eyes
REST = (0.0, 0.0, 0.0)
# (yaw deg, pitch deg, blink) of both eyes. A film that overlaps others in one pose lies alone in the next: lids need all.
FITTED_POSES = ((-20.0, 0.0, 0.0), (0.0, 0.0, 1.0), (20.0, 3.0, 0.25), (0.0, 12.0, 0.0), (3.0, -14.0, 0.5), (0.0, 0.0, 0.75),
                (12.0, 8.0, 0.4), (-28.0, 5.0, 0.1), (-12.0, -8.0, 0.9))
JUDGED_POSES = ((-10.0, 5.0, 0.0), (14.0, -7.0, 0.3), (8.0, 10.0, 0.6), (0.0, -3.0, 0.85))
_OUTERMOST = 0.98                      # a few splats may float far off
# The plastic number's powers: the evenest additive sequence in two dimensions (Roberts 2018).
_STEP = np.array([0.7548776662466927, 0.5698402909980532])


@dataclass(frozen=True)
class Subject:
    """What cameras look at: its middle (3,) and the lengths of its pictures, metres."""

    middle: np.ndarray
    radius: float
    reaches: tuple[float, ...]


def whole(splats: Splats) -> Subject:
    """Return the splats as a subject: their median place and what holds all but the outermost."""
    middle = np.median(splats.means, axis=0).astype(np.float64)
    radius = max(float(np.quantile(np.linalg.norm(splats.means - middle, axis=1), _OUTERMOST)), 1e-6)
    return Subject(middle, radius, tuple(radius * reach for reach in REACHES))


def both_eyes(rig: PortraitRig, head: Subject) -> Subject:
    """Return the eyes as a subject, seen from as far as the head."""
    irises = np.array([eye.iris_centre_m for eye in rig.eyes.values()])
    apart = float(np.linalg.norm(np.ptp(irises, axis=0))) or 0.35 * head.radius
    return Subject(irises.mean(axis=0), head.radius, tuple(apart * reach for reach in EYE_REACHES))


def chosen_views(splats: Splats, rig: PortraitRig | None, count: int, *, judged: bool = False,
                 size_px: int = SIZE_PX) -> list[tuple[Camera, Pose]]:
    """Return cameras and poses; equal poses are the same object.

    Of a portrait within +-40 deg yaw and +-20 deg pitch of its front (-Y): its head, and close-ups of its posed eyes, by
    turns. Of other splats all round.
    """
    head = whole(splats)
    rigged = rig is not None and bool(rig.eyes)
    eyes = both_eyes(rig, head) if rigged else head
    rest, moved = Pose.both(*REST), [Pose.both(*pose) for pose in (JUDGED_POSES if judged else FITTED_POSES)]
    views = []
    for k, (u, v) in enumerate((0.5 + (np.arange(count)[:, None] + (0.5 if judged else 0.0)) * _STEP) % 1.0):
        yaw = np.radians(YAW_DEG) * (2.0 * u - 1.0) if rig is not None else 2.0 * np.pi * u
        # All round means even on the sphere, less its poles, where up is undefined.
        pitch = np.radians(PITCH_DEG) * (2.0 * v - 1.0) if rig is not None else np.arcsin(1.9 * v - 0.95)
        pose = rest if not rigged or k % 4 == 0 else moved[(k - k // 4) % len(moved)]
        views.append((_camera(eyes if k % 2 else head, k // 2, yaw, pitch, size_px), pose))
    return views


def _camera(subject: Subject, turn: int, yaw: float, pitch: float, size_px: int) -> Camera:
    """Return the camera of one turn through the distances and picture widths."""
    distance = DISTANCES[turn % len(DISTANCES)] * subject.radius
    focal_px = 0.5 * size_px * distance / subject.reaches[turn % len(subject.reaches)]
    backward = np.array([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.cross(-backward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    w2c = np.eye(4)
    w2c[:3, :3] = np.stack([right, np.cross(-backward, right), -backward])
    w2c[:3, 3] = -w2c[:3, :3] @ (subject.middle + distance * backward)
    return Camera(size_px, size_px, focal_px, focal_px, size_px / 2, size_px / 2, w2c, near_m=1e-3 * distance)
