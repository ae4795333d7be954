# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixels are head: hair, ears and neck, with a soft edge and a clean cut below."""
from __future__ import annotations

import cv2
import numpy as np

from . import weights
from .face_model import CHIN, FOREHEAD, SIDES, face_model

SEGMENTER_SIDE_PX = 256
WORK_SIDE_PX = 480          # GrabCut works at this size: finer adds seconds, not edges
NECK_SHARE = 0.24           # of the face height that the neck reaches below the chin
_SURE, _NONE = 0.9, 0.05
_HALF_WIDTH = 0.76         # half the canonical face's width, of its height from the ears to the chin
_SKIN_REACH, _HAIR_REACH = 3.2, 2.2   # Mahalanobis distances


def head_mask(image: np.ndarray, landmarks_px: np.ndarray, neck_share: float = NECK_SHARE) -> np.ndarray:
    """Return the head's mask (H, W) float32 0..1 of an upright picture (H, W, 3) float32 sRGB.

    ``neck_share`` is how much of the neck stays, in face heights below the chin.
    """
    height, width = image.shape[:2]
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1.0 else image
    points = landmarks_px[:, :2] * scale
    person = person_share(small)
    below = _below_neck(small.shape[:2], points, neck_share)
    face = _silhouette(small.shape[:2], points)

    label = np.where(person > _SURE, cv2.GC_PR_FGD, np.where(person < _NONE, cv2.GC_BGD, cv2.GC_PR_BGD)).astype(np.uint8)
    label[below] = cv2.GC_BGD
    label[face > 0] = cv2.GC_FGD
    picture = np.round(small[..., ::-1] * 255.0).astype(np.uint8)
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(picture), label, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
    hard = ((label == cv2.GC_FGD) | (label == cv2.GC_PR_FGD)).astype(np.uint8)
    # Segmenter and colours must agree within reason: GrabCut may not take the wall, nor lose the sure inside.
    hard[(person > 0.97) & ~below] = 1
    hard[person < 0.15] = 0
    hard = cv2.morphologyEx(cv2.morphologyEx(hard, cv2.MORPH_OPEN, _disc(2)), cv2.MORPH_CLOSE, _disc(4))
    hard[_clothes(small, hard, face, points)] = 0
    hard = _component_of(cv2.morphologyEx(hard, cv2.MORPH_OPEN, _disc(2)), points[1])
    soft = _guided(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), hard.astype(np.float32), radius=max(2, int(0.012 * max(small.shape[:2]))))
    soft = np.clip((soft - 0.15) / 0.7, 0.0, 1.0)
    soft[below] = 0.0
    soft = cv2.GaussianBlur(soft, (0, 0), 0.7)
    return np.clip(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), 0.0, 1.0)


def _silhouette(shape: tuple[int, int], points: np.ndarray) -> np.ndarray:
    """Return where the face is (H, W) uint8 0 or 1: of a turned one nose, lips and brow stand out beyond the mesh's oval."""
    face = np.zeros(shape, np.uint8)
    for triangle in np.round(points[face_model().triangles]).astype(np.int32):
        cv2.fillConvexPoly(face, triangle, 1)
    return face


def person_share(image: np.ndarray) -> np.ndarray:
    """Return MediaPipe's selfie segmentation (H, W), 0..1."""
    net = cv2.dnn.readNetFromTFLite(np.frombuffer(weights.model_bytes(weights.SELFIE_SEGMENTATION), np.uint8))
    side = SEGMENTER_SIDE_PX
    net.setInput(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)[None].astype(np.float32))
    answer = net.forward().reshape(side, side)
    return cv2.resize(answer, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def head_coordinates(shape: tuple[int, int], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return u (H, W), 1 at a frontal head's sides, and v (H, W), 0 at the ears' height and 1 at the chin, also of a head that is turned.

    Forehead and chin lie above each other from every side; chin and ears do not.
    """
    chin, forehead, left, right = points[CHIN], points[FOREHEAD], points[SIDES["left"]], points[SIDES["right"]]
    middle, down = 0.5 * (left + right), (chin - forehead) / np.linalg.norm(chin - forehead)
    length = max(float((chin - middle) @ down), 1.0)
    half = max(0.5 * float(np.linalg.norm(left - right)), _HALF_WIDTH * length)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    v = ((x - middle[0]) * down[0] + (y - middle[1]) * down[1]) / length
    return np.abs((y - middle[1]) * down[0] - (x - middle[0]) * down[1]) / half, v


def _clothes(image: np.ndarray, hard: np.ndarray, face: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what lies below the jaw and has neither the face's nor the hair's colours: collars and scarves."""
    u, v = head_coordinates(image.shape[:2], points)
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1.0), cv2.COLOR_RGB2LAB)
    skin = (cv2.erode(face, _disc(3)) > 0) & (v > 0.1)
    hair = (hard > 0) & (cv2.dilate(face, _disc(4)) == 0) & (v < 0.6)
    alike = _colour_distance(lab, skin, darker=0.65) < _SKIN_REACH      # necks lie in the chin's shadow
    if hair.sum() > 0.05 * max(1, int(face.sum())):
        # Long hair hangs down beside the neck, in one piece.
        like_hair = (hard > 0) & (_colour_distance(lab, hair, darker=1.0) < _HAIR_REACH) & ((u > 0.75) | (v < 0.6))
        _, label = cv2.connectedComponents(cv2.morphologyEx(like_hair.astype(np.uint8), cv2.MORPH_OPEN, _disc(1)))
        alike |= (label > 0) & np.isin(label, np.unique(label[hair]))
    alike = cv2.morphologyEx(alike.astype(np.uint8), cv2.MORPH_CLOSE, _disc(3)) > 0
    return ((v > 1.02) | ((v > 0.5) & (cv2.dilate(face, _disc(2)) == 0))) & ~alike


def _colour_distance(lab: np.ndarray, where: np.ndarray, darker: float) -> np.ndarray:
    """Return the Mahalanobis distance (H, W) of every colour to those of a region; ``darker`` scales how much shadow counts."""
    sample = lab[where]
    centre = np.median(sample, axis=0)
    spread = np.cov((sample - centre).T) + np.diag([60.0, 8.0, 8.0])
    d = lab - centre
    d[..., 0] = np.where(d[..., 0] < 0, darker * d[..., 0], d[..., 0])
    return np.sqrt(np.einsum("hwi,ij,hwj->hw", d, np.linalg.inv(spread), d))


def _below_neck(shape: tuple[int, int], points: np.ndarray, neck_share: float) -> np.ndarray:
    """Return what lies below a cut through the neck that curves with the jaw, and beside it (shoulders)."""
    u, v = head_coordinates(shape, points)
    # The neck is about 0.85 of the face's half width; hair beside it may hang to the jaw's height.
    return (v > 1.0 + neck_share * (1.0 - 0.35 * u * u)) | ((v > 0.8) & (u > 1.0 + 1.3 * np.maximum(0.0, 1.1 - v)))


def _component_of(mask: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Keep the connected part that holds ``point`` (the nose), without holes."""
    count, labels = cv2.connectedComponents(mask)
    x, y = (int(np.clip(v, 0, n - 1)) for v, n in zip(point, mask.shape[::-1], strict=True))
    kept = (labels == labels[y, x]).astype(np.uint8) if count > 1 and labels[y, x] else mask
    contours, _ = cv2.findContours(kept, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(kept), contours, -1, 1, cv2.FILLED)


def _guided(guide: np.ndarray, source: np.ndarray, radius: int, epsilon: float = 1e-3) -> np.ndarray:
    """Guided filter (He, Sun & Tang 2013): the mask's edge follows the picture's."""
    size = (2 * radius + 1,) * 2

    def mean(x):
        return cv2.blur(x, size)

    mg, ms = mean(guide), mean(source)
    a = (mean(guide * source) - mg * ms) / (mean(guide * guide) - mg * mg + epsilon)
    return mean(a) * guide + mean(ms - a * mg)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
