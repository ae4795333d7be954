# SPDX-License-Identifier: GPL-3.0-or-later
"""The photo's camera in Blender: from it, the portrait looks like the photo."""
from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ..rig.sidecar import SourceCamera

SENSOR_WIDTH_MM = 36.0
LONGEST_SIDE_PX = 2048    # a 12-megapixel photo must not make every test render one of 12 megapixels
_PHOTO_KEY = "gazesplat_photo"
_OPENCV_TO_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])


def create_photo_camera(name: str, source: SourceCamera, *, collection: bpy.types.Collection) -> bpy.types.Object:
    """Return a camera object with the photo's intrinsics, placed in the portrait frame."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    collection.objects.link(camera)
    set_photo_camera(camera, source)
    return camera


def set_photo_camera(camera: bpy.types.Object, source: SourceCamera) -> None:
    """Give a camera the photo's lens and its place relative to its parent."""
    lens = camera.data
    lens.sensor_fit = "HORIZONTAL"
    lens.sensor_width = SENSOR_WIDTH_MM
    lens.lens = source.fx * SENSOR_WIDTH_MM / source.width
    # Shifts are in widths of the sensor; a principal point right of the middle shifts the lens to the left.
    lens.shift_x = (0.5 * source.width - source.cx) / source.width
    lens.shift_y = (source.cy - 0.5 * source.height) * (source.fx / source.fy) / source.width
    lens.clip_start = 0.01
    lens.display_size = 0.05
    camera_to_portrait = np.linalg.inv(np.asarray(source.w2c, float)) @ _OPENCV_TO_BLENDER
    camera.matrix_basis = Matrix(camera_to_portrait.tolist())
    camera[_PHOTO_KEY] = (float(source.width), float(source.height), source.fx / source.fy)


def photo_frame(camera: bpy.types.Object) -> tuple[int, int, float] | None:
    """Return (width, height, pixel height / pixel width) of a render that shows the whole photo; None for other cameras."""
    if _PHOTO_KEY not in camera:
        return None
    width, height, pixel_shape = camera[_PHOTO_KEY]
    share = min(1.0, LONGEST_SIDE_PX / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share)), pixel_shape
