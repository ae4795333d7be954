# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the cameras stood round the head: three roads, and gates that decide which of them to believe.

Features on the head alone work when the head turns before a still camera; features of the whole frame are more precise
when the head keeps still and the camera moves; the face's landmarks work when there are too few features.
"""
from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..model.scan import EyeRuler
from . import gates
from .clip import IMAGES, MASKS, SFM_HEAD, SFM_SCENE, Cameras, Clip, Frames, write_png
from .face_poses import FEWEST_FACES, face_poses
from .masks import outline_mask
from .metric import to_portrait_frame
from .poses import FacePoints, Poses, straightened, triangulate
from .sfm import run_sfm

LOG = logging.getLogger(__name__)

# The whole frame is believed before the head alone when the landmarks are met as well by it.
_AS_WELL = 1.03
BEST_FRAME = "best_frame.png"


@dataclass(frozen=True)
class Attempt:
    """One road's cameras, the landmarks triangulated with them, which points are the head's, and what speaks against them."""

    poses: Poses
    face: FacePoints
    in_head: np.ndarray
    doubts: list[str]


def find_cameras(frames: Frames, known: np.ndarray, work: Path, ruler: EyeRuler, context: JobContext, *,
                 ruler_given: bool, ordered: bool) -> Clip:
    """Return the frames that have a camera, undistorted, with their cameras in the portrait frame; resumes from ``work``.

    ``known`` (F,) tells where a mask is known, ``ordered`` whether the frames follow each other in time. Raises
    GazeSplatError: ``too-little-parallax``, ``no-cameras``, those of sfm.py and face_poses.py.
    """
    views = work / "views"
    cameras, chosen = Cameras.load(views), Frames.load(views)
    if cameras is not None and chosen is not None:
        return Clip(chosen, cameras)
    by_face = _by_face(frames, known, ordered)
    # A face that most frames show judges the whole clip before anything is matched.
    if by_face is not None and frames.with_face.mean() >= gates.MOST_FRAMES:
        _check_parallax(by_face, frames, work)
    best, why_not = _best_sfm(frames, known, work, context, ordered=ordered)
    if best is None:
        best = by_face and _by_face(frames, known, ordered, lambda: context.progress(0.95, "Following the head"))
        if best is None or best.doubts:
            nor = f"by the face alone, {best.doubts[0]}" if best else "too few frames show the face"
            raise GazeSplatError("no-cameras", f"It cannot be found out where the camera stood: {why_not}; {nor}.",
                                 "Film slowly round a still head for about five seconds, in even light, with the whole head in view.")
        context.warn("cameras-from-face", "The cameras were found from the face alone, because the pictures have too few clear points.",
                     "More light and a slower movement make the head sharper.")
    _check_parallax(best, frames, work)
    frames, known = _without_misread(best, frames, known)
    poses, face_points, ruler, measured = to_portrait_frame(best.poses, best.face, frames, ruler, ruler_given=ruler_given)
    if not measured:
        context.warn("size-guessed", "The eyes are never seen open and from the front: the head's size follows from their distance.",
                     "Look into the camera for a moment while filming.")
    return _write_views(frames, known, replace(best, poses=poses), face_points, ruler, views)


def _best_sfm(frames: Frames, known: np.ndarray, work: Path, context: JobContext, *, ordered: bool) -> tuple[Attempt | None, str]:
    """Return the most precise structure from motion that can be believed, or None and why not."""
    believed: dict[str, Attempt] = {}
    most, why_not = 0, "the pictures have too few clear points in common"
    for source in (SFM_HEAD, SFM_SCENE):
        # Both roads need the same features; a folder in which few masks are known has only one road.
        which = np.flatnonzero(known) if source == SFM_HEAD else np.arange(len(frames))
        if source == SFM_HEAD and known.mean() < gates.FEWEST_REGISTERED:
            continue
        poses = run_sfm(frames, which, source, work / "sfm", context)
        if poses is None:
            LOG.info("%s: no cameras", source)
            continue
        attempt = _judged(poses, frames, known, ordered=ordered)
        LOG.info("%s: %d cameras, focal %.1f, k %.4f, %d head points, landmarks %.2f px; %s", source, len(poses.which), *poses.lens[::3],
                 attempt.in_head.sum(), attempt.face.median_px, "; ".join(attempt.doubts) or "believed")
        if not attempt.doubts:
            believed[source] = attempt
            if gates.is_clear(attempt.poses, attempt.face, frames, int(attempt.in_head.sum())):
                break
        elif len(poses.which) > most:
            most, why_not = len(poses.which), attempt.doubts[0]
    if len(believed) == 2 and believed[SFM_SCENE].face.median_px > _AS_WELL * believed[SFM_HEAD].face.median_px:
        return believed[SFM_HEAD], ""
    return believed.get(SFM_SCENE) or believed.get(SFM_HEAD), why_not


def _by_face(frames: Frames, known: np.ndarray, ordered: bool, follow: Callable[[], None] | None = None) -> Attempt | None:
    """Return the face's own poses, or None with too few faces. ``follow``: follow points of the head too, and report with this."""
    if frames.with_face.sum() < FEWEST_FACES:
        return None
    poses = face_poses(frames, with_tracks=True, report=follow) if follow else face_poses(frames)
    return _judged(poses, frames, known, ordered=ordered)


def _judged(poses: Poses, frames: Frames, known: np.ndarray, *, ordered: bool) -> Attempt:
    face = triangulate(poses, frames.landmarks_px[poses.which])
    in_head = gates.head_points(poses, face, frames, known)
    return Attempt(poses, face, in_head, gates.doubts(poses, face, frames, int(in_head.sum()), ordered=ordered))


def _without_misread(best: Attempt, frames: Frames, known: np.ndarray) -> tuple[Frames, np.ndarray]:
    """Return the frames and ``known`` without the landmarks and masks of frames whose face was read where, for these cameras, none is."""
    limit = gates.MISREAD * gates.LANDMARK_LIMIT * min(frames.width, frames.height)
    misread = best.poses.which[np.nan_to_num(best.face.errors_px) > limit]
    landmarks, known = frames.landmarks_px.copy(), known.copy()
    landmarks[misread], known[misread] = np.nan, False
    return replace(frames, landmarks_px=landmarks), known


def _check_parallax(attempt: Attempt, frames: Frames, work: Path) -> None:
    """Raise ``too-little-parallax`` when the head is seen from one side only; the best frame is kept for the selfie road."""
    angle = gates.parallax_deg(attempt.poses, attempt.face)
    if angle >= gates.LEAST_PARALLAX_DEG:
        return
    worth = np.nan_to_num(frames.sharpness * frames.eyes_open, nan=-1.0)
    write_png(work / BEST_FRAME, frames.image(int(np.argmax(worth))))
    raise GazeSplatError("too-little-parallax", f"The clip shows the head from one side only (its views differ by {angle:.0f} degrees).",
                         "Move the camera round the head, or turn the head; or make a portrait from one photo: "
                         f"the best frame is {work / BEST_FRAME}.")


def _write_views(frames: Frames, known: np.ndarray, best: Attempt, face_points: np.ndarray, ruler: EyeRuler, views: Path) -> Clip:
    """Write the posed frames and masks without distortion, and return them with their cameras."""
    poses = best.poses
    focal, cx, cy, radial = poses.lens
    for kind in (IMAGES, MASKS):
        (views / kind).mkdir(parents=True, exist_ok=True)
    head = poses.points[best.in_head]
    outline = poses.project(np.concatenate([head, face_points[np.isfinite(face_points[:, 0])]]))
    for k, i in enumerate(poses.which):
        picture = frames.image(int(i))
        mask = frames.mask(int(i)) if known[i] else outline_mask(picture, outline[k])
        write_png(views / IMAGES / frames.names[i], _undistorted(picture, poses.lens))
        write_png(views / MASKS / frames.names[i], _undistorted(np.round(mask * 255.0).astype(np.uint8), poses.lens))
    chosen = replace(frames.chosen(poses.which), folder=views)
    chosen = replace(chosen, landmarks_px=_straight(chosen.landmarks_px, poses.lens))
    chosen.save()
    cameras = Cameras(focal, focal, cx, cy, poses.world_to_camera, head.astype(np.float32), poses.colours[best.in_head], face_points,
                      ruler, poses.source, radial)
    cameras.save(views)
    return Clip(chosen, cameras)


def _undistorted(picture: np.ndarray, lens: tuple[float, float, float, float]) -> np.ndarray:
    """Return the picture as a pinhole of the same focal length sees it. OpenCV's pixel centres lie at whole numbers."""
    focal, cx, cy, radial = lens
    camera = np.array([[focal, 0.0, cx - 0.5], [0.0, focal, cy - 0.5], [0.0, 0.0, 1.0]])
    maps = cv2.initUndistortRectifyMap(camera, np.array([radial, 0.0, 0.0, 0.0]), None, camera, picture.shape[1::-1], cv2.CV_32FC1)
    border = cv2.BORDER_REPLICATE if picture.ndim == 3 else cv2.BORDER_CONSTANT
    return cv2.remap(picture, *maps, cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR, borderMode=border)


def _straight(landmarks: np.ndarray, lens: tuple[float, float, float, float]) -> np.ndarray:
    """Return landmarks (F, 478, 3) where the undistorted frames show them."""
    focal, cx, cy, radial = lens
    flat = straightened((landmarks[..., :2] - [cx, cy]) / focal, radial)
    return np.concatenate([flat * focal + [cx, cy], landmarks[..., 2:]], axis=-1)
