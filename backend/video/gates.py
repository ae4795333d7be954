# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether cameras can be believed. COLMAP's own error cannot say: it was 0.3 pixels for a run that was wrong by 18 cm.

Each gate is a sentence for the log and the artist; the face's landmarks are the judge that COLMAP never saw.
"""
from __future__ import annotations

import numpy as np

from ..model.camera import face_similarity
from ..model.face_model import face_model
from .clip import FACE, Frames
from .poses import FacePoints, Poses

FEWEST_REGISTERED = 0.7
FOCAL_RANGE = (0.5, 2.5)            # of the longer side
MOST_RADIAL = 0.3
FEWEST_POINTS = 300
# A head point lies inside this share of the masks of views that have it in their picture, which must be this share of all.
IN_HULL, SEEN_BY = 0.8, 0.5
# A clip in which at least this share of the frames shows a face is judged by its faces from the start.
MOST_FRAMES = 0.5
LANDMARK_LIMIT = 3.0 / 540.0        # of the shorter side: 3 pixels at 540p
MISREAD = 8.0                       # times this limit, and what was read is no face, or another one
# The middle of a head and the reach of hair and neck from there, in the canonical face's axes.
_HEAD_MIDDLE_CM, _HEAD_REACH_CM = (0.0, 3.0, -4.0), 18.0
# Cameras from the head alone that are as good as those of whole frames: a lens that phones have (a bent one hides a wrong focal
# length), every frame, many points, landmarks met well within the limit.
_CLEAR_RADIAL, _CLEAR_POINTS, _CLEAR_LANDMARKS = 0.03, 1500, 0.6
# A step between neighbouring frames, beside the usual one and beside the distance to the head.
_STEP_RATIO, _STEP_SHARE = 8.0, 0.25
# Directions from which the head is seen must differ by this much, or there is no depth in the clip.
LEAST_PARALLAX_DEG = 12.0


def head_points(poses: Poses, face: FacePoints, frames: Frames, known: np.ndarray) -> np.ndarray:
    """Return which points (N,) bool lie in the head's hull: inside the masks of nearly all views that have one, and near the face."""
    views = np.flatnonzero(known[poses.which])
    if not len(poses.points) or not len(views):
        return np.zeros(len(poses.points), bool)
    inside, seen = np.zeros((2, len(poses.points)))
    pixels = poses.project(poses.points)
    for k in views:
        mask = frames.mask(int(poses.which[k]))
        x, y = (np.nan_to_num(pixels[k], nan=-1.0)).T.astype(int)
        here = (x >= 0) & (y >= 0) & (x < frames.width) & (y < frames.height)
        inside[here] += mask[y[here], x[here]] > 0.5
        seen += here
    # Where the pictures cut a head off, nobody knows of what lies beyond.
    return (inside >= IN_HULL * np.maximum(seen, SEEN_BY * len(views))) & _near(poses.points, face)


def _near(points: np.ndarray, face: FacePoints) -> np.ndarray:
    """Return which points (N,) bool are within a head's reach of the face: a few masks from the front bound no depth."""
    if not np.isfinite(face.points[face_model().stable]).all():
        return np.ones(len(points), bool)
    units_per_cm, turn, shift = face_similarity(face.points)
    canonical = (points - shift) @ turn / units_per_cm
    return np.linalg.norm(canonical - _HEAD_MIDDLE_CM, axis=1) < _HEAD_REACH_CM


def doubts(poses: Poses, face: FacePoints, frames: Frames, in_head: int, *, ordered: bool) -> list[str]:
    """Return why these cameras cannot be believed; an empty list when they can.

    ``in_head`` is how many of the points lie in the head's hull, ``ordered`` whether neighbouring frames are neighbours in time.
    """
    focal, _, _, radial = poses.lens
    share, side = len(poses.which) / len(frames), max(frames.width, frames.height)
    limit = LANDMARK_LIMIT * min(frames.width, frames.height)
    found = []
    if share < FEWEST_REGISTERED:
        found.append(f"only {len(poses.which)} of {len(frames)} frames have a camera")
    if not FOCAL_RANGE[0] * side <= focal <= FOCAL_RANGE[1] * side:
        found.append(f"the focal length {focal:.0f} is {focal / side:.2f} of the picture's side")
    if abs(radial) > MOST_RADIAL:
        found.append(f"the lens' distortion {radial:.2f} is that of no phone")
    if poses.source != FACE and in_head < FEWEST_POINTS:
        found.append(f"only {in_head} points lie on the head")
    if not face.median_px <= limit:
        found.append(f"the face's landmarks miss by {face.median_px:.1f} pixels")
    if ordered and _jumps(poses, face):
        found.append("the camera's way has jumps")
    return found


def is_clear(poses: Poses, face: FacePoints, frames: Frames, in_head: int) -> bool:
    """Tell whether cameras without doubts are so good that another road is not worth its time."""
    limit = _CLEAR_LANDMARKS * LANDMARK_LIMIT * min(frames.width, frames.height)
    return len(poses.which) == len(frames) and abs(poses.lens[3]) <= _CLEAR_RADIAL and in_head >= _CLEAR_POINTS and face.median_px <= limit


def parallax_deg(poses: Poses, face: FacePoints) -> float:
    """Return the angle between the outermost directions from which the face is seen (5th to 95th percentile), degrees."""
    toward = poses.centres - np.nanmedian(face.points, axis=0)
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    middle = toward.mean(axis=0)
    _, _, axes = np.linalg.svd(toward - middle, full_matrices=False)
    along = np.degrees(np.arcsin(np.clip((toward - middle) @ axes[0], -1.0, 1.0)))
    return float(np.ptp(np.percentile(along, [5.0, 95.0])))


def _jumps(poses: Poses, face: FacePoints) -> bool:
    order = np.argsort(poses.which)
    steps = np.linalg.norm(np.diff(poses.centres[order], axis=0), axis=1) / np.maximum(np.diff(poses.which[order]), 1)
    away = float(np.median(np.linalg.norm(poses.centres - np.nanmedian(face.points, axis=0), axis=1)))
    return bool((steps > np.maximum(_STEP_RATIO * np.median(steps), _STEP_SHARE * away)).any())
