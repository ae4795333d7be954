# SPDX-License-Identifier: GPL-3.0-or-later
"""The inverse of the scene's view, so that AgX shows the fitted colours just as Standard does.

Blender has no function for it, but an image that is said to be in a view's colour space is turned into scene-linear light
when it is loaded: a grid of all colours makes one table for the worker. The table is made once for each view.
"""
from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ...backend.contract.worker import CUBE_UNIT
from ..scene.colour import INVERSE_OF_VIEW
from .worker_client import HeldSplats

# Points a side: some 60 dB in an 8-bit picture, and a second to make.
GRID = 33

_made: dict[str, HeldSplats] = {}
_soon: set[str] = set()


def is_made(view_transform: str) -> bool:
    """Return whether a view's table exists, or none is needed: Standard is the sRGB curve, and others have no inverse."""
    return view_transform == "Standard" or view_transform not in INVERSE_OF_VIEW or view_transform in _made


def inverse_of(view_transform: str) -> HeldSplats | None:
    """Return the worker's table for a view, None where it is the sRGB curve. Call it in the main thread unless ``is_made``."""
    if view_transform not in _made and not is_made(view_transform):
        light = _decoded(_grid(), INVERSE_OF_VIEW[view_transform])
        cube = np.arcsinh(light / CUBE_UNIT).astype(np.float32).reshape(GRID, GRID, GRID, 3)
        digest = hashlib.blake2b(cube, digest_size=16).hexdigest()
        _made[view_transform] = HeldSplats(digest, {"cube": cube}, None)
    return _made.get(view_transform)


def beside(film: dict) -> dict[str, HeldSplats]:
    """Return what the worker must hold for a film, by digest."""
    return {made.digest: made for made in _made.values() if made.digest == film.get("cube")}


def make_soon(view_transform: str, then: Callable[[], None]) -> None:
    """Make a view's table when the main thread is next idle, and call ``then``: for who is drawing and must not touch data."""
    if view_transform in _soon:
        return
    _soon.add(view_transform)

    def make() -> None:
        _soon.discard(view_transform)
        inverse_of(view_transform)
        then()

    bpy.app.timers.register(make)


def _grid() -> np.ndarray:
    """Return all colours (GRID^3, 3), red changing slowest."""
    steps = np.linspace(0.0, 1.0, GRID, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=3).reshape(-1, 3)


def _decoded(colours: np.ndarray, space: str) -> np.ndarray:
    """Return the scene-linear light (N, 3) of colours (N, 3) of one of Blender's colour spaces."""
    pixels = np.ones((len(colours), 4), np.float32)
    pixels[:, :3] = colours
    images = [bpy.data.images.new("GazeSplat view", GRID * GRID, GRID, alpha=True, float_buffer=True)]
    try:
        with tempfile.TemporaryDirectory(prefix="gazesplat-view-") as folder:
            path = str(Path(folder) / "grid.exr")
            images[0].colorspace_settings.name = "Non-Color"
            images[0].pixels.foreach_set(pixels.ravel())
            images[0].filepath_raw, images[0].file_format = path, "OPEN_EXR"
            images[0].save()
            images.append(bpy.data.images.load(path))
            images[1].colorspace_settings.name, images[1].alpha_mode = space, "CHANNEL_PACKED"
            images[1].pixels.foreach_get(pixels.ravel())
    finally:
        bpy.data.batch_remove(images)
    return pixels[:, :3]
