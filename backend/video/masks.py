# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's mask in every frame: hair, ears and neck, with a soft edge; filled in time where no face is found."""
from __future__ import annotations

import cv2
import numpy as np

from ..context import JobContext
from ..model.mask import head_mask, person_share
from .clip import MASKS, Frames, write_png
from .upright import quarter_turns, turned_points

# A video shows the neck from all sides, so more of it stays than in a photo; clothes end it earlier.
NECK_SHARE = 0.85
# A head can turn to a profile and back within this time; beyond, nobody knows where it went.
LONGEST_GAP_S = 1.5
# Of the convex hull of a head's points: inside the first it is head for sure, inside the second likely, beyond the last never.
_HULL_SURE, _HULL_WIDER, _HULL_REACH = 0.7, 1.06, 1.3
_PERSON, _WORK_SIDE_PX = 0.9, 480


def write_masks(frames: Frames, context: JobContext, *, ordered: bool) -> np.ndarray:
    """Write masks/NAME for every frame and return where one is known (F,) bool; the others are black.

    Masks that are already there are kept. ``ordered``: the frames follow each other in time.
    """
    landmarks = filled_in_time(frames) if ordered else frames.landmarks_px
    known = np.isfinite(landmarks[:, 0, 0])
    (frames.folder / MASKS).mkdir(exist_ok=True)
    for i, name in enumerate(frames.names):
        context.progress(i / len(frames), "Separating the head")
        path = frames.folder / MASKS / name
        if path.is_file():
            continue
        mask = np.zeros((frames.height, frames.width), np.float32)
        if known[i]:
            mask = _any_way_up(frames.image(i), landmarks[i])
        write_png(path, np.round(mask * 255.0).astype(np.uint8))
    return known


def _any_way_up(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the head's mask (H, W) of a picture (H, W, 3) uint8 that may lie on its side."""
    turns = quarter_turns(landmarks)
    upright = np.ascontiguousarray(np.rot90(picture, turns)).astype(np.float32) / np.float32(255.0)
    mask = head_mask(upright, turned_points(landmarks, turns, picture.shape[1::-1]), NECK_SHARE)
    return np.ascontiguousarray(np.rot90(mask, -turns))


def filled_in_time(frames: Frames) -> np.ndarray:
    """Return the landmarks (F, 478, 3), those of frames without a face interpolated between the nearest with one."""
    landmarks, seen = frames.landmarks_px.copy(), np.flatnonzero(frames.with_face)
    for i in np.flatnonzero(~frames.with_face):
        before, after = seen[seen < i], seen[seen > i]
        ends = [j for j in (*before[-1:], *after[:1]) if abs(frames.time_s[j] - frames.time_s[i]) <= LONGEST_GAP_S]
        if len(ends) == 2:
            a, b = ends
            share = (frames.time_s[i] - frames.time_s[a]) / max(frames.time_s[b] - frames.time_s[a], 1e-9)
            landmarks[i] = (1.0 - share) * landmarks[a] + share * landmarks[b]
        elif ends:
            landmarks[i] = landmarks[ends[0]]
    return landmarks


def outline_mask(picture: np.ndarray, outline_px: np.ndarray) -> np.ndarray:
    """Return the head's mask (H, W) float32 of a view without a face, given the pixels (N, 2) of the head's points in it.

    Their convex hull says roughly where the head is; the picture's colours (GrabCut) find its rim from there. Points never lie on
    the very rim, and hair has few.
    """
    height, width = picture.shape[:2]
    seen = outline_px[np.isfinite(outline_px).all(axis=1)].astype(np.float32)
    if len(seen) < 3:
        return np.zeros((height, width), np.float32)
    low, high = np.percentile(seen, [1.0, 99.0], axis=0)
    seen = seen[((seen >= low) & (seen <= high)).all(axis=1)]
    scale = min(1.0, _WORK_SIDE_PX / max(height, width))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    hard = _cut_out(small, scale * seen)
    soft = cv2.GaussianBlur(hard.astype(np.float32), (0, 0), 1.0)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)


def _cut_out(picture: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return where the head is (H, W) uint8 0 or 1: surely where its points are dense, maybe in and round their hull."""
    corners = cv2.convexHull(seen)[:, 0]
    middle = corners.mean(axis=0)

    def filled(grown: float) -> np.ndarray:
        shape = np.zeros(picture.shape[:2], np.uint8)
        return cv2.fillConvexPoly(shape, np.round(middle + grown * (corners - middle)).astype(np.int32), 1)

    label = np.full(picture.shape[:2], cv2.GC_BGD, np.uint8)
    label[filled(_HULL_REACH) > 0] = cv2.GC_PR_BGD
    label[(label == cv2.GC_PR_BGD) & (person_share(picture.astype(np.float32) / np.float32(255.0)) > _PERSON)] = cv2.GC_PR_FGD
    label[filled(_HULL_WIDER) > 0] = cv2.GC_PR_FGD
    label[filled(_HULL_SURE) > 0] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(picture[..., ::-1]), label, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    hard = ((label == cv2.GC_FGD) | (label == cv2.GC_PR_FGD)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.morphologyEx(cv2.morphologyEx(hard, cv2.MORPH_CLOSE, disc), cv2.MORPH_OPEN, disc)
