# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's colour management as numbers: what a scene's view makes of light, and which light a view shows as a colour.

Blender has no function for either. But an image is written as the view shows it, and one that is said to be in a view's colour space
is turned into scene-linear light when it is loaded. Both need the main thread, outside of drawing.
"""
from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import bpy
import numpy as np

from ...backend.contract.worker import CUBE_UNIT

# Points a side of the inverse: some 60 dB in an 8-bit picture, and a second to make.
INVERSE_GRID = 33
# The view's own table: a point each sixth of a stop, from nothing to 64 times white; white is one of the points.
STOPS_BELOW, STOPS_ABOVE, POINTS_A_STOP = 10, 6, 6
VIEW_GRID = (STOPS_BELOW + STOPS_ABOVE) * POINTS_A_STOP + 1


@dataclass(frozen=True)
class ViewSettings:
    """What of a scene's colour management a table holds; exposure and gamma are applied before and behind it.

    white_balance   temperature and tint, None where it is off
    curves          (black level, white level, tone, extend, points (x, y, handle) of each curve), None where they are off
    """

    device: str = "sRGB"
    view: str = "Standard"
    look: str = "None"
    white_balance: tuple[float, float] | None = None
    curves: tuple | None = None


def view_settings(scene: bpy.types.Scene) -> ViewSettings:
    """Return what a scene's table is made of."""
    view = scene.view_settings
    balance = (view.white_balance_temperature, view.white_balance_tint) if view.use_white_balance else None
    return ViewSettings(scene.display_settings.display_device, view.view_transform, view.look, balance,
                        _curves(view.curve_mapping) if view.use_curve_mapping else None)


@lru_cache(maxsize=8)
def view_cube(settings: ViewSettings) -> np.ndarray:
    """Return display values (VIEW_GRID, VIEW_GRID, VIEW_GRID, 3), red changing slowest; point k of a side stands for the light
    2^(k / POINTS_A_STOP - STOPS_BELOW) - 2^-STOPS_BELOW."""
    light = np.exp2(np.arange(VIEW_GRID) / POINTS_A_STOP - STOPS_BELOW) - 2.0 ** -STOPS_BELOW
    return viewed(_grid(light), settings)


@cache
def inverse_cube(space: str) -> np.ndarray:
    """Return arcsinh(light / CUBE_UNIT) (INVERSE_GRID, INVERSE_GRID, INVERSE_GRID, 3) of all colours of a space, red changing slowest."""
    return np.arcsinh(light_of(_grid(np.linspace(0.0, 1.0, INVERSE_GRID)), space) / CUBE_UNIT).astype(np.float32)


def _grid(steps: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(*3 * [steps.astype(np.float32)], indexing="ij"), axis=3)


def viewed(light: np.ndarray, settings: ViewSettings) -> np.ndarray:
    """Return the display values (N, N, N, 3) in 0..1 that a view shows for scene-linear light (N, N, N, 3), to 16 bits."""
    side = len(light)
    with _scene_with(settings) as scene, tempfile.TemporaryDirectory(prefix="gazesplat-view-") as folder:
        path = Path(folder) / "viewed.png"
        with _image(light.reshape(side, side * side, 3), "") as image:
            image.save_render(str(path), scene=scene)
        return _pixels(path, "Non-Color", light.shape)


def light_of(colours: np.ndarray, space: str) -> np.ndarray:
    """Return the scene-linear light (N, N, N, 3) of colours (N, N, N, 3) of one of Blender's colour spaces."""
    side = len(colours)
    with tempfile.TemporaryDirectory(prefix="gazesplat-view-") as folder:
        path = Path(folder) / "colours.exr"
        with _image(colours.reshape(side, side * side, 3), "Non-Color") as image:
            image.filepath_raw, image.file_format = str(path), "OPEN_EXR"
            image.save()
        return _pixels(path, space, colours.shape)


@contextmanager
def _image(values: np.ndarray, space: str) -> Iterator[bpy.types.Image]:
    """Yield a float image of values (H, W, 3), opaque; in a colour space, or scene-linear."""
    height, width, _ = values.shape
    image = bpy.data.images.new("GazeSplat view", width, height, alpha=True, float_buffer=True)
    try:
        if space:     # before there are pixels: a change makes them anew
            image.colorspace_settings.name = space
        pixels = np.ones((height * width, 4), np.float32)
        pixels[:, :3] = values.reshape(-1, 3)
        image.pixels.foreach_set(pixels.ravel())
        yield image
    finally:
        bpy.data.images.remove(image)


def _pixels(path: Path, space: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return an image file's values in a shape, read as if in a colour space."""
    image = bpy.data.images.load(str(path))
    try:
        image.colorspace_settings.name, image.alpha_mode = space, "CHANNEL_PACKED"
        channels = image.channels
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    return np.ascontiguousarray(pixels.reshape(-1, channels)[:, :3]).reshape(shape)


@contextmanager
def _scene_with(settings: ViewSettings) -> Iterator[bpy.types.Scene]:
    """Yield an empty scene with a view, which writes 16-bit PNG."""
    scene = bpy.data.scenes.new("GazeSplat view")
    try:
        view, files = scene.view_settings, scene.render.image_settings
        scene.display_settings.display_device = settings.device
        view.view_transform = settings.view
        view.look = settings.look
        view.exposure, view.gamma = 0.0, 1.0
        view.use_white_balance = settings.white_balance is not None
        if settings.white_balance is not None:
            view.white_balance_temperature, view.white_balance_tint = settings.white_balance
        view.use_curve_mapping = settings.curves is not None
        if settings.curves is not None:
            _set_curves(view.curve_mapping, settings.curves)
        scene.render.dither_intensity = 0.0
        files.file_format, files.color_mode, files.color_depth, files.compression = "PNG", "RGB", "16", 0
        yield scene
    finally:
        bpy.data.scenes.remove(scene)


def _curves(mapping: bpy.types.CurveMapping) -> tuple:
    points = tuple(tuple((*point.location, point.handle_type) for point in curve.points) for curve in mapping.curves)
    return tuple(mapping.black_level), tuple(mapping.white_level), mapping.tone, mapping.extend, points


def _set_curves(mapping: bpy.types.CurveMapping, values: tuple) -> None:
    mapping.black_level, mapping.white_level, mapping.tone, mapping.extend, every = values
    for curve, points in zip(mapping.curves, every, strict=True):
        while len(curve.points) < len(points):
            curve.points.new(0.5, 0.5)
        for point, (x, y, handle) in zip(curve.points, points, strict=True):
            point.location, point.handle_type = (x, y), handle
    mapping.update()
