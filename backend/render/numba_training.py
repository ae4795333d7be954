# SPDX-License-Identifier: GPL-3.0-or-later
"""The numba rasteriser with gradients, for whoever optimises splats without a GPU."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .interface import Camera, Frame, Posed, RenderSettings, checked_arrays
from .numba_backward import GRADIENT_COLUMNS, blend_tiles_backward
from .numba_forward import blend_tiles
from .numba_project_backward import footprints_backward, sum_pairs
from .numba_tiles import (
    Listed,
    Projected,
    blend_limits,
    camera_numbers,
    heaviest_first,
    list_tiles,
    project,
    tile_grid,
)
from .threads import default_threads, run_on_threads


@dataclass(frozen=True)
class Tape:
    """What ``backward`` needs of one forward pass."""

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    camera: Camera
    settings: RenderSettings
    threads: int
    projected: Projected
    listed: Listed
    tiles: np.ndarray
    rgba: np.ndarray


@dataclass(frozen=True)
class Gradients:
    """The loss's gradient; all float32, zero for splats that showed nothing.

    means (N, 3), factors (N, 3, 3), opacities (N,), colours (N, 3), and centres_px (N, 2) of the projected
    centres (what densification watches)
    """

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    centres_px: np.ndarray


def forward(posed: Posed, camera: Camera, settings: RenderSettings, *, threads: int | None = None) -> tuple[Frame, Tape]:
    """Draw posed splats and remember how. ``settings.supersample`` must be 1; ``groups`` are not read."""
    if settings.supersample != 1:
        raise ValueError("gradients are computed for supersample 1 only")
    threads = threads or default_threads()
    means, factors, opacities, colours = checked_arrays(posed, np.float32)
    projected = project(means, factors, opacities, colours, camera, settings, threads)
    last_row = tile_grid(camera)[1] - 1
    listed = list_tiles(projected, camera, 0, last_row, by_splat=True)
    tiles = heaviest_first(listed, camera, 0, last_row)
    rgba = np.empty((camera.height, camera.width, 4), np.float32)
    run_on_threads(blend_tiles, threads, np.zeros(1, np.int64), tiles, listed.starts, listed.pair_splat, listed.pair_rows,
                   projected.order, projected.rows, blend_limits(settings),
                   tuple(np.float32(value) for value in settings.background), camera.width, camera.height, rgba, None, None, None,
                   np.zeros(threads, np.int64))
    tape = Tape(means, factors, opacities, camera, settings, threads, projected, listed, tiles, rgba)
    return Frame(rgba[..., :3], rgba[..., 3]), tape


def backward(tape: Tape, d_rgb: np.ndarray, d_alpha: np.ndarray | None = None) -> Gradients:
    """Return the gradients for d_rgb (H, W, 3) and d_alpha (H, W), the loss's gradient in ``Frame``'s arrays.

    The cut, the cap, the sorting and the end of a saturated pixel are steps, whose gradient is taken as zero.
    """
    camera, settings, listed, n = tape.camera, tape.settings, tape.listed, len(tape.means)
    d_rgba = np.zeros_like(tape.rgba)
    d_rgba[..., :3] = d_rgb
    if d_alpha is not None:
        d_rgba[..., 3] = d_alpha
    pair_gradients = np.zeros((len(listed.pair_splat), GRADIENT_COLUMNS), np.float32)
    run_on_threads(blend_tiles_backward, tape.threads, np.zeros(1, np.int64), tape.tiles, listed.starts, listed.pair_splat,
                   listed.pair_rows, listed.pair_slot, tape.projected.rows, blend_limits(settings), camera.width, camera.height,
                   tape.rgba, d_rgba, pair_gradients)
    sums_of = np.zeros((n, GRADIENT_COLUMNS), np.float32)
    run_on_threads(sum_pairs, tape.threads, tape.projected.order, listed.pairs_from, pair_gradients, sums_of)
    gradients = Gradients(np.zeros((n, 3), np.float32), np.zeros((n, 3, 3), np.float32), np.zeros(n, np.float32),
                          np.zeros((n, 3), np.float32), np.zeros((n, 2), np.float32))
    run_on_threads(footprints_backward, tape.threads, sums_of, tape.means, tape.factors, tape.opacities, camera.w2c,
                   *camera_numbers(camera), float(settings.low_pass_px2), settings.antialiased, camera.orthographic,
                   gradients.means, gradients.factors, gradients.opacities, gradients.colours, gradients.centres_px)
    return gradients
