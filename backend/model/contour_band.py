# SPDX-License-Identifier: GPL-3.0-or-later
"""The strip that joins the near and the far side of a head along its contour, where both stand on their edge."""
from __future__ import annotations

import cv2
import numpy as np

from ...gazesplat_addon.splat.arrays import Splats, concatenate, quaternions_of
from .far_side import FarSide, smooth_least
from .scan import FaceScan
from .surface import FILL, THICKNESS, bilinear, continued

STEP_SHARE = 0.0026         # of the picture's longer side: distance of neighbours along the contour
SOLID = 0.9                 # of the soft mask: where the strip hides behind the near side's edge
INSET_SHARE = 0.001         # the strip stands this far inside the mask's edge, where colours are the head's own
LONGER = 3.0                # patches are longer along the view than across it: nobody sees detail there
MOST_ROWS = 24
MIRRORED_SHARE = 0.06       # of the picture's longer side: how far inside the contour its texture may come from
OPACITY = 0.97
LEAST_LENGTH_SHARE = 0.25   # of the picture's longer side: shorter contours are loose strands


def contour_band(scan: FaceScan, near_depth_m: np.ndarray, near_colours: np.ndarray, far: FarSide) -> Splats:
    """Return the strip's splats, given the near side's colours (H, W, 3); it runs from ``near_depth_m`` to the far side's depth."""
    side = max(scan.image.shape[:2])
    step, inset = max(1.2, STEP_SHARE * side), max(0.5, INSET_SHARE * side)
    bands = []
    for points, outward in _contours(scan.head_mask, step, LEAST_LENGTH_SHARE * side):
        bands.append(_band(scan, points - inset * outward, outward, step, continued(near_depth_m), near_colours, far))
    return concatenate(bands) if bands else _no_splats()


def _contours(mask: np.ndarray, step: float, least_px: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return smooth closed outlines as points (N, 2), ``step`` pixels apart, and their outward normals (N, 2)."""
    found, _ = cv2.findContours((mask > SOLID).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = []
    for contour in found:
        line = contour[:, 0].astype(np.float64) + 0.5
        if len(line) < least_px:
            continue
        kernel = np.exp(-0.5 * (np.arange(-8, 9) / 2.5) ** 2)
        wrapped = np.concatenate([line[-8:], line, line[:8]])
        smooth = np.stack([np.convolve(wrapped[:, k], kernel / kernel.sum(), "valid") for k in (0, 1)], 1)
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(smooth, axis=0, append=smooth[:1]), axis=1))])
        at = np.arange(0.0, length[-1], step)
        closed = np.concatenate([smooth, smooth[:1]])
        points = np.stack([np.interp(at, length, closed[:, k]) for k in (0, 1)], 1)
        tangent = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
        outward = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
        area = 0.5 * np.sum(points[:, 0] * np.roll(points[:, 1], -1) - np.roll(points[:, 0], -1) * points[:, 1])
        outlines.append((points, outward * (1.0 if area > 0 else -1.0)))
    return outlines


def _band(scan: FaceScan, points: np.ndarray, outward: np.ndarray, step: float, near_depth: np.ndarray, near_colours: np.ndarray,
          far_side: FarSide) -> Splats:
    near, far = bilinear(near_depth, points), bilinear(continued(scan.back_depth_m), points)
    metre = step * near / scan.fx
    rows = np.clip(np.ceil((far - near) / (LONGER * metre)), 1, MOST_ROWS).astype(int)
    owner = np.repeat(np.arange(len(points)), rows)
    share = (np.arange(len(owner)) - np.repeat(np.cumsum(rows) - rows, rows) + 0.5) / rows[owner]
    depth = near[owner] + share * (far - near)[owner]
    rays = scan.rays(points[owner])
    along = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    normal = np.column_stack([outward[owner], np.zeros(len(owner))])
    normal -= along * np.sum(along * normal, axis=1, keepdims=True)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    rotation = scan.portrait_rotation @ np.stack([along, np.cross(normal, along), normal], 2)
    sigma = FILL * step * depth / scan.fx
    scales = np.column_stack([FILL * ((far - near) / rows)[owner], sigma, THICKNESS * sigma])
    # Texture goes round the corner mirrored: streaks along the view would show that nothing was seen here.
    half = np.minimum(0.5 * (far - near) / metre * step, _same_kind_px(far_side.hair, points, outward))[owner]
    from_near, from_far = (points[owner] - (s * half)[:, None] * outward[owner] for s in (2.0 * share, 2.0 - 2.0 * share))
    blend = np.clip((share - 0.35) / 0.3, 0.0, 1.0)[:, None]
    colours = bilinear(near_colours, from_near) * (1.0 - blend) + bilinear(far_side.colours, from_far) * blend
    n = len(owner)
    return Splats(scan.to_portrait(rays * depth[:, None]).astype(np.float32), np.maximum(scales, 1e-6).astype(np.float32),
                  quaternions_of(rotation).astype(np.float32), np.full(n, OPACITY, np.float32),
                  np.clip(colours, 0.0, 1.0).astype(np.float32), np.zeros((n, 0, 3), np.float32))


def _same_kind_px(hair: np.ndarray, points: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """Return how far (N,) pixels one may go inwards from the contour before hair turns into skin, or skin into hair."""
    farthest = MIRRORED_SHARE * max(hair.shape)
    reach = np.linspace(0.0, 1.0, 24) * farthest
    inwards = points[:, None] - reach[:, None] * outward[:, None]
    column, row = np.clip(inwards.astype(int), 0, np.array(hair.shape[::-1]) - 1).transpose(2, 0, 1)
    kind = hair[row, column]
    # The pixels at the very edge are of doubtful kind: what lies a little inside decides.
    other = kind != kind[:, 3:4]
    other[:, :3] = False
    return smooth_least(np.where(other.any(axis=1), reach[np.argmax(other, axis=1)], farthest))


def _no_splats() -> Splats:
    return Splats(*(np.zeros(shape, np.float32) for shape in ((0, 3), (0, 3), (0, 4), (0,), (0, 3), (0, 0, 3))))
