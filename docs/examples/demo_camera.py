# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the demo's camera stands: where the photographer stood, framed on the head."""
from __future__ import annotations

import bpy
import numpy as np

HEAD_SHARE = 0.82          # of the picture's height that the head fills
EYE_BOX_SHARE = (2.3, 0.74)  # width and height of the crop around the eyes, in distances between them
OUTLIERS_PERCENT = 1.0


def head_camera(portrait, scene: bpy.types.Scene) -> bpy.types.Object:
    """Return a new camera at the photo's place with a square picture of the head; the perspective stays the photo's."""
    photo = portrait.camera
    bpy.context.view_layer.update()
    camera = bpy.data.objects.new("Demo Camera", bpy.data.cameras.new("Demo Camera"))
    scene.collection.objects.link(camera)
    camera.matrix_world = photo.matrix_world
    flat = project(points(portrait), camera)
    low, high = np.percentile(flat, (OUTLIERS_PERCENT, 100.0 - OUTLIERS_PERCENT), axis=0)
    side = (high - low).max() / HEAD_SHARE
    centre = (low + high) / 2.0
    lens = camera.data
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", 36.0
    lens.lens = 36.0 / side
    lens.shift_x, lens.shift_y = centre / side
    lens.clip_start = 0.01
    return camera


def eye_box_px(portrait, scene: bpy.types.Scene) -> tuple[int, int, int, int]:
    """Return the box (left, top, right, bottom) in pixels around both eyes, in the scene's picture at rest."""
    camera, lens, size = scene.camera, scene.camera.data, scene.render.resolution_x
    eyes = np.array([child.matrix_world.translation for child in portrait.head.children if ".eye." in child.name])
    flat = project(eyes, camera) * lens.lens / 36.0 - (lens.shift_x, lens.shift_y)
    pixels = np.stack([(0.5 + flat[:, 0]) * size, (0.5 - flat[:, 1]) * size], axis=1)
    middle, apart = pixels.mean(axis=0), np.linalg.norm(pixels[0] - pixels[1])
    half = np.array(EYE_BOX_SHARE) * apart / 2.0
    left, top, right, bottom = (round(float(v)) for v in (*np.maximum(middle - half, 0.0), *np.minimum(middle + half, size)))
    return left, top, right, bottom


def points(portrait) -> np.ndarray:
    """Return the splats' centres (N, 3) in world space."""
    mesh = portrait.object.data
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    world = np.array(portrait.object.matrix_world)
    return flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def project(world_points: np.ndarray, camera: bpy.types.Object) -> np.ndarray:
    """Return x and y at distance 1 in front of a camera (N, 2)."""
    view = np.array(camera.matrix_world.inverted())
    local = world_points @ view[:3, :3].T + view[:3, 3]
    return local[:, :2] / -local[:, 2:]
