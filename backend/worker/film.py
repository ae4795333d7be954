# SPDX-License-Identifier: GPL-3.0-or-later
"""The film behind the rasteriser: turns display values into light, and adds up the samples of a picture.

Splats are fitted and blended in display-referred sRGB; Blender's pictures are scene-linear with premultiplied alpha. Samples
of a blur are light that falls on one film, so they are decoded before they are averaged.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...gazesplat_addon.splat.srgb import decoded, encoded
from ..contract.worker import CUBE_UNIT
from ..render import Frame
from ..render.numba_options import inline, kernel
from ..render.threads import default_threads, run_on_threads

# Steps of the decoding table over 0..1: linear interpolation between them is off by less than 3e-8.
_STEPS = 8192


_TABLE = np.concatenate([decoded(np.linspace(0.0, 1.0, _STEPS + 1)), [1.0]]).astype(np.float32)


@dataclass(frozen=True)
class FilmStock:
    """How display values become light.

    background   (3,) scene-linear, opaque, behind the splats and blended as they are, in display values; None is a clear film
    cube         (n, n, n, 3) float32: arcsinh(light / CUBE_UNIT) of a grid of display values 0..1, red first: the inverse of
                 a view that is not sRGB; None decodes sRGB
    bottom_up    the first row is the lowest, as in Blender
    """

    background: tuple[float, float, float] | None = None
    cube: np.ndarray | None = None
    bottom_up: bool = False


class Exposure:
    """Adds up the frames of one picture, all of one size and with the same passes."""

    def __init__(self, stock: FilmStock, threads: int | None = None) -> None:
        self._stock, self._threads, self._count = stock, threads or default_threads(), 0
        self._rgba: np.ndarray | None = None
        self._only: Frame | None = None
        self._sums: dict[str, np.ndarray] = {}

    def add(self, frame: Frame) -> None:
        """Expose the film to one more frame."""
        if self._rgba is None:
            self._rgba = np.zeros((*frame.alpha.shape, 4), np.float32)
        develop_onto(self._rgba, frame.rgba(), self._stock, self._threads)
        self._count += 1
        if self._count == 1:
            self._only = frame
            return
        for one in (self._only, frame):
            if one is not None:
                self._add_passes(one)
        self._only = None

    def _add_passes(self, frame: Frame) -> None:
        layers = {f"matte:{name}": matte for name, matte in frame.mattes.items()}
        if frame.depth is not None:
            layers |= {"alpha": frame.alpha, "depth": np.where(frame.alpha > 0.0, frame.depth, 0.0) * frame.alpha}
        for name, layer in layers.items():
            self._sums[name] = self._sums[name] + layer if name in self._sums else layer.copy()

    def picture(self) -> dict[str, np.ndarray]:
        """Return the mean so far: rgba (H, W, 4) scene-linear and premultiplied, depth and ``matte:<name>`` (H, W), float32.

        Depth is the mean of the samples by their alpha, +inf where there is none. ValueError before the first frame.
        """
        if self._rgba is None:
            raise ValueError("nothing has been exposed yet")
        arrays = {"rgba": self._rgba if self._count == 1 else self._rgba / np.float32(self._count)}
        for name, layer in self._passes().items():
            arrays[name] = np.ascontiguousarray(layer[::-1] if self._stock.bottom_up else layer, np.float32)
        return arrays

    def _passes(self) -> dict[str, np.ndarray]:
        if self._only is not None:
            depth = {} if self._only.depth is None else {"depth": self._only.depth}
            return {**depth, **{f"matte:{name}": matte for name, matte in self._only.mattes.items()}}
        passes = {name: layer / self._count for name, layer in self._sums.items() if name.startswith("matte:")}
        if "depth" in self._sums:
            alpha, depth = self._sums["alpha"], np.full_like(self._sums["depth"], np.inf)
            np.divide(self._sums["depth"], alpha, out=depth, where=alpha > 0.0)
            passes["depth"] = depth
        return passes


def develop_onto(film: np.ndarray, rgba: np.ndarray, stock: FilmStock, threads: int) -> None:
    """Add the light of a display-referred, premultiplied picture (H, W, 4) to a film (H, W, 4) float32."""
    background = np.zeros(3, np.float32)
    if stock.background is not None:
        background[:] = encoded(np.asarray(stock.background, np.float64))
    rgba = np.require(rgba, np.float32, ["C", "W"])
    if stock.cube is None:
        run_on_threads(develop, threads, rgba, stock.background is not None, background, _TABLE, stock.bottom_up, film)
    else:
        cube = np.require(stock.cube, np.float32, ["C", "W"])
        run_on_threads(develop_by_cube, threads, rgba, stock.background is not None, background, cube, stock.bottom_up, film)


@inline
def _shown(value, alpha, opaque, background):
    """Return the display value that a pixel's colour is decoded at: over the background, or without its alpha."""
    if opaque:
        return value + (np.float32(1.0) - alpha) * background
    return value / alpha if alpha > np.float32(0.0) else np.float32(0.0)


@inline
def _decode(value, table):
    if not value > np.float32(0.0):
        return np.float32(0.0)
    if value >= np.float32(1.0):
        return np.float32(((value + 0.055) / 1.055) ** 2.4)
    place = value * np.float32(_STEPS)
    step = np.int64(place)
    share = place - np.float32(step)
    return table[step] + share * (table[step + 1] - table[step])


@kernel
def develop(worker, workers, rgba, opaque, background, table, bottom_up, film):
    """Add decoded sRGB to a film, row by row."""
    height, width = rgba.shape[0], rgba.shape[1]
    for y in range(height * worker // workers, height * (worker + 1) // workers):
        row = height - 1 - y if bottom_up else y
        for x in range(width):
            alpha = rgba[y, x, 3]
            cover = np.float32(1.0) if opaque else alpha
            for channel in range(3):
                film[row, x, channel] += cover * _decode(_shown(rgba[y, x, channel], alpha, opaque, background[channel]), table)
            film[row, x, 3] += cover


@kernel
def develop_by_cube(worker, workers, rgba, opaque, background, cube, bottom_up, film):
    """Add colours decoded by a grid, linearly between its points, to a film; colours outside 0..1 count as its edge."""
    height, width, last = rgba.shape[0], rgba.shape[1], cube.shape[0] - 1
    base, share, light = np.empty(3, np.int64), np.empty(3, np.float32), np.empty(3, np.float32)
    for y in range(height * worker // workers, height * (worker + 1) // workers):
        row = height - 1 - y if bottom_up else y
        for x in range(width):
            alpha = rgba[y, x, 3]
            cover = np.float32(1.0) if opaque else alpha
            film[row, x, 3] += cover
            if not cover > np.float32(0.0):
                continue
            for axis in range(3):
                value = _shown(rgba[y, x, axis], alpha, opaque, background[axis])
                place = min(max(value, np.float32(0.0)), np.float32(1.0)) * np.float32(last)
                base[axis] = min(np.int64(place), last - 1)
                share[axis] = place - np.float32(base[axis])
                light[axis] = np.float32(0.0)
            for corner in range(8):
                i, j, k = corner >> 2, (corner >> 1) & 1, corner & 1
                weight = share[0] if i else np.float32(1.0) - share[0]
                weight *= share[1] if j else np.float32(1.0) - share[1]
                weight *= share[2] if k else np.float32(1.0) - share[2]
                for channel in range(3):
                    light[channel] += weight * cube[base[0] + i, base[1] + j, base[2] + k, channel]
            for channel in range(3):
                film[row, x, channel] += cover * np.float32(CUBE_UNIT * math.sinh(light[channel]))
