# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras from the face alone, for a head that turns in front of a still camera: rigid bundle adjustment of landmarks.

The landmarks see neither hair nor wall, so it does not matter which of head and camera moved. What they lack in
precision their number and the canonical face make up for: its shape is a prior, not a fact.
"""
from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix
from scipy.spatial.transform import Rotation

from ..contract.errors import GazeSplatError
from ..model.face_model import EYES, LIPS, OVAL, face_model
from ..model.focal import focal_px
from ..model.perspective import estimate_equivalent_mm
from .clip import FACE, Frames
from .poses import Poses

FEWEST_FACES = 6
# Faces differ from the canonical one by this much (cm), focal lengths from the estimate by this factor's logarithm.
_SHAPE_SPREAD_CM, _FOCAL_SPREAD = 0.5, 0.25
# What one landmark's reading is worth, as a share of the face's size in pixels.
_READING_ERROR = 0.012


def face_poses(frames: Frames) -> Poses:
    """Return poses (in canonical centimetres) of every frame with a face. Raises GazeSplatError ``no-face``."""
    which = np.flatnonzero(frames.with_face)
    if len(which) < FEWEST_FACES:
        raise GazeSplatError("no-face", f"A face is found in only {len(which)} pictures of the clip.",
                             "Film one face from the front and both sides, upright and in even light.")
    used = _used_landmarks()
    seen = frames.landmarks_px[which][:, used, :2]
    focal = _first_focal(frames, which)
    poses = np.array([_first_pose(points, used, focal, frames) for points in seen])
    focal, poses, _ = _adjust(seen, used, focal, poses, frames)
    placed = np.tile(np.eye(4), (len(which), 1, 1))
    placed[:, :3, :3] = Rotation.from_rotvec(poses[:, :3]).as_matrix()
    placed[:, :3, 3] = poses[:, 3:]
    return Poses(which, placed, (focal, frames.width / 2, frames.height / 2, 0.0), np.zeros((0, 3)), np.zeros((0, 3), np.uint8), FACE)


def _used_landmarks() -> np.ndarray:
    """Return the landmarks that neither slide along a contour nor move with the mouth and lids."""
    loose = set(OVAL) | set(LIPS) | {i for eye in EYES.values() for i in eye}
    vertices = face_model().vertices
    low = vertices[:, 1] < vertices[list(LIPS), 1].min()
    return np.array([i for i in range(468) if i not in loose and not low[i]][::2])


def _first_focal(frames: Frames, which: np.ndarray) -> float:
    """Return the focal length in pixels that the most frontal faces' perspective suggests."""
    wide = [np.ptp(frames.landmarks_px[i, list(OVAL), 0]) / np.ptp(frames.landmarks_px[i, list(OVAL), 1]) for i in which]
    best = which[np.argsort(wide)[-5:]]
    equivalents = [estimate_equivalent_mm(frames.landmarks_px[i], frames.width, frames.height) for i in best]
    return focal_px(float(np.median(equivalents)), frames.width, frames.height)


def _first_pose(points: np.ndarray, used: np.ndarray, focal: float, frames: Frames) -> np.ndarray:
    """Return rotation vector and shift (6,) that lay the canonical face over one reading."""
    camera = np.array([[focal, 0.0, frames.width / 2], [0.0, focal, frames.height / 2], [0.0, 0.0, 1.0]])
    shape, flat = face_model().vertices[used], np.ascontiguousarray(points)
    _, turn, shift = cv2.solvePnP(shape, flat, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    turn, shift = cv2.solvePnPRefineLM(shape, flat, camera, None, turn, shift)
    return np.concatenate([turn[:, 0], shift[:, 0]])


def _adjust(seen: np.ndarray, used: np.ndarray, focal: float, poses: np.ndarray, frames: Frames) -> tuple[float, np.ndarray, np.ndarray]:
    """Return focal length, poses (K, 6) and shape (n, 3) that explain all readings (K, n, 2) best."""
    count, size = seen.shape[:2]
    canonical = face_model().vertices[used]
    middle = np.array([frames.width / 2, frames.height / 2])
    unit = _READING_ERROR * np.ptp(seen, axis=1).max(axis=-1)[:, None, None]
    facing = _facing(poses, used)[..., None]

    def residuals(x: np.ndarray) -> np.ndarray:
        shape = x[:3 * size].reshape(-1, 3)
        pose = x[3 * size:-1].reshape(-1, 6)
        placed = np.einsum("kij,nj->kni", Rotation.from_rotvec(pose[:, :3]).as_matrix(), shape) + pose[:, None, 3:]
        flat = np.exp(x[-1]) * placed[..., :2] / placed[..., 2:] + middle
        readings = facing * (flat - seen) / unit
        return np.concatenate([readings.ravel(), ((shape - canonical) / _SHAPE_SPREAD_CM).ravel(),
                               [(x[-1] - np.log(focal)) / _FOCAL_SPREAD]])

    start = np.concatenate([canonical.ravel(), poses.ravel(), [np.log(focal)]])
    answer = least_squares(residuals, start, jac_sparsity=_sparsity(count, size), loss="soft_l1", x_scale="jac", max_nfev=25)
    return float(np.exp(answer.x[-1])), answer.x[3 * size:-1].reshape(-1, 6), answer.x[:3 * size].reshape(-1, 3)


def _facing(poses: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return how much (0.05..1) each landmark faces each camera (K, n): those that turn away are guessed."""
    model = face_model()
    corners = model.vertices[model.triangles]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(model.vertices)
    for corner in range(3):
        np.add.at(normals, model.triangles[:, corner], flat)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    turns = Rotation.from_rotvec(poses[:, :3]).as_matrix()
    placed = np.einsum("kij,nj->kni", turns, model.vertices[used]) + poses[:, None, 3:]
    toward = -placed / np.linalg.norm(placed, axis=-1, keepdims=True)
    return np.clip(np.einsum("kni,kij,nj->kn", toward, turns, normals[used]), 0.05, 1.0)


def _sparsity(count: int, size: int) -> lil_matrix:
    """Return which residual depends on which unknown: (2 K n + 3 n + 1, 3 n + 6 K + 1)."""
    pattern = lil_matrix((2 * count * size + 3 * size + 1, 3 * size + 6 * count + 1), dtype=np.int8)
    rows = np.arange(2 * count * size)
    frame, point = rows // (2 * size), rows // 2 % size
    for axis in range(3):
        pattern[rows, 3 * point + axis] = 1
    for axis in range(6):
        pattern[rows, 3 * size + 6 * frame + axis] = 1
    pattern[:, -1] = 1
    own = np.arange(3 * size)
    pattern[2 * count * size + own, own] = 1
    return pattern
