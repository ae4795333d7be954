# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport shows, as the rasteriser takes it: any view, and through the camera with its frame and border."""
from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d

from .view import BLENDER_TO_OPENCV, View

_NEAREST_M = 1e-3


@dataclass(frozen=True)
class RegionView:
    """A part of a region: its view, and where its lower left corner lies in the region, pixels."""

    view: View
    left: int
    low: int


def view_of_region(region: bpy.types.Region, region3d: bpy.types.RegionView3D, space: bpy.types.SpaceView3D,
                   scene: bpy.types.Scene) -> RegionView | None:
    """Return what a region shows, cropped to the border where one is set; None when no pixel of it is to be drawn."""
    width, height = region.width, region.height
    frame = camera_frame(region, region3d, space, scene)
    left, low, right, high = border(frame, space, scene, width, height)
    if right <= left or high <= low:
        return None
    camera = camera_fields(np.array(region3d.window_matrix, np.float64), np.array(region3d.view_matrix, np.float64), width, height)
    top = height - high
    # Footprints far outside the picture are linearised at its edge: at that of the camera's frame, as F12 has it.
    edges = (0.0, 0.0, width, height) if frame is None else (frame[0], height - frame[3], frame[2], height - frame[1])
    camera |= {"w": right - left, "h": high - low, "cx": camera["cx"] - left, "cy": camera["cy"] - top,
               "sensor": [edges[0] - left, edges[1] - top, edges[2] - left, edges[3] - top]}
    return RegionView(View(camera, right - left, high - low), left, low)


def camera_fields(projection: np.ndarray, from_world: np.ndarray, width: int, height: int) -> dict:
    """Return the fields of ``backend.render.Camera`` for an OpenGL projection and view matrix (4, 4)."""
    parallel = bool(projection[3, 3] == 1.0)
    shift = projection[:2, 3] if parallel else -projection[:2, 2]
    w2c = BLENDER_TO_OPENCV @ from_world
    near_m = (projection[2, 3] + 1.0) / projection[2, 2] if parallel else projection[2, 3] / (projection[2, 2] - 1.0)
    if parallel and near_m < _NEAREST_M:
        # A parallel view begins behind its eye; stepping back changes nothing but depth.
        w2c[2, 3] += _NEAREST_M - near_m
        near_m = _NEAREST_M
    return {"w": width, "h": height, "fx": float(projection[0, 0] * width / 2), "fy": float(projection[1, 1] * height / 2),
            "cx": float(width / 2 * (1.0 + shift[0])), "cy": float(height / 2 * (1.0 - shift[1])), "w2c": w2c.tolist(),
            "near_m": float(near_m), "orthographic": parallel}


def camera_frame(region: bpy.types.Region, region3d: bpy.types.RegionView3D, space: bpy.types.SpaceView3D,
                 scene: bpy.types.Scene) -> tuple[float, float, float, float] | None:
    """Return (left, low, right, high) of the camera's frame in the region, pixels; None when not looking through a camera."""
    camera = space.camera
    if region3d.view_perspective != "CAMERA" or camera is None or camera.type != "CAMERA":
        return None
    corners = [location_3d_to_region_2d(region, region3d, camera.matrix_world.normalized() @ corner)
               for corner in camera.data.view_frame(scene=scene)]
    if None in corners:
        return None
    x, y = zip(*corners, strict=True)
    return min(x), min(y), max(x), max(y)


def border(frame: tuple[float, float, float, float] | None, space: bpy.types.SpaceView3D, scene: bpy.types.Scene,
           width: int, height: int) -> tuple[int, int, int, int]:
    """Return (left, low, right, high) of what is to be drawn: the render border in the camera's frame, or the view's own."""
    left, low, right, high = frame or (0.0, 0.0, width, height)
    if frame is not None and scene.render.use_border:
        edges = scene.render
    elif frame is None and space.use_render_border:
        edges = space
    else:
        return 0, 0, width, height
    x = [left + (right - left) * share for share in _edges(edges, "x")]
    y = [low + (high - low) * share for share in _edges(edges, "y")]
    return max(0, round(x[0])), max(0, round(y[0])), min(width, round(x[1])), min(height, round(y[1]))


def _edges(owner: bpy.types.RenderSettings | bpy.types.SpaceView3D, axis: str) -> tuple[float, float]:
    prefix = "border" if isinstance(owner, bpy.types.RenderSettings) else "render_border"
    return getattr(owner, f"{prefix}_min_{axis}"), getattr(owner, f"{prefix}_max_{axis}")
