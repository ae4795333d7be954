# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's camera and frame as the rasteriser takes them: pixels, OpenCV axes."""
from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.contract.errors import GazeSplatError

_LEAST_FOCUS_M = 1e-3
BLENDER_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Lens:
    """The opening of a camera: radius and distance of focus in metres; blades, rotation and squeeze as Blender names them."""

    radius_m: float
    focus_m: float
    blades: int
    rotation_rad: float
    ratio: float


@dataclass(frozen=True)
class View:
    """What one picture shows.

    camera          fields of ``backend.render.Camera``, cropped to the window
    width, height   of the window, pixels
    lens            how it blurs what is not in focus, None for a pinhole
    """

    camera: dict
    width: int
    height: int
    lens: Lens | None = None

    def rows(self, top: int, height: int) -> dict:
        """Return the camera of some rows of the picture, counted from above."""
        left, upper, right, lower = self.camera["sensor"]
        return {**self.camera, "h": height, "cy": self.camera["cy"] - top, "sensor": [left, upper - top, right, lower - top]}


def frame_size(render: bpy.types.RenderSettings) -> tuple[int, int]:
    """Return the size of the whole frame in pixels, as Blender rounds it."""
    return tuple(max(1, int(size * render.resolution_percentage / 100)) for size in (render.resolution_x, render.resolution_y))


def window(render: bpy.types.RenderSettings) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) in pixels of what is asked for: the frame, or the border in it.

    A border without a pixel never comes here: Blender itself refuses to render it.
    """
    width, height = frame_size(render)
    if not render.use_border:
        return 0, 0, width, height
    # In single precision and cut off, as Blender computes it; Blender counts from the bottom.
    left, right = (int(np.float32(edge) * np.float32(width)) for edge in (render.border_min_x, render.border_max_x))
    low, high = (int(np.float32(edge) * np.float32(height)) for edge in (render.border_min_y, render.border_max_y))
    return left, height - high, right, height - low


def view_of(camera: bpy.types.Object | None, to_world: Matrix, depsgraph: bpy.types.Depsgraph, *, stereo_shift: float = 0.0) -> View:
    """Return the view of an evaluated camera; ``to_world`` is its matrix without scale.

    stereo_shift is what one eye of a stereo camera adds to the lens's shift, in Blender's unit.
    Raises GazeSplatError ``no-camera`` or ``bad-camera``.
    """
    if camera is None or camera.type != "CAMERA":
        raise GazeSplatError("no-camera", "The scene has no camera.", "Add a camera, or make one active with Ctrl Numpad 0.")
    lens, render = camera.data, depsgraph.scene_eval.render
    if lens.type not in ("PERSP", "ORTHO"):
        raise GazeSplatError("bad-camera", f"{camera.name} is not a perspective or orthographic camera.",
                             "Splats can be drawn for these only: choose one in the camera's properties.")
    matrix = np.array(to_world, np.float64)
    if not np.isfinite(matrix).all():
        raise GazeSplatError("bad-camera", f"{camera.name} has no place: its matrix holds values that are not numbers.",
                             "Look at its drivers and constraints.")
    width, height = frame_size(render)
    projection = np.array(camera.calc_matrix_camera(depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x,
                                                    scale_y=render.pixel_aspect_y), np.float64)
    parallel = lens.type == "ORTHO"
    # A perspective matrix carries the shift in the column of z, which looks backwards; a parallel one in the last.
    shift = projection[:2, 3] if parallel else -projection[:2, 2]
    left, top, right, bottom = window(render)
    if stereo_shift and not parallel:
        # Blender's shift is in sides of the frame that the sensor is fitted to; the focal length in pixels knows which.
        sensor_mm = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
        shift[0] -= stereo_shift * projection[0, 0] * sensor_mm / lens.lens
    fields = {"w": right - left, "h": bottom - top, "fx": float(projection[0, 0] * width / 2), "fy": float(projection[1, 1] * height / 2),
              "cx": float(width / 2 * (1.0 + shift[0]) - left), "cy": float(height / 2 * (1.0 - shift[1]) - top),
              "w2c": (BLENDER_TO_OPENCV @ np.linalg.inv(matrix)).tolist(), "near_m": float(lens.clip_start), "orthographic": parallel,
              "sensor": [-left, -top, width - left, height - top]}
    return View(fields, right - left, bottom - top, lens_of(camera, matrix))


def lens_of(camera: bpy.types.Object, to_world: np.ndarray) -> Lens | None:
    """Return the opening of an evaluated camera, None where everything is in focus."""
    dof = camera.data.dof
    if not dof.use_dof:
        return None
    # As Cycles has it: a parallel camera has no focal length, and one metre stands for it.
    length_m = 1.0 if camera.data.type == "ORTHO" else 1e-3 * camera.data.lens
    focus_m = dof.focus_distance
    if dof.focus_object is not None:
        target = np.array(dof.focus_object.matrix_world.translation)
        bone = dof.focus_object.pose.bones.get(dof.focus_subtarget) if dof.focus_object.type == "ARMATURE" else None
        if bone is not None:
            target = np.array(dof.focus_object.matrix_world @ bone.matrix.translation)
        focus_m = abs(float((target - to_world[:3, 3]) @ to_world[:3, 2]))
    return Lens(length_m / (2.0 * dof.aperture_fstop), max(float(focus_m), _LEAST_FOCUS_M), dof.aperture_blades, dof.aperture_rotation,
                dof.aperture_ratio)
