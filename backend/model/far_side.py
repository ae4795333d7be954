# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours for the side of the head that no photo shows: hair, mirrored over the contour; below it the neck's skin."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .depth import face_coordinates
from .face_model import EYES, LIPS, OVAL
from .scan import FaceScan

WORK_SIDE_PX = 640          # far-side texture is invented: finer would only be slower
ANGLES, DEPTHS = 720, 160   # of the polar picture of the hair
LEAST_HAIR_SHARE = 0.05     # of the head's radius: thinner rims are no hair to mirror
SKIN_REACH, HAIR_REACH = 2.2, 3.2   # Mahalanobis distance beyond which colours are no longer this face's skin, or hair
SCALP_V, BALD_SHARE = -0.75, 0.3    # above this height everything is scalp; with less hair on it than this it is bare
HANGING = (0.12, 0.3)       # of the face's width: how much hair beside the neck makes a row of hanging hair
SHADE = 0.88                # light comes from where the photographer stands
NAPE_V = (0.75, 1.1)        # face coordinates between which hair gives way to the skin of the neck


@dataclass(frozen=True)
class FarSide:
    """colours: (H, W, 3) for ``FaceScan.back_depth_m``; hair: (H, W) bool, which of the photo's pixels show hair."""

    colours: np.ndarray
    hair: np.ndarray


def far_side(scan: FaceScan, photo: np.ndarray) -> FarSide:
    """Invent the far side; ``photo`` (H, W, 3) is the picture without background at its rim."""
    height, width = photo.shape[:2]
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(scan.head_mask, size, interpolation=cv2.INTER_AREA) > 0.5
    points = scan.landmarks_px[:468, :2] * scale
    u, v = face_coordinates(mask.shape, points)
    hair = _hair(small, mask, points, u, v)
    centre = points.mean(axis=0)
    polar, radius = _mirrored_hair(small, mask, hair, centre)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32) + 0.5
    angle = np.mod(np.arctan2(y - centre[1], x - centre[0]), 2.0 * np.pi) * ANGLES / (2.0 * np.pi)
    reach = radius[np.minimum(angle.astype(int), ANGLES - 1)]
    inward = np.clip(1.0 - np.hypot(x - centre[0], y - centre[1]) / reach, 0.0, 1.0) * (DEPTHS - 1)
    padded = np.concatenate([polar, polar[:1]])
    colours = cv2.remap(padded, inward.astype(np.float32), angle.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    nape = _across(small, mask)
    share = np.clip((v - NAPE_V[0]) / (NAPE_V[1] - NAPE_V[0]), 0.0, 1.0)
    # Hair that hangs down beside the neck hangs down behind it, too.
    beside = (hair & (v > NAPE_V[0])).sum(axis=1, keepdims=True) / np.ptp(points[:, 0])
    hanging = cv2.blur(np.clip((beside - HANGING[0]) / (HANGING[1] - HANGING[0]), 0.0, 1.0), (1, 2 * max(1, round(0.02 * size[1])) + 1))
    share = (share * (1.0 - hanging))[..., None]
    shown = SHADE * cv2.resize(colours * (1.0 - share) + nape * share, (width, height), interpolation=cv2.INTER_LINEAR)
    return FarSide(shown, cv2.resize(hair.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0)


def _hair(image: np.ndarray, mask: np.ndarray, points: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return which pixels show hair (or a cap, or a bald scalp): above the face all, beside it what is not skin."""
    face = _filled(points[list(OVAL)], mask.shape)
    bare = face.copy()
    for outline in (*EYES.values(), LIPS):
        bare &= ~_grown(_filled(points[list(outline)], mask.shape), 0.01 * max(mask.shape))
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1.0), cv2.COLOR_RGB2LAB)
    distance = _colour_distance(lab, bare & (v > -0.2))
    outside = mask & ~_grown(face, 0.012 * max(mask.shape))
    scalp, unlike = outside & (v < SCALP_V), outside & (distance > SKIN_REACH) & (v < 1.3)
    if (unlike & scalp).sum() < BALD_SHARE * scalp.sum():
        unlike = unlike | scalp
    elif (unlike & scalp).sum() > 50:
        unlike &= _colour_distance(lab, unlike & scalp) < HAIR_REACH    # an ear lit from behind is no skin, but no hair either
    side = max(3, 2 * round(0.008 * max(mask.shape)) + 1)
    return mask & (cv2.morphologyEx(unlike.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)) > 0)


def _colour_distance(lab: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return the Mahalanobis distance (H, W) of every colour to those of a region; the region's lightness varies freely by 8."""
    sample = lab[where]
    if len(sample) < 10:
        return np.zeros(lab.shape[:2])
    centre = np.median(sample, axis=0)
    inverse = np.linalg.inv(np.cov((sample - centre).T) + np.diag([60.0, 8.0, 8.0]))
    return np.sqrt(np.einsum("hwi,ij,hwj->hw", lab - centre, inverse, lab - centre))


def _mirrored_hair(image: np.ndarray, mask: np.ndarray, hair: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return hair by angle and depth from the contour inwards (ANGLES, DEPTHS, 3), and the contour's radius (ANGLES,).

    Each ray holds the hair between contour and hairline, stretched over the whole radius, so that colours meet at the
    contour; rays without hair borrow from the nearest rays with some.
    """
    angle = (np.arange(ANGLES) + 0.5) * 2.0 * np.pi / ANGLES
    ray = np.stack([np.cos(angle), np.sin(angle)], 1)
    longest = int(np.hypot(*mask.shape))
    steps = np.arange(longest)
    xy = np.floor(centre + ray[:, None] * steps[:, None]).astype(int)
    seen = ((xy >= 0) & (xy < np.array(mask.shape[::-1]))).all(axis=-1)
    column, row = np.clip(xy, 0, np.array(mask.shape[::-1]) - 1).transpose(2, 0, 1)
    on_head, on_hair = mask[row, column] & seen, hair[row, column] & seen
    radius = np.maximum(longest - np.argmax(on_head[:, ::-1], axis=1) - 1, 1).astype(np.float64)
    # The hairline: from the contour inwards, the first step that is not hair (two pixels of doubt are allowed).
    beyond = steps[None] > radius[:, None] - 3
    broken = ~(on_hair | beyond)
    line = np.where(broken.any(axis=1), longest - 1 - np.argmax(broken[:, ::-1], axis=1), 0)
    length = smooth_least(radius - 2.0 - line)
    good = length > LEAST_HAIR_SHARE * radius
    if not good.any():
        mean = image[mask].mean(axis=0)
        return np.broadcast_to(mean, (ANGLES, DEPTHS, 3)).astype(np.float32).copy(), radius
    # Depth t runs from the contour to the hairline and, for rays with little hair, back again.
    t = np.linspace(0.0, 1.0, DEPTHS)
    folds = np.clip(np.round(0.75 * radius / np.maximum(length, 1.0)), 1, 12)
    wave = 1.0 - np.abs(1.0 - np.mod(t[None] * folds[:, None], 2.0))
    r = radius[:, None] - 2.0 - wave * length[:, None]
    source = (centre + ray[:, None] * r[..., None]).astype(np.float32) - 0.5
    polar = cv2.remap(image.astype(np.float32), source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _borrowed(polar, good), radius


def smooth_least(length: np.ndarray) -> np.ndarray:
    """Smooth lengths along a closed line (N,) without exceeding any of them: the mean of a moving minimum."""
    reach = 6
    wrapped = np.concatenate([length[-2 * reach:], length, length[:2 * reach]]).astype(np.float32)[:, None]
    least = cv2.erode(wrapped, np.ones((2 * reach + 1, 1), np.uint8))
    return 0.95 * cv2.blur(least, (1, 2 * reach + 1))[2 * reach:-2 * reach, 0]


def _borrowed(polar: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Fill rays (ANGLES, DEPTHS, 3) without hair by mirroring those beyond the nearest good one, softened."""
    index = np.flatnonzero(good)
    every = np.arange(ANGLES)
    circular = np.concatenate([index - ANGLES, index, index + ANGLES])
    at = np.searchsorted(circular, every)
    before, after = circular[at - 1], circular[np.minimum(at, len(circular) - 1)]
    nearest = np.where(every - before < after - every, before, after)
    mirrored = np.mod(2 * nearest - every, ANGLES)
    source = np.where(good, every, np.where(good[mirrored], mirrored, np.mod(nearest, ANGLES)))
    filled = polar[source]
    wrapped = np.concatenate([filled[-12:], filled, filled[:12]])
    soft = cv2.GaussianBlur(wrapped, (1, 13), sigmaX=0.0, sigmaY=2.0)[12:-12]
    return np.where(good[:, None, None], filled, soft).astype(np.float32)


def _across(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return colours (H, W, 3) that run in every row from those at the contour's left to those at its right."""
    height, width = mask.shape
    rows = np.flatnonzero(mask.sum(axis=1) > 0.05 * width)
    inset = max(1, round(0.008 * width))
    soft = cv2.blur(image, (2 * inset + 1, 2 * inset + 1))
    left = np.minimum(np.argmax(mask[rows], axis=1) + 2 * inset, width - 1)
    right = np.maximum(width - 1 - np.argmax(mask[rows, ::-1], axis=1) - 2 * inset, 0)
    ends = np.stack([soft[rows, left], soft[rows, right]], 1)
    ends = cv2.blur(ends, (1, 2 * max(1, round(0.015 * height)) + 1))
    share = np.clip((np.arange(width)[None] - left[:, None]) / np.maximum(right - left, 1)[:, None], 0.0, 1.0)[..., None]
    out = np.zeros_like(image)
    out[rows] = ends[:, :1] * (1.0 - share) + ends[:, 1:] * share
    return out


def _filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.fillPoly(np.zeros(shape, np.uint8), [np.round(outline - 0.5).astype(np.int32)], 1) > 0


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    side = 2 * max(1, round(pixels)) + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
