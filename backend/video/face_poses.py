# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras from the face alone, for a head that turns in front of a still camera: rigid bundle adjustment of landmarks.

The landmarks see neither hair nor wall, so it does not matter which of head and camera moved. What they lack in
precision their number and the canonical face make up for: its shape is a prior, not a fact.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from ..contract.errors import GazeSplatError
from ..model.face_model import EYES, LIPS, OVAL, face_model
from ..model.focal import focal_px
from ..model.perspective import estimate_equivalent_mm
from .clip import FACE, Frames
from .face_tracks import Tracks, head_tracks
from .poses import Poses
from .upright import quarter_turns, turned_points

FEWEST_FACES = 6
# Faces differ from the canonical one by this much (cm), focal lengths from the estimate by this factor's logarithm.
_SHAPE_SPREAD_CM, _FOCAL_SPREAD = 0.5, 0.25
# What one landmark's reading is worth, as a share of the face's size in pixels.
_READING_ERROR = 0.012
# Landmarks' errors are alike from frame to frame, so beside followed points each counts for less.
_LANDMARKS_BESIDE_TRACKS = 0.15
# Followed points that miss by more are dropped: after the first adjustment, and after the second.
_FIRST_MISS_PX, _LAST_MISS_PX = 8.0, 2.5
_MOST_STEPS = 30


@dataclass(frozen=True)
class Readings:
    """M readings: the frame (M,) and the point (M,) each is of, its pixels (M, 2) and its weight (M,) in 1 / pixels."""

    frame: np.ndarray
    point: np.ndarray
    pixels: np.ndarray
    weight: np.ndarray

    def trusted(self, share: float) -> Readings:
        """Return the readings with their weights scaled."""
        return Readings(self.frame, self.point, self.pixels, share * self.weight)

    def joined(self, other: Readings) -> Readings:
        """Return these readings and others."""
        return Readings(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


def face_poses(frames: Frames, *, with_tracks: bool = False, report: Callable[[], None] = lambda: None) -> Poses:
    """Return poses (in canonical centimetres) of every frame with a face. Raises GazeSplatError ``no-face``.

    ``with_tracks``: follow points of the head too, which needs its masks and takes longer, and makes the turns precise;
    ``report`` is called often meanwhile, and may raise to stop.
    """
    which = np.flatnonzero(frames.with_face)
    if len(which) < FEWEST_FACES:
        raise GazeSplatError("no-face", f"A face is found in only {len(which)} pictures of the clip.",
                             "Film one face from the front and both sides, upright and in even light.")
    used = _used_landmarks()
    seen = frames.landmarks_px[which][:, used, :2]
    focal = _first_focal(frames, which)
    poses = np.array([_first_pose(points, used, focal, frames) for points in seen])
    readings = _landmark_readings(seen, _facing(poses, used))
    focal, poses, shape = _adjust(readings, face_model().vertices[used], len(used), focal, poses, frames, report)
    points, colours = np.zeros((0, 3)), np.zeros((0, 3), np.uint8)
    if with_tracks:
        focal, poses, points, colours = _with_tracks(frames, which, readings, shape, focal, poses, report)
    return Poses(which, _placed(poses), (focal, frames.width / 2, frames.height / 2, 0.0), points, colours, FACE)


def _with_tracks(frames: Frames, which: np.ndarray, readings: Readings, shape: np.ndarray, focal: float, poses: np.ndarray,
                 report: Callable[[], None]) -> tuple:
    """Return focal length, poses, points (P, 3) and colours after adjusting landmarks and followed points together, twice."""
    tracks = head_tracks(frames, which, np.argsort(Rotation.from_rotvec(poses[:, :3]).as_matrix()[:, 0, 2]), report)
    landmarks, size = readings.trusted(_LANDMARKS_BESIDE_TRACKS), len(shape)
    for limit in (_FIRST_MISS_PX, _LAST_MISS_PX, None):
        points = np.concatenate([shape, _met(tracks, poses, focal, frames)])
        every = landmarks.joined(Readings(tracks.frame, size + tracks.point, tracks.pixels, np.ones(len(tracks.frame))))
        focal, poses, points = _adjust(every, points, size, focal, poses, frames, report)
        shape, points = points[:size], points[size:]
        if limit is not None:
            placed = np.einsum("mij,mj->mi", _placed(poses)[tracks.frame, :3, :3], points[tracks.point]) + poses[tracks.frame, 3:]
            flat = focal * placed[:, :2] / placed[:, 2:] + [frames.width / 2, frames.height / 2]
            tracks = tracks.only((np.linalg.norm(flat - tracks.pixels, axis=1) < limit) & (placed[:, 2] > 0.0))
    return focal, poses, points, tracks.colours


def _met(tracks: Tracks, poses: np.ndarray, focal: float, frames: Frames) -> np.ndarray:
    """Return where the rays of each track come nearest (P, 3)."""
    placed = _placed(poses)
    centres = -np.einsum("kji,kj->ki", placed[:, :3, :3], placed[:, :3, 3])
    rays = np.column_stack([(tracks.pixels - [frames.width / 2, frames.height / 2]) / focal, np.ones(len(tracks.frame))])
    rays = np.einsum("mji,mj->mi", placed[tracks.frame, :3, :3], rays / np.linalg.norm(rays, axis=1, keepdims=True))
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    normal, side = np.zeros((len(tracks.colours), 3, 3)), np.zeros((len(tracks.colours), 3))
    # A weak pull to the middle of the head, for rays that are nearly parallel.
    normal += 1e-4 * np.eye(3)
    np.add.at(normal, tracks.point, across)
    np.add.at(side, tracks.point, np.einsum("mij,mj->mi", across, centres[tracks.frame]))
    return np.linalg.solve(normal, side[..., None])[..., 0]


def _placed(poses: np.ndarray) -> np.ndarray:
    """Return (K, 4, 4) of rotation vectors and shifts (K, 6)."""
    placed = np.tile(np.eye(4), (len(poses), 1, 1))
    placed[:, :3, :3] = Rotation.from_rotvec(poses[:, :3]).as_matrix()
    placed[:, :3, 3] = poses[:, 3:]
    return placed


def _used_landmarks() -> np.ndarray:
    """Return the landmarks that neither slide along a contour nor move with the mouth and lids."""
    loose = set(OVAL) | set(LIPS) | {i for eye in EYES.values() for i in eye}
    vertices = face_model().vertices
    low = vertices[:, 1] < vertices[list(LIPS), 1].min()
    return np.array([i for i in range(468) if i not in loose and not low[i]][::2])


def _first_focal(frames: Frames, which: np.ndarray) -> float:
    """Return the focal length in pixels that the most frontal faces' perspective suggests."""
    upright = {}
    for i in which:
        turns, size = quarter_turns(frames.landmarks_px[i]), (frames.width, frames.height)
        upright[i] = (turned_points(frames.landmarks_px[i], turns, size), *(size if turns % 2 == 0 else size[::-1]))
    wide = [np.ptp(points[list(OVAL), 0]) / np.ptp(points[list(OVAL), 1]) for points, _, _ in upright.values()]
    equivalents = [estimate_equivalent_mm(*upright[i]) for i in which[np.argsort(wide)[-5:]]]
    return focal_px(float(np.median(equivalents)), frames.width, frames.height)


def _first_pose(points: np.ndarray, used: np.ndarray, focal: float, frames: Frames) -> np.ndarray:
    """Return rotation vector and shift (6,) that lay the canonical face over one reading."""
    camera = np.array([[focal, 0.0, frames.width / 2], [0.0, focal, frames.height / 2], [0.0, 0.0, 1.0]])
    shape, flat = face_model().vertices[used], np.ascontiguousarray(points)
    _, turn, shift = cv2.solvePnP(shape, flat, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    turn, shift = cv2.solvePnPRefineLM(shape, flat, camera, None, turn, shift)
    return np.concatenate([turn[:, 0], shift[:, 0]])


def _landmark_readings(seen: np.ndarray, facing: np.ndarray) -> Readings:
    """Return landmarks (K, n, 2) as readings that count by how much they face the camera (K, n)."""
    count, size = seen.shape[:2]
    unit = _READING_ERROR * np.ptp(seen, axis=1).max(axis=-1)[:, None]
    return Readings(np.repeat(np.arange(count), size), np.tile(np.arange(size), count), seen.reshape(-1, 2), (facing / unit).ravel())


def _adjust(readings: Readings, points: np.ndarray, canonical: int, focal: float, poses: np.ndarray, frames: Frames,
            report: Callable[[], None]) -> tuple[float, np.ndarray, np.ndarray]:
    """Return focal length, poses (K, 6) and points (P, 3) that explain all readings best.

    The first ``canonical`` points are landmarks, held near the canonical face; the others are free.
    """
    count, size = len(poses), len(points)
    middle = np.array([frames.width / 2, frames.height / 2])
    ideal = face_model().vertices[_used_landmarks()]

    def residuals(x: np.ndarray) -> np.ndarray:
        report()
        shape, pose = x[:3 * size].reshape(-1, 3), x[3 * size:-1].reshape(-1, 6)
        turns = Rotation.from_rotvec(pose[:, :3]).as_matrix()
        placed = np.einsum("mij,mj->mi", turns[readings.frame], shape[readings.point]) + pose[readings.frame, 3:]
        flat = np.exp(x[-1]) * placed[:, :2] / np.maximum(placed[:, 2:], 1.0) + middle
        misses = readings.weight[:, None] * (flat - readings.pixels)
        return np.concatenate([misses.ravel(), ((shape[:canonical] - ideal) / _SHAPE_SPREAD_CM).ravel(),
                               [(x[-1] - np.log(focal)) / _FOCAL_SPREAD]])

    start = np.concatenate([points.ravel(), poses.ravel(), [np.log(focal)]])
    pattern = _sparsity(readings, canonical, size, count)
    answer = least_squares(residuals, start, jac_sparsity=pattern, loss="soft_l1", x_scale="jac", max_nfev=_MOST_STEPS)
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


def _sparsity(readings: Readings, canonical: int, size: int, count: int) -> csr_matrix:
    """Return which residual depends on which unknown: (2 M + 3 canonical + 1, 3 P + 6 K + 1)."""
    rows = np.arange(2 * len(readings.frame))
    point, frame = np.repeat(readings.point, 2), np.repeat(readings.frame, 2)
    last = 3 * size + 6 * count
    own = np.arange(3 * canonical)
    i = np.concatenate([np.tile(rows, 10), len(rows) + own, [len(rows) + len(own)]])
    j = np.concatenate([*(3 * point + axis for axis in range(3)), *(3 * size + 6 * frame + axis for axis in range(6)),
                        np.full(len(rows), last), own, [last]])
    return csr_matrix((np.ones(len(i), np.int8), (i, j)), (len(rows) + len(own) + 1, last + 1))
