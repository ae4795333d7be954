# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast rasteriser for CPUs: sort once, then blend 16x16 tiles in compiled kernels."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .interface import Camera, Frame, Posed, RenderSettings, checked_arrays, matte_indices
from .numba_bins import COLUMNS, count_tiles, fill_tiles
from .numba_forward import MAX_MATTES, blend_tiles
from .numba_options import TILE
from .numba_project import CULLED, depth_keys, footprints, sort_by_depth
from .threads import default_threads, run_on_threads

# Pairs of footprint and tile listed at a time, 5 bytes each: a camera inside a head can make a thousand
# times as many as one in front of it, and memory must stay bounded.
MAX_PAIRS = 100_000_000


@dataclass(frozen=True)
class Projected:
    """Footprints in depth order, and how many of each worker's share touch each tile.

    rank (N,) int32 place of each input splat, -1 for culled; order (count,) int32 its inverse;
    rows (count, COLUMNS) float32 (see numba_bins); tile_counts (threads, tiles) int32
    """

    rank: np.ndarray
    order: np.ndarray
    rows: np.ndarray
    tile_counts: np.ndarray


@dataclass(frozen=True)
class Listed:
    """For each tile, the footprints that touch it, nearest first.

    starts (tiles + 1,) int64 into pair_splat int32 and pair_rows uint8; pairs_from (count + 1,) int64 and pair_slot
    int32 order the same pairs by footprint, or are None (see ``fill_tiles``)
    """

    starts: np.ndarray
    pair_splat: np.ndarray
    pair_rows: np.ndarray
    pairs_from: np.ndarray | None = None
    pair_slot: np.ndarray | None = None


def render(posed: Posed, camera: Camera, settings: RenderSettings, *, threads: int | None = None, depth: bool = False,
           mattes: Mapping[str, Sequence[int]] | None = None, strips_blended: np.ndarray | None = None) -> Frame:
    """Draw posed splats; ``mattes`` maps names to group codes. ``settings.supersample`` is not read here.

    strips_blended (threads,) int64 is raised by the work done, for the benchmark (see ``blend_tiles``).
    Raises ValueError for arrays of the wrong shape or more than ``MAX_MATTES`` mattes.
    """
    threads = threads or default_threads()
    mattes = mattes or {}
    if len(mattes) > MAX_MATTES:
        raise ValueError(f"{len(mattes)} mattes, but one frame holds at most {MAX_MATTES}")
    if strips_blended is None:
        strips_blended = np.zeros(threads, np.int64)
    means, factors, opacities, colours = checked_arrays(posed, np.float32)
    projected = project(means, factors, opacities, colours, camera, settings, threads)
    height, width = camera.height, camera.width
    rgba = np.empty((height, width, 4), np.float32)
    depth_m = matte_of = planes = None
    if depth or mattes:
        depth_m, planes = np.empty((height, width), np.float32), np.empty((len(mattes), height, width), np.float32)
        matte_of = matte_indices(posed.groups, mattes) if mattes else np.zeros(len(means), np.int32)
        matte_of[matte_of < 0] = len(mattes)
    for upper, lower in tile_row_bands(projected, camera):
        listed = list_tiles(projected, camera, upper, lower)
        run_on_threads(blend_tiles, threads, np.zeros(1, np.int64), heaviest_first(listed, camera, upper, lower), listed.starts,
                       listed.pair_splat, listed.pair_rows, projected.order, projected.rows, blend_limits(settings),
                       tuple(np.float32(value) for value in settings.background), width, height, rgba, depth_m, matte_of,
                       planes, strips_blended)
    return Frame(rgba[..., :3], rgba[..., 3], depth_m if depth else None,
                 {name: planes[k] for k, name in enumerate(mattes)})


def project(means: np.ndarray, factors: np.ndarray, opacities: np.ndarray, colours: np.ndarray, camera: Camera,
            settings: RenderSettings, threads: int) -> Projected:
    """Sort float32 splats by depth, project them and count them by tile."""
    n = len(means)
    keys, order, rank = np.empty(n, np.uint64), np.empty(n, np.int32), np.empty(n, np.int32)
    lens, slope_limits = camera_numbers(camera)
    run_on_threads(depth_keys, threads, means, factors, opacities, camera.w2c, lens, slope_limits, float(camera.near_m),
                   camera.width, camera.height, float(settings.low_pass_px2), settings.alpha_cut, camera.orthographic, keys)
    count = sort_by_depth(keys, order, rank, np.empty(n, np.uint64), np.empty(n, np.int32))
    rows = np.empty((count, COLUMNS), np.float32)
    run_on_threads(footprints, threads, rank, means, factors, opacities, colours, camera.w2c, lens, slope_limits,
                   camera.width, camera.height, float(settings.low_pass_px2), settings.alpha_cut, settings.antialiased,
                   camera.orthographic, rows)
    across, down = tile_grid(camera)
    tile_counts = np.zeros((threads, across * down), np.int32)
    run_on_threads(count_tiles, threads, rows, camera.width, camera.height, tile_counts)
    return Projected(rank, order[:count], rows, tile_counts)


def touching(posed: Posed, camera: Camera, settings: RenderSettings, threads: int | None = None) -> np.ndarray:
    """Return (N,) bool: which splats may touch the picture; the others certainly do not."""
    means, factors, opacities, _ = checked_arrays(posed, np.float32)
    keys, threads = np.empty(len(means), np.uint64), threads or default_threads()
    lens, slope_limits = camera_numbers(camera)
    run_on_threads(depth_keys, threads, means, factors, opacities, camera.w2c, lens, slope_limits, float(camera.near_m),
                   camera.width, camera.height, float(settings.low_pass_px2), settings.alpha_cut, camera.orthographic, keys)
    return keys != CULLED


def list_tiles(projected: Projected, camera: Camera, upper: int, lower: int, *, by_splat: bool = False) -> Listed:
    """List the footprints of each tile of the tile rows upper..lower; the other tiles' lists stay empty.

    ``by_splat`` lists the pairs by footprint too, which needs all tile rows.
    """
    across, _ = tile_grid(camera)
    counts = np.zeros_like(projected.tile_counts, np.int64)
    inside = slice(upper * across, (lower + 1) * across)
    counts[:, inside] = projected.tile_counts[:, inside]
    starts = np.zeros(counts.shape[1] + 1, np.int64)
    np.cumsum(counts.sum(0), out=starts[1:])
    cursors = starts[:-1] + np.cumsum(counts, 0) - counts
    pair_splat, pair_rows = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.uint8)
    pairs_from = pair_slot = None
    threads = len(counts)
    if by_splat:
        pair_slot = np.empty(starts[-1], np.int32)
        n = len(projected.rows)
        pairs_from = np.zeros(n + 1, np.int64)
        for worker, begin in enumerate(np.cumsum(counts.sum(1))[:-1], start=1):
            pairs_from[n * worker // threads] = begin
        pairs_from[n] = starts[-1]
    run_on_threads(fill_tiles, threads, projected.rows, camera.width, camera.height, upper, lower, cursors, pair_splat,
                   pair_rows, pairs_from, pair_slot)
    return Listed(starts, pair_splat, pair_rows, pairs_from, pair_slot)


def tile_row_bands(projected: Projected, camera: Camera) -> list[tuple[int, int]]:
    """Cut the picture into runs of tile rows (first, last) of at most ``MAX_PAIRS`` pairs, or one row each."""
    across, down = tile_grid(camera)
    by_row = projected.tile_counts.sum(0, dtype=np.int64).reshape(down, across).sum(1)
    bands, upper, held = [], 0, 0
    for row in range(down):
        if row > upper and held + by_row[row] > MAX_PAIRS:
            bands.append((upper, row - 1))
            upper, held = row, 0
        held += by_row[row]
    return [*bands, (upper, down - 1)]


def heaviest_first(listed: Listed, camera: Camera, upper: int, lower: int) -> np.ndarray:
    """Return the tiles of some tile rows, int32, longest list first, so that no thread ends with a long one."""
    across, _ = tile_grid(camera)
    lengths = np.diff(listed.starts)[upper * across:(lower + 1) * across]
    return (np.argsort(-lengths, kind="stable") + upper * across).astype(np.int32)


def tile_grid(camera: Camera) -> tuple[int, int]:
    """Return how many tiles a picture is wide and high."""
    return -(-camera.width // TILE), -(-camera.height // TILE)


def camera_numbers(camera: Camera) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
    """Return (fx, fy, cx, cy) and the slope limits as Python floats: one type, one compiled kernel."""
    lens = (float(camera.fx), float(camera.fy), float(camera.cx), float(camera.cy))
    return lens, tuple(float(limit) for limit in camera.slope_limits)


def blend_limits(settings: RenderSettings) -> tuple[np.float32, np.float32, np.float32]:
    """Return ln(alpha cut) / 8, the alpha cap and the transmittance where a pixel is finished."""
    return (np.float32(np.log(settings.alpha_cut) / 8.0), np.float32(settings.alpha_cap),
            np.float32(settings.transmittance_stop))
