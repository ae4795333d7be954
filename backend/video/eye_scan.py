# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame of a clip as the eye builder wants it, and the trained head's splats that built eyes replace.

The builder was made for a photo. A clip knows more: how far away the irises are, what depth the head has, and where the
eyes look on average, which is what tells a glance from the way this person's irises lie.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import numpy as np

from ...gazesplat_addon.splat import harmonics
from ...gazesplat_addon.splat.arrays import Splats
from ..contract.errors import GazeSplatError
from ..eyes.contour import EyeContour
from ..eyes.find_eyes import find_eyes
from ..model.camera import head_angles_deg
from ..model.scan import FaceScan
from ..render import Camera, RenderSettings, render
from .clip import Clip

IRISES = {"right": 468, "left": 473}
# MediaPipe's corners of each eye, outer and inner: they do not move with the gaze.
CORNERS = {"right": (33, 133), "left": (263, 362)}
MOST_YAW_DEG = 20.0         # the builder was made for faces that look at the lens
OPEN_ENOUGH = 0.5
SURFACE_FRONT_M, SURFACE_BEHIND_M = 0.012, 0.022    # splats this near to the eyes' surface are replaced
RIM_IRIS_RADII = 0.7         # of skin that hardly moves: with 0.25 one sees between the two from 70 degrees, beside the brow
SEEN_ALPHA = 0.5
MOST_IRIS_DISAGREEMENT_M = 0.006
LEAST_GLANCE_DEG = 4.0


@dataclass(frozen=True)
class EyeScan:
    """The frame (index into the clip) as a FaceScan, and where its eyes look beside their average (yaw, pitch), degrees."""

    frame: int
    scan: FaceScan
    gaze_deg: tuple[float, float]


def scan_eyes(clip: Clip, head: Splats) -> EyeScan:
    """Return the sharpest, most frontal frame with open eyes, with the trained head's depth.

    Raises GazeSplatError ``no-eyes`` when no frame shows both eyes open from the front.
    """
    frame = _best_frame(clip)
    frames, cameras = clip.frames, clip.cameras
    image = frames.image(frame).astype(np.float32) / np.float32(255.0)
    w2c = cameras.world_to_camera[frame]
    depth = depth_of(head, Camera(frames.width, frames.height, cameras.fx, cameras.fy, cameras.cx, cameras.cy, w2c))
    eyes = find_eyes(image, frames.landmarks_px[frame])
    distances = {side: _iris_depth(cameras.face_points[IRISES[side]], w2c, depth, eye) for side, eye in eyes.items()}
    # Both irises are one size in metres; at their own distances they are not in pixels.
    radius_m = float(np.mean([eye.radius_px * distances[side] / cameras.fx for side, eye in eyes.items()]))
    eyes = {side: replace(eye, radius_px=radius_m * cameras.fx / distances[side]) for side, eye in eyes.items()}
    scan = FaceScan(image, frames.landmarks_px[frame], {}, cameras.fx, cameras.fy, cameras.cx, cameras.cy, w2c, frames.mask(frame),
                    depth, np.full_like(depth, np.nan), eyes, replace(cameras.ruler, iris_diameter_m=2.0 * radius_m))
    return EyeScan(frame, scan, gaze_beside_average(clip, frame))


def _best_frame(clip: Clip) -> int:
    frames, cameras = clip.frames, clip.cameras
    worth = np.full(len(frames), -np.inf)
    for i in np.flatnonzero(frames.with_face):
        yaw, pitch, _ = head_angles_deg(cameras.world_to_camera[i, :3, :3])
        if np.hypot(yaw, pitch) < MOST_YAW_DEG and frames.eyes_open[i] >= OPEN_ENOUGH:
            # Being ten degrees off weighs as much as being half as sharp.
            worth[i] = np.log(max(frames.sharpness[i], 1e-3)) - np.log(2.0) * (np.hypot(yaw, pitch) / 10.0) ** 2 + frames.eyes_open[i]
    if not np.isfinite(worth).any():
        raise GazeSplatError("no-eyes", "No frame shows both eyes open and from the front, so the head cannot get living eyes.",
                             "Look into the camera for a moment while filming, with open eyes.")
    return int(np.argmax(worth))


def depth_of(head: Splats, camera: Camera) -> np.ndarray:
    """Return the head's planar depth (H, W) float32 in metres, NaN where there is no head."""
    frame = render(as_seen(head, camera), camera, RenderSettings(), depth=True)
    return np.where(frame.alpha > SEEN_ALPHA, frame.depth, np.nan).astype(np.float32)


def as_seen(splats: Splats, camera: Camera) -> SimpleNamespace:
    """Return splats without a rig as a rasteriser draws them from a camera."""
    return SimpleNamespace(means=splats.means, factors=splats.linear_factors(), opacities=splats.opacities,
                           colours=harmonics.colours(splats, splats.means, camera.position), groups=np.zeros(len(splats), np.uint8))


def _iris_depth(met_m: np.ndarray, w2c: np.ndarray, depth: np.ndarray, eye: EyeContour) -> float:
    """Return the iris' planar depth: where its landmark's rays met, or the trained surface where they met elsewhere.

    Rays of an eye that follows the lens meet in the eye's centre, and not on its surface.
    """
    x, y = eye.iris_px.astype(int)
    surface = float(np.nanmedian(depth[max(0, y - 2):y + 3, max(0, x - 2):x + 3]))
    met = float(w2c[2, :3] @ met_m + w2c[2, 3])
    if np.isfinite(met) and not abs(met - surface) > MOST_IRIS_DISAGREEMENT_M:
        return met
    if not np.isfinite(surface):
        raise GazeSplatError("no-eyes", "The eyes could not be placed in the head.",
                             "Film the face in even light, without glare on glasses.")
    return surface


def gaze_beside_average(clip: Clip, frame: int) -> tuple[float, float]:
    """Return (yaw, pitch) in degrees: where the eyes look in a frame, beside the median of all frames with open eyes.

    The iris' place is read against the corners of its eye, in the head's own frame: which camera saw it does not matter.
    """
    frames, cameras = clip.frames, clip.cameras
    lever = cameras.ruler.lever_yaw_m
    places = {}
    for i in np.flatnonzero(frames.with_face & (np.nan_to_num(frames.eyes_open) >= OPEN_ENOUGH)):
        rotation, centre = cameras.world_to_camera[i, :3, :3], cameras.centres[i]
        offsets = []
        for side, corners in CORNERS.items():
            iris = cameras.face_points[IRISES[side]]
            if not np.isfinite(iris).all() or not np.isfinite(cameras.face_points[list(corners)]).all():
                continue
            pixel = frames.landmarks_px[i, IRISES[side], :2]
            # Landmarks err alike: what the corners miss by, the iris misses by too.
            pixel = pixel + (_project(cameras, i, cameras.face_points[list(corners)]) - frames.landmarks_px[i, list(corners), :2]).mean(0)
            ray = rotation.T @ np.array([(pixel[0] - cameras.cx) / cameras.fx, (pixel[1] - cameras.cy) / cameras.fy, 1.0])
            if abs(ray[1]) < 0.5 * np.linalg.norm(ray):
                continue        # from the side the offset along the line of sight is unknown
            offsets.append((centre + ray * (iris[1] - centre[1]) / ray[1] - iris)[[0, 2]])
        if offsets:
            places[i] = np.mean(offsets, axis=0)
    if frame not in places:
        return 0.0, 0.0
    x, z = places[frame] - np.median(list(places.values()), axis=0)
    yaw, pitch = np.degrees(np.arcsin(np.clip(np.array([x, z]) / lever, -0.6, 0.6)))
    # Of eyes that never moved, landmarks say up to three degrees: what is less is no glance.
    return (float(yaw), float(pitch)) if np.hypot(yaw, pitch) > LEAST_GLANCE_DEG else (0.0, 0.0)


def _project(cameras, i: int, points: np.ndarray) -> np.ndarray:
    p = points @ cameras.world_to_camera[i, :3, :3].T + cameras.world_to_camera[i, :3, 3]
    return p[:, :2] / p[:, 2:] * [cameras.fx, cameras.fy] + [cameras.cx, cameras.cy]


def replaced_by_eyes(head: Splats, scan: FaceScan, exclude_mask: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
    """Return which splats (N,) bool of the head the built eyes replace.

    exclude_mask (H, W) bool and depth_m (H, W) metres are the builder's: the pixels its eyes cover, and their surface. At its rim
    both stay, or one would see between them from the side.
    """
    rim = round(RIM_IRIS_RADII * max((eye.radius_px for eye in scan.eyes.values()), default=0.0))
    exclude_mask = cv2.erode(exclude_mask.astype(np.uint8), np.ones((2 * rim + 1,) * 2, np.uint8)) > 0
    p = scan.to_camera(head.means)
    x, y = (np.floor(v).astype(int) for v in scan.project(head.means).T)
    height, width = exclude_mask.shape
    within = (p[:, 2] > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    x, y = np.where(within, x, 0), np.where(within, y, 0)
    beyond = p[:, 2] - depth_m[y, x]
    return within & exclude_mask[y, x] & (beyond > -SURFACE_FRONT_M) & (beyond < SURFACE_BEHIND_M)
