# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures a trainer learns from: a clip's frames at the training size, cut to where the head is."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..render import Camera
from ..video.clip import Clip

MARGIN_SHARE = 0.06     # of the head's box: room for the penalty on what lies outside
HELD_OUT_EVERY = 0      # product runs learn from all frames


@dataclass(frozen=True)
class View:
    """One training picture.

    image   (H, W, 3) float32 sRGB 0..1
    mask    (H, W) float32, the head, soft
    camera  of this (cropped) picture, in the portrait frame
    """

    image: np.ndarray
    mask: np.ndarray
    camera: Camera


def clip_views(clip: Clip, side_px: int) -> list[View]:
    """Return one view a frame, the frame's short side reduced to ``side_px`` (never enlarged), cut to the mask's box."""
    frames, cameras = clip.frames, clip.cameras
    scale = min(1.0, side_px / min(frames.width, frames.height))
    views = []
    for i in range(len(frames)):
        camera = Camera(frames.width, frames.height, cameras.fx, cameras.fy, cameras.cx, cameras.cy, cameras.world_to_camera[i])
        views.append(cut(reduced(View(frames.image(i).astype(np.float32) / np.float32(255.0), frames.mask(i), camera), scale)))
    return [view for view in views if view.mask.any()]


def reduced(view: View, scale: float) -> View:
    """Return the view at ``scale`` <= 1 times its size, each pixel the mean of those it covers."""
    if scale >= 1.0:
        return view
    size = (max(1, round(view.camera.width * scale)), max(1, round(view.camera.height * scale)))
    # The sides are rounded apart, so each axis has its own scale.
    sx, sy = size[0] / view.camera.width, size[1] / view.camera.height
    c = view.camera
    sensor = None if c.sensor is None else (c.sensor[0] * sx, c.sensor[1] * sy, c.sensor[2] * sx, c.sensor[3] * sy)
    camera = Camera(*size, c.fx * sx, c.fy * sy, c.cx * sx, c.cy * sy, c.w2c, sensor=sensor)
    image, mask = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (view.image, view.mask))
    return View(image, mask, camera)


def cut(view: View) -> View:
    """Return the part of the view that the head fills, with a margin."""
    rows, columns = (np.flatnonzero((view.mask > 0.02).any(axis)) for axis in (1, 0))
    if not len(rows):
        return view
    margin = 4 + int(MARGIN_SHARE * max(np.ptp(rows), np.ptp(columns)))
    top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
    bottom, right = min(len(view.mask), rows[-1] + 1 + margin), min(view.mask.shape[1], columns[-1] + 1 + margin)
    part = np.s_[top:bottom, left:right]
    camera = view.camera.cropped(int(left), int(top), int(right - left), int(bottom - top))
    return View(np.ascontiguousarray(view.image[part]), np.ascontiguousarray(view.mask[part]), camera)
