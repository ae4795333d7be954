# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast rasteriser for CPUs: sort once, then blend 16x16 tiles in compiled kernels."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .interface import Camera, Frame, Posed, RenderSettings, checked_arrays, matte_indices
from .numba_bins import COLUMNS, count_tiles, fill_tiles
from .numba_forward import blend_tiles
from .numba_options import TILE
from .numba_project import depth_keys, footprints, sort_by_depth
from .threads import default_threads, run_on_threads


@dataclass(frozen=True)
class Binned:
    """Footprints in depth order and, for each tile, the list of those that touch it.

    order (count,) int32 input indices, rows (count, COLUMNS) float32 (see numba_bins),
    starts (tiles + 1,) int64 into pair_splat int32 and pair_rows uint8
    """

    order: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    pair_splat: np.ndarray
    pair_rows: np.ndarray


def bin_splats(posed: Posed, camera: Camera, settings: RenderSettings, threads: int) -> Binned:
    """Sort posed splats by depth, project them and list them by tile."""
    means, factors, opacities, colours = checked_arrays(posed, np.float32)
    n = len(means)
    keys, order = np.empty(n, np.uint32), np.empty(n, np.int32)
    run_on_threads(depth_keys, threads, means, opacities, camera.w2c, camera.near_m, settings.alpha_cut, keys)
    rank = np.empty(n, np.int32)
    count = sort_by_depth(keys, order, rank, np.empty(n, np.uint32), np.empty(n, np.int32))
    rows = np.empty((count, COLUMNS), np.float32)
    run_on_threads(footprints, threads, rank, means, factors, opacities, colours, camera.w2c,
                   (camera.fx, camera.fy, camera.cx, camera.cy), camera.slope_limits, camera.width, camera.height,
                   settings.low_pass_px2, settings.alpha_cut, settings.antialiased, camera.orthographic, rows)
    across, down = -(-camera.width // TILE), -(-camera.height // TILE)
    tile_counts = np.zeros((threads, across * down), np.int32)
    run_on_threads(count_tiles, threads, rows, camera.width, camera.height, tile_counts)
    starts = np.zeros(across * down + 1, np.int64)
    np.cumsum(tile_counts.sum(0), out=starts[1:])
    cursors = starts[:-1] + np.cumsum(tile_counts, 0) - tile_counts
    pair_splat, pair_rows = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.uint8)
    run_on_threads(fill_tiles, threads, rows, camera.width, camera.height, 0, down - 1, cursors, pair_splat, pair_rows)
    return Binned(order[:count], rows, starts, pair_splat, pair_rows)


def render(posed: Posed, camera: Camera, settings: RenderSettings, *, threads: int | None = None, depth: bool = False,
           mattes: Mapping[str, Sequence[int]] | None = None) -> Frame:
    """Draw posed splats; ``mattes`` maps names to group codes. ``settings.supersample`` is not read here."""
    threads = threads or default_threads()
    mattes = mattes or {}
    binned = bin_splats(posed, camera, settings, threads)
    height, width = camera.height, camera.width
    rgba = np.empty((height, width, 4), np.float32)
    depth_m = matte_of = planes = None
    if depth or mattes:
        depth_m, planes = np.empty((height, width), np.float32), np.empty((len(mattes), height, width), np.float32)
        matte_of = matte_indices(posed.groups, mattes)
        matte_of[matte_of < 0] = len(mattes)
    tiles = np.argsort(-np.diff(binned.starts), kind="stable").astype(np.int32)
    limits = (np.float32(np.log(settings.alpha_cut) / 8), np.float32(settings.alpha_cap), np.float32(settings.transmittance_stop))
    background = tuple(np.float32(value) for value in settings.background)
    run_on_threads(blend_tiles, threads, np.zeros(1, np.int64), tiles, binned.starts, binned.pair_splat, binned.pair_rows,
                   binned.order, binned.rows, limits, background, width, height, rgba, depth_m, matte_of, planes)
    return Frame(rgba[..., :3], rgba[..., 3], depth_m if depth else None, dict(zip(mattes, planes, strict=True)) if mattes else {})
