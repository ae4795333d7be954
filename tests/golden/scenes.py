# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic splats, a camera to see them, and both sides of a golden test: Blender's picture and the reference's."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from gazesplat.backend.render import reference
from gazesplat.backend.render.interface import Camera, RenderSettings
from gazesplat.gazesplat_addon.scene import render_settings
from gazesplat.gazesplat_addon.splat import harmonics
from gazesplat.gazesplat_addon.splat.arrays import Splats


def synthetic_splats(count: int, degree: int = 0, seed: int = 0) -> Splats:
    """Return a head-sized ellipsoid shell of flat splats with a coloured pattern, the size of a real portrait."""
    random = np.random.default_rng(seed)
    outward = random.normal(size=(count, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    means = outward * (0.075, 0.095, 0.11)
    quaternions = random.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    size = 0.11 * np.sqrt(8.0 / count)
    scales = size * np.exp(random.normal((-0.1, -0.4, -1.5), 0.5, (count, 3)))
    pattern = 0.5 + 0.35 * np.sin(60.0 * means + (0.0, 1.0, 2.0)) + random.normal(0.0, 0.05, (count, 3))
    coefficients = {0: 0, 1: 3, 2: 8, 3: 15}[degree]
    sh_rest = random.normal(0.0, 0.06, (count, coefficients, 3))
    arrays = (means, scales, quaternions, random.beta(1.2, 0.8, count).clip(0.002, 0.999), pattern.clip(0.0, 1.0), sh_rest)
    return Splats(*(a.astype(np.float32) for a in arrays))


@dataclass(frozen=True)
class Posed:
    """What the reference draws."""

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    groups: np.ndarray


def add_camera(scene: bpy.types.Scene, *, lens_mm: float = 50.0, position: tuple = (0.16, -0.52, 0.08)) -> bpy.types.Object:
    """Add the scene's camera, looking at the origin."""
    data = bpy.data.cameras.new("Camera")
    data.lens, data.clip_start = lens_mm, 0.01
    camera = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(camera)
    camera.matrix_world = looking_at_origin(position)
    scene.camera = camera
    return camera


def looking_at_origin(position: tuple) -> Matrix:
    """Return a camera's world matrix at a position (metres), its view axis through the origin, upright."""
    back = np.asarray(position, float) / np.linalg.norm(position)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    matrix[:3, 3] = position
    return Matrix(matrix.tolist())


def set_size(scene: bpy.types.Scene, width: int, height: int, percent: int = 100) -> None:
    """Set the render size in pixels before the percentage."""
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, percent


def set_window(scene: bpy.types.Scene, left: int, top: int, width: int, height: int) -> None:
    """Render only a window of the picture, given in pixels of the whole one as it is rendered."""
    render = scene.render
    share = render.resolution_percentage / 100.0
    columns, rows = render.resolution_x * share, render.resolution_y * share
    # A quarter of a pixel keeps rounding away from the edge.
    spare = 0.25
    render.use_border = render.use_crop_to_border = True
    render.border_min_x, render.border_max_x = (left + spare) / columns, (left + width + spare) / columns
    render.border_min_y, render.border_max_y = (rows - top - height + spare) / rows, (rows - top + spare) / rows


def reference_window(splats: Splats, camera: Camera, left: int, top: int, width: int, height: int, reach_px: float = 24.0) -> np.ndarray:
    """Return the reference's picture of a window of flat-coloured splats; it is slow, so only those near the window are drawn."""
    window = camera.cropped(left, top, width, height)
    x, y, z = (splats.means @ window.w2c[:3, :3].T + window.w2c[:3, 3]).T
    u, v = window.fx * x / z + window.cx, window.fy * y / z + window.cy
    near = splats.select((u > -reach_px) & (u < width + reach_px) & (v > -reach_px) & (v < height + reach_px))
    return draw_reference(Posed(near.means, near.linear_factors(), near.opacities, near.colours, np.zeros(len(near), np.uint8)), window)


def reference_camera(scene: bpy.types.Scene) -> Camera:
    """Return the reference's camera that equals the scene's, from Blender's own projection matrix."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    depsgraph.update()
    camera = scene.camera.evaluated_get(depsgraph)
    share = scene.render.resolution_percentage / 100.0
    width, height = int(scene.render.resolution_x * share), int(scene.render.resolution_y * share)
    projection = np.array(camera.calc_matrix_camera(depsgraph, x=width, y=height, scale_x=scene.render.pixel_aspect_x,
                                                    scale_y=scene.render.pixel_aspect_y))
    parallel = camera.data.type == "ORTHO"
    # Normalised device coordinates are p00 x/d - p02 under perspective, p00 x + p03 for a parallel camera.
    shift_x, shift_y = (projection[0, 3], projection[1, 3]) if parallel else (-projection[0, 2], -projection[1, 2])
    world = camera.matrix_world.normalized()
    to_opencv = np.diag([1.0, -1.0, -1.0, 1.0])
    return Camera(width, height, projection[0, 0] * width / 2, projection[1, 1] * height / 2, (1 + shift_x) * width / 2,
                  (1 - shift_y) * height / 2, to_opencv @ np.array(world.inverted()), orthographic=parallel)


def reference_picture(scene: bpy.types.Scene, carrier: bpy.types.Object, splats: Splats, settings: RenderSettings | None = None,
                      change: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """Return the reference's picture (H, W, 4) premultiplied of unposed splats in the carrier's place."""
    camera = reference_camera(scene)
    world = np.array(carrier.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    eye = camera.position if not camera.orthographic else camera.position - 1e6 * camera.w2c[2, :3]
    local_eye = (np.linalg.inv(world) @ np.append(eye, 1.0))[:3]
    colours = np.asarray(harmonics.colours(splats, splats.means, local_eye, np.broadcast_to(np.eye(3), (len(splats), 3, 3))))
    means = splats.means @ world[:3, :3].T + world[:3, 3]
    posed = Posed(means, world[:3, :3] @ splats.linear_factors(), splats.opacities, change(colours) if change else colours,
                  np.zeros(len(splats), np.uint8))
    return draw_reference(posed, camera, settings)


def draw_reference(posed: Posed, camera: Camera, settings: RenderSettings | None = None) -> np.ndarray:
    """Return the reference's picture (H, W, 4), premultiplied."""
    frame = reference.render(posed, camera, settings or RenderSettings(transmittance_stop=0.0))
    return np.concatenate([frame.rgb, frame.alpha[..., None]], axis=2)


def render(scene: bpy.types.Scene, folder: Path, *, engine: str = "CYCLES", prepare: bool = True) -> np.ndarray:
    """Return Blender's picture as raw floats (H, W, 4), premultiplied."""
    if prepare:
        render_settings.prepare_render(scene, engine=engine, transparent=True)
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    output = scene.render.image_settings
    output.file_format, output.color_mode, output.color_depth = "OPEN_EXR", "RGBA", "32"
    return _written_picture(scene, folder / "picture.exr", "Non-Color")


def render_png(scene: bpy.types.Scene, path: Path) -> np.ndarray:
    """Render to an 8-bit PNG and return its values 0..255 (H, W, 4)."""
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    output = scene.render.image_settings
    output.file_format, output.color_mode, output.color_depth = "PNG", "RGBA", "8"
    return np.rint(_written_picture(scene, path, "Non-Color") * 255.0)


def read_picture(path: Path, colorspace: str = "Non-Color") -> np.ndarray:
    """Return a picture file's raw values (H, W, 4), first row on top."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = colorspace
    image.alpha_mode = "CHANNEL_PACKED"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def _written_picture(scene: bpy.types.Scene, path: Path, colorspace: str) -> np.ndarray:
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    return read_picture(path, colorspace)


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two pictures with values 0..1, RGB only."""
    error = np.mean((np.clip(a[..., :3], 0.0, 1.0) - np.clip(b[..., :3], 0.0, 1.0)) ** 2)
    return float(10.0 * np.log10(1.0 / max(error, 1e-20)))
