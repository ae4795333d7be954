# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's mask in every frame: hair, ears and neck, with a soft edge; filled in time where no face is found."""
from __future__ import annotations

import cv2
import numpy as np

from ..context import JobContext
from ..model.mask import head_mask
from .clip import MASKS, Frames, write_png
from .upright import quarter_turns, turned_points

# A video shows the neck from all sides, so more of it stays than in a photo; clothes end it earlier.
NECK_SHARE = 0.5
# A head can turn to a profile and back within this time; beyond, nobody knows where it went.
LONGEST_GAP_S = 1.5
_HULL_WIDER = 1.06


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


def hull_mask(picture: np.ndarray, outline_px: np.ndarray) -> np.ndarray:
    """Return the head's mask (H, W) float32 of a view without a face, given the pixels (N, 2) of the head's points in it.

    Their convex hull, a little wider: points never lie on the very rim.
    """
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    seen = outline_px[np.isfinite(outline_px).all(axis=1)].astype(np.float32)
    if len(seen) < 3:
        return mask
    low, high = np.percentile(seen, [1.0, 99.0], axis=0)
    seen = seen[((seen >= low) & (seen <= high)).all(axis=1)]
    corners = cv2.convexHull(seen)[:, 0]
    wider = corners.mean(axis=0) + _HULL_WIDER * (corners - corners.mean(axis=0))
    cv2.fillConvexPoly(mask, np.round(wider).astype(np.int32), 1.0)
    return cv2.GaussianBlur(mask, (0, 0), max(1.0, 0.004 * max(height, width)))
