# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a clip from which built eyes can learn: open, in sight, and looking as in the frame that they were built from."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..render import Camera
from .clip import Clip
from .eye_scan import OPEN_ENOUGH, gaze_beside_average

MOST_VIEWS = 16
SAME_GAZE_DEG = 6.0         # landmarks tell no better
LEAST_FACING = 0.5          # cosine between the face's forward and the camera: beyond 60 degrees an eye hides behind the nose
MARGIN_PX = 6


@dataclass(frozen=True)
class EyeView:
    """The part of a frame that holds both eyes: image (H, W, 3) 0..1, mask (H, W), camera."""

    image: np.ndarray
    mask: np.ndarray
    camera: Camera

    def part(self, points_m: np.ndarray) -> EyeView | None:
        """Return what of it shows points (N, 3), portrait frame, with a margin; None when hardly any of them are in sight."""
        camera = self.camera
        pixels = projected(camera, points_m)
        low = np.clip(np.floor(pixels.min(0)).astype(int) - MARGIN_PX, 0, [camera.width, camera.height])
        high = np.clip(np.ceil(pixels.max(0)).astype(int) + MARGIN_PX, 0, [camera.width, camera.height])
        if (high - low).min() < 8:
            return None
        part = np.s_[low[1]:high[1], low[0]:high[0]]
        return EyeView(np.ascontiguousarray(self.image[part]), np.ascontiguousarray(self.mask[part]),
                       camera.cropped(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])))


def projected(camera: Camera, points_m: np.ndarray) -> np.ndarray:
    """Return the pixels (N, 2) of points (N, 3), portrait frame."""
    p = points_m @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    return p[:, :2] / p[:, 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]


def eye_views(clip: Clip, frame: int, points_m: np.ndarray) -> list[EyeView]:
    """Return the frames with open eyes that look as in ``frame``, cut to the eyes' splats at points (N, 3), portrait frame."""
    frames, cameras = clip.frames, clip.cameras
    like = np.array(gaze_beside_average(clip, frame))
    ahead = -cameras.centres[:, 1] / np.linalg.norm(cameras.centres, axis=1)
    usable = np.flatnonzero(frames.with_face & (np.nan_to_num(frames.eyes_open) >= OPEN_ENOUGH) & (ahead > LEAST_FACING))
    alike = [i for i in usable if np.abs(np.array(gaze_beside_average(clip, int(i))) - like).max() <= SAME_GAZE_DEG]
    views = []
    for i in np.array(alike, int)[np.unique(np.linspace(0, len(alike) - 1, min(MOST_VIEWS, len(alike))).round().astype(int))]:
        whole = Camera(frames.width, frames.height, cameras.fx, cameras.fy, cameras.cx, cameras.cy, cameras.world_to_camera[i])
        views.append(EyeView(frames.image(int(i)).astype(np.float32) / np.float32(255.0), frames.mask(int(i)), whole).part(points_m))
    return [view for view in views if view is not None]
