# SPDX-License-Identifier: GPL-3.0-or-later
"""From arbitrary units to a head in metres: scale from the irises, the upright frame from the face's rigid part."""
from __future__ import annotations

import numpy as np

from ..eyes.find_eyes import find_eyes
from ..model.camera import CANONICAL_FROM_PORTRAIT, PUPIL_DISTANCE_M, face_similarity, head_angles_deg, personal_ruler
from ..model.scan import EyeRuler
from .clip import Frames
from .poses import FacePoints, Poses

IRISES = {"right": 468, "left": 473}
# Irises are measured in this many frames; being this far from frontal counts as much as being half as sharp.
_MOST_YAW_DEG, _EYES_MEASURED, _HALF_WORTH_DEG = 30.0, 10, 12.0
# How much of the head's turn the eyes make too: 0 = they follow the lens, 1 = they look ahead and their irises grow narrow.
_LEFT_BEHIND = np.linspace(0.0, 1.25, 26)
_OPEN = 0.4


def to_portrait_frame(poses: Poses, face: FacePoints, frames: Frames, ruler: EyeRuler, *, ruler_given: bool) \
        -> tuple[Poses, np.ndarray, EyeRuler, bool]:
    """Return the poses and the landmarks (478, 3) in the portrait frame, metres, the ruler that was used, and whether irises gave it.

    ``ruler_given``: the artist stated the iris' diameter, so it is not weighed against the distance between the eyes, which is
    all there is when no iris can be measured: a sleeper's, a statue's.
    """
    units_per_cm, turn, _ = face_similarity(face.points)
    rotation = (turn @ CANONICAL_FROM_PORTRAIT).T
    apart = float(np.linalg.norm(face.points[IRISES["left"]] - face.points[IRISES["right"]]))
    iris = _iris(poses, face.points, rotation, frames)
    if iris is None:
        scale = PUPIL_DISTANCE_M / apart
    else:
        diameter, depth = iris
        if not ruler_given:
            focal = poses.lens[0]
            ruler = personal_ruler(ruler, 0.5 * diameter * focal / depth, apart * focal / depth, focal)
        scale = ruler.iris_diameter_m / diameter
    middle = 0.5 * (face.points[IRISES["left"]] + face.points[IRISES["right"]])
    shift = -scale * rotation @ middle - [0.0, ruler.lever_yaw_m, 0.0]
    return poses.moved(scale, rotation, shift), scale * face.points @ rotation.T + shift, ruler, iris is not None


def _iris(poses: Poses, points: np.ndarray, rotation: np.ndarray, frames: Frames) -> tuple[float, float] | None:
    """Return the irises' diameter and their usual depth, in the poses' own unit; None when no frame shows them open and from the front."""
    diameters, depths, yaws = [], [], []
    for k, yaw_deg in _measurable(poses, rotation, frames)[:_EYES_MEASURED]:
        i = int(poses.which[k])
        found = find_eyes(frames.image(i).astype(np.float32) / np.float32(255.0), frames.landmarks_px[i])
        depth = poses.depths(points[list(IRISES.values())])[k]
        diameters.append(float(np.mean([2.0 * found[side].radius_px * d / poses.lens[0] for side, d in zip(IRISES, depth, strict=True)])))
        depths.append(float(depth.mean()))
        yaws.append(yaw_deg)
    if not diameters:
        return None
    return face_on(np.array(diameters), np.array(yaws)), float(np.median(depths))


def face_on(diameters: np.ndarray, yaws_deg: np.ndarray) -> float:
    """Return an iris' diameter as its own axis sees it, of readings (K,) in views from these yaws (K,) beside the head.

    Whoever looks into the lens has round irises in every view; whoever looks ahead has narrow ones from the side (6 % at 20 degrees).
    Which of the two it is, the readings say: the share of the narrowing that makes them agree best.
    """
    narrowing = 1.0 - _LEFT_BEHIND[:, None] * (1.0 - np.cos(np.radians(yaws_deg)))
    undone = diameters / narrowing
    middle = np.median(undone, axis=1)
    return float(middle[np.argmin(np.abs(undone / middle[:, None] - 1.0).sum(axis=1))])


def _measurable(poses: Poses, rotation: np.ndarray, frames: Frames) -> list[tuple[int, float]]:
    """Return the poses whose frames show both irises and their yaws (degrees), best first."""
    worth = {}
    for k, i in enumerate(poses.which):
        if not frames.with_face[i]:
            continue
        yaw, pitch, _ = head_angles_deg(poses.world_to_camera[k, :3, :3] @ rotation.T)
        if np.hypot(yaw, pitch) < _MOST_YAW_DEG and frames.eyes_open[i] > _OPEN:
            worth[k, yaw] = frames.sharpness[i] * 0.5 ** (np.hypot(yaw, pitch) / _HALF_WORTH_DEG) ** 2
    return sorted(worth, key=lambda one: -worth[one])
