# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tiles, and which rows of them, the ellipse of a footprint touches: exactly, not by its box."""
from __future__ import annotations

import math

import numpy as np

from .numba_options import TILE, TILE_BITS, exact_inline, kernel

# Columns of a footprint row: 16 float32, one cache line.
MX, MY = 0, 1            # centre, pixels; pixel (column, row) has its centre at (column, row)
QA, QB, QC, Q0 = 2, 3, 4, 5   # ln(alpha) / 8 = QA dx^2 + QB dx dy + QC dy^2 + Q0
RED, GREEN, BLUE, DEPTH = 6, 7, 8, 9
EX = 10                  # half width of the ellipse where alpha meets the cut, -1 where nothing shows
SKEW, SPREAD, TOP = 11, 12, 13   # at offset d it spans SKEW d +- SPREAD sqrt(EX^2 - d^2); its last row is at d = TOP
COLUMNS = 16

# Added to the ellipse on every side, pixels: float32 rounding must not lose a pixel that reaches the cut.
_SLACK_PX = np.float32(2e-3)


# The three functions below are called once to count and once to fill: they must agree to the last bit.

@exact_inline
def pixels_between(low, high, size):
    """Return the first and last integer of 0..size - 1 between two float32 bounds; last < first when none.

    Truncation of a number that is kept positive, because floor and ceil are calls into the C library.
    """
    one, limit = np.float32(1.0), np.float32(size)
    first = np.int64(min(max(low, -one), limit) + one)
    last = np.int64(min(max(high, -one), limit - one) + one) - 1
    return first, last


@exact_inline
def tile_columns(mx, ex, width):
    """Return the first and last tile column of a footprint; last < first when there is none."""
    first, last = pixels_between(mx - ex - _SLACK_PX, mx + ex + _SLACK_PX, width)
    if last < first or ex < 0:
        return 0, -1
    return first >> TILE_BITS, last >> TILE_BITS


@exact_inline
def pixel_rows(mx, my, ex, skew, spread, top, column, height):
    """Return the first and last pixel row that a footprint touches inside one tile column.

    The part of the ellipse between the column's outer pixel centres is convex, so its rows are an
    interval: its ends lie at the ellipse's own extreme points or at the column's edges.
    """
    zero = np.float32(0.0)
    left = np.float32(column * TILE) - mx - _SLACK_PX
    right = np.float32(column * TILE + TILE - 1) - mx + _SLACK_PX
    left, right = max(left, -ex), min(right, ex)
    low_at, high_at = min(right, max(left, -top)), min(right, max(left, top))
    low = skew * low_at - spread * math.sqrt(max(zero, ex * ex - low_at * low_at))
    high = skew * high_at + spread * math.sqrt(max(zero, ex * ex - high_at * high_at))
    return pixels_between(my + low - _SLACK_PX, my + high + _SLACK_PX, height)


@kernel
def count_tiles(worker, workers, rows, width, height, tile_counts):
    """Count in tile_counts (workers, tiles) int32, which starts at zero, how many footprints touch each tile.

    Each worker takes one run of the footprints, here and in ``fill_tiles``.
    """
    across = (width + TILE - 1) >> TILE_BITS
    n = rows.shape[0]
    for k in range(n * worker // workers, n * (worker + 1) // workers):
        mx, my, ex = rows[k, MX], rows[k, MY], rows[k, EX]
        skew, spread, top_at = rows[k, SKEW], rows[k, SPREAD], rows[k, TOP]
        first, last = tile_columns(mx, ex, width)
        for column in range(first, last + 1):
            top, bottom = pixel_rows(mx, my, ex, skew, spread, top_at, column, height)
            if top <= bottom:
                for tile_row in range(top >> TILE_BITS, (bottom >> TILE_BITS) + 1):
                    tile_counts[worker, tile_row * across + column] += 1


@kernel
def fill_tiles(worker, workers, rows, width, height, upper, lower, cursors, pair_splat, pair_rows, pairs_from, pair_slot):
    """List for each tile of the tile rows upper..lower the footprints that touch it, nearest first.

    cursors (workers, tiles) int64 say where each worker's share of each list begins, and are advanced.
    pair_splat int32 receives the footprint, pair_rows uint8 its first and last row inside the tile (4 bits each).
    For a backward pass pair_slot int32 receives each pair's place in a list by footprint, and pairs_from
    (count + 1,) int64 where those of each footprint begin; when called it holds that of each worker's first
    footprint. Both are None otherwise.
    """
    across = (width + TILE - 1) >> TILE_BITS
    n = rows.shape[0]
    if pair_slot is not None:
        listed = pairs_from[n * worker // workers]
    for k in range(n * worker // workers, n * (worker + 1) // workers):
        mx, my, ex = rows[k, MX], rows[k, MY], rows[k, EX]
        skew, spread, top_at = rows[k, SKEW], rows[k, SPREAD], rows[k, TOP]
        if pair_slot is not None:
            pairs_from[k] = listed
        first, last = tile_columns(mx, ex, width)
        for column in range(first, last + 1):
            top, bottom = pixel_rows(mx, my, ex, skew, spread, top_at, column, height)
            if top > bottom:
                continue
            for tile_row in range(max(top >> TILE_BITS, upper), min(bottom >> TILE_BITS, lower) + 1):
                tile = tile_row * across + column
                slot = cursors[worker, tile]
                cursors[worker, tile] = slot + 1
                pair_splat[slot] = k
                if pair_slot is not None:
                    pair_slot[slot] = listed
                    listed += 1
                begin = max(top - (tile_row << TILE_BITS), 0)
                end = min(bottom - (tile_row << TILE_BITS), TILE - 1)
                pair_rows[slot] = (begin << 4) | end
