# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of the head followed from frame to frame: what makes poses from the face precise.

Landmarks say roughly how the head is turned, and are biased towards the front by a few degrees. Freckles, brows and
hair are not; there are too few of them for COLMAP to begin with, but enough to correct poses that are nearly right.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..model.mask import head_coordinates
from .clip import Frames

_FEATURES, _CONTRAST = 2500, 0.008
_LOWEST = 0.95              # of the way from the ears to the chin
_NEIGHBOURS = 3             # by turn, on either side
_RATIO, _EPIPOLAR_PX = 0.82, 1.5
FEWEST_VIEWS = 3


@dataclass(frozen=True)
class Tracks:
    """Readings of points: frame (M,) int and point (M,) int they belong to, pixels (M, 2); colours (P, 3) uint8 of the points."""

    frame: np.ndarray
    point: np.ndarray
    pixels: np.ndarray
    colours: np.ndarray

    def only(self, keep: np.ndarray) -> Tracks:
        """Return the readings ``keep`` (M,) bool, of points that are still seen often enough."""
        often = np.bincount(self.point[keep], minlength=len(self.colours)) >= FEWEST_VIEWS
        keep = keep & often[self.point]
        number = np.cumsum(often) - 1
        return Tracks(self.frame[keep], number[self.point[keep]], self.pixels[keep], self.colours[often])


def head_tracks(frames: Frames, which: np.ndarray, turn_order: np.ndarray, report: Callable[[], None]) -> Tracks:
    """Follow points inside the masks through the frames ``which`` (K,); ``turn_order`` (K,) sorts them by the head's turn.

    ``report`` is called for every frame, and may raise to stop.
    """
    found = [_features(frames, int(i)) for i in which]
    start = np.cumsum([0] + [len(pixels) for pixels, _, _ in found])
    parent = np.arange(start[-1])
    for place, k in enumerate(turn_order):
        report()
        for other in turn_order[place + 1:place + 1 + _NEIGHBOURS]:
            for a, b in _matches(found[k], found[other]):
                _join(parent, start[k] + a, start[other] + b)
    root = np.array([_root(parent, i) for i in range(len(parent))], int)
    frame = np.repeat(np.arange(len(which)), np.diff(start))
    pixels, colours = (np.concatenate([f[column] for f in found]) for column in (0, 2))
    # A point that has two readings in one frame was joined wrongly.
    pairs, counts = np.unique(np.stack([root, frame], axis=1), axis=0, return_counts=True)
    wrong = np.isin(root, pairs[counts > 1, 0])
    _, first, point = np.unique(root, return_index=True, return_inverse=True)
    return Tracks(frame, point, pixels, colours[first]).only(~wrong)


def _features(frames: Frames, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels (N, 2), descriptors (N, 128) and colours (N, 3) of one frame's features on the head."""
    picture = frames.image(i)
    inside = cv2.erode((frames.mask(i) > 0.5).astype(np.uint8), np.ones((7, 7), np.uint8))
    if frames.with_face[i]:
        # The neck twists and the collar stays where a head turns.
        inside[head_coordinates(inside.shape, frames.landmarks_px[i, :, :2])[1] > _LOWEST] = 0
    sift = cv2.SIFT_create(nfeatures=_FEATURES, contrastThreshold=_CONTRAST)
    points, descriptors = sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), inside)
    if not points:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32), np.zeros((0, 3), np.uint8)
    at = np.array([p.pt for p in points])
    return at + 0.5, descriptors, picture[at[:, 1].astype(int), at[:, 0].astype(int)]


def _matches(one: tuple, other: tuple) -> np.ndarray:
    """Return pairs (N, 2) of features that choose each other, clearly, and obey one epipolar geometry."""
    if min(len(one[0]), len(other[0])) < 2:
        return np.zeros((0, 2), int)
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    forward = [m[0] for m in matcher.knnMatch(one[1], other[1], k=2) if m[0].distance < _RATIO * m[1].distance]
    backward = {m.queryIdx: m.trainIdx for m in matcher.match(other[1], one[1])}
    pairs = np.array([(m.queryIdx, m.trainIdx) for m in forward if backward.get(m.trainIdx) == m.queryIdx], int).reshape(-1, 2)
    if len(pairs) < 16:
        return np.zeros((0, 2), int)
    cv2.setRNGSeed(0)
    _, good = cv2.findFundamentalMat(one[0][pairs[:, 0]], other[0][pairs[:, 1]], cv2.USAC_MAGSAC, _EPIPOLAR_PX, 0.999, 2000)
    return pairs[good[:, 0] > 0] if good is not None else np.zeros((0, 2), int)


def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _join(parent: np.ndarray, a: int, b: int) -> None:
    parent[_root(parent, a)] = _root(parent, b)
