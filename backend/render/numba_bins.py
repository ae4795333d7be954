# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tiles, and which rows of them, the ellipse of a footprint touches: exactly, not by its box."""
from __future__ import annotations

import math

import numpy as np

from .numba_options import TILE, inline, kernel

# Columns of a footprint row: 16 float32, one cache line.
MX, MY = 0, 1            # centre, pixels; pixel (column, row) has its centre at (column, row)
QA, QB, QC, Q0 = 2, 3, 4, 5   # ln(alpha) / 8 = QA dx^2 + QB dx dy + QC dy^2 + Q0
RED, GREEN, BLUE, DEPTH = 6, 7, 8, 9
EX, EY = 10, 11          # half width and half height of the ellipse where alpha meets the cut; EX < 0: draws nothing
SKEW, SPREAD, TOP = 12, 13, 14   # at offset d the ellipse spans SKEW d +- SPREAD sqrt(EX^2 - d^2); lowest point at d = TOP
COLUMNS = 16

# Added to the ellipse on every side, pixels: float32 rounding must not lose a pixel that reaches the cut.
_SLACK_PX = np.float32(2e-3)


@inline
def tile_columns(rows, k, width):
    """Return the first and last tile column of footprint k; last < first when it shows nothing."""
    left = math.ceil(rows[k, MX] - rows[k, EX] - _SLACK_PX)
    right = math.floor(rows[k, MX] + rows[k, EX] + _SLACK_PX)
    left, right = max(left, 0), min(right, width - 1)
    if rows[k, EX] < 0 or right < left:
        return 0, -1
    return left // TILE, right // TILE


@inline
def pixel_rows(rows, k, column, height):
    """Return the first and last pixel row that footprint k touches inside one tile column.

    The part of the ellipse between the column's outer pixel centres is convex, so its rows are an
    interval: its ends lie at the ellipse's own extreme points or at the column's edges.
    """
    ex = rows[k, EX]
    left = np.float32(column * TILE) - rows[k, MX] - _SLACK_PX
    right = np.float32(column * TILE + TILE - 1) - rows[k, MX] + _SLACK_PX
    left, right = max(left, -ex), min(right, ex)
    low_at = min(right, max(left, -rows[k, TOP]))
    high_at = min(right, max(left, rows[k, TOP]))
    zero = np.float32(0.0)
    low = rows[k, SKEW] * low_at - rows[k, SPREAD] * math.sqrt(max(zero, ex * ex - low_at * low_at))
    high = rows[k, SKEW] * high_at + rows[k, SPREAD] * math.sqrt(max(zero, ex * ex - high_at * high_at))
    first = max(math.ceil(rows[k, MY] + low - _SLACK_PX), 0)
    last = min(math.floor(rows[k, MY] + high + _SLACK_PX), height - 1)
    return first, last


@kernel
def fill_tiles(worker, workers, rows, count, width, height, first_tile_row, last_tile_row, cursors, pair_splat, pair_rows):
    """List, for the tiles of some tile rows, the footprints that touch them, nearest first.

    cursors (workers, tiles) int64 hold where each worker's share of each tile's list begins and are advanced;
    pair_splat int32 receives the footprint, pair_rows uint8 its first and last row inside the tile (4 bits each).
    """
    across = (width + TILE - 1) // TILE
    for k in range(count * worker // workers, count * (worker + 1) // workers):
        first, last = tile_columns(rows, k, width)
        for column in range(first, last + 1):
            top, bottom = pixel_rows(rows, k, column, height)
            for tile_row in range(max(top // TILE, first_tile_row), min(bottom // TILE, last_tile_row) + 1):
                tile = tile_row * across + column
                slot = cursors[worker, tile]
                cursors[worker, tile] = slot + 1
                pair_splat[slot] = k
                begin = max(top - tile_row * TILE, 0)
                end = min(bottom - tile_row * TILE, TILE - 1)
                pair_rows[slot] = (begin << 4) | end
