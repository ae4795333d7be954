# SPDX-License-Identifier: GPL-3.0-or-later
"""The gradient of a blended picture with respect to each footprint, one tile at a time, front to back.

Every (footprint, tile) pair owns a row of the gradient buffer, so that threads never add to the same
place and the result does not depend on their timing.
"""
from __future__ import annotations

import numpy as np
from numba import carray

from .numba_bins import BLUE, DEPTH, GREEN, MX, MY, Q0, QA, QB, QC, RED
from .numba_forward import BLOCK, copy_strip, exp_of_eight, gather_block, list_strip
from .numba_options import STRIP, STRIP_PIXELS, TILE, kernel, stack_floats, take_next

# Columns of a pair's gradient: sums over its pixels of dL/d(ln alpha) times 1, dx, dy, dx^2, dx dy, dy^2,
# then the gradient of its colour.
SUM_1, SUM_X, SUM_Y, SUM_XX, SUM_XY, SUM_YY, SUM_RED = 0, 1, 2, 3, 4, 5, 6
GRADIENT_COLUMNS = 9
_LANE_FLOATS = GRADIENT_COLUMNS * TILE


@kernel
def blend_tiles_backward(worker, workers, counter, tiles, starts, pair_splat, pair_rows, rows, limits, width, height, rgba,
                         d_rgba, pair_gradients):
    """Write pair_gradients (pairs, GRADIENT_COLUMNS) float32, zero where a pair was hidden, for d_rgba (H, W, 4).

    rgba (H, W, 4) is the forward pass's picture, background included; the other arguments are the forward pass's.

    With weights w_i = T_i a_i and values v_i = colour . d_rgb + d_alpha, the loss moves with a_i by
    T_i v_i - (what all later splats and the background add) / (1 - a_i). What they add is the picture's own
    total less what has been passed, which is what allows to go front to back.
    """
    across = (width + TILE - 1) // TILE
    q_cut, cap, stop = limits
    one, zero = np.float32(1.0), np.float32(0.0)
    through = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    remaining = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    lanes = carray(stack_floats(_LANE_FLOATS), (GRADIENT_COLUMNS, TILE))
    strips = TILE // STRIP
    state, seeds = np.empty((strips, 2, STRIP, TILE), np.float32), np.empty((strips, 4, STRIP, TILE), np.float32)
    block, members = np.empty((BLOCK, DEPTH + 1), np.float32), np.empty(BLOCK + 1, np.int32)
    while True:
        turn = take_next(counter)
        if turn >= tiles.shape[0]:
            break
        tile = tiles[turn]
        left, top = (tile % across) * TILE, (tile // across) * TILE
        state[:] = zero
        seeds[:] = zero
        for y in range(min(TILE, height - top)):
            for x in range(min(TILE, width - left)):
                total = zero
                for channel in range(4):
                    seed = d_rgba[top + y, left + x, channel]
                    seeds[y // STRIP, channel, y % STRIP, x] = seed
                    total += rgba[top + y, left + x, channel] * seed
                state[y // STRIP, 0, y % STRIP, x] = one
                state[y // STRIP, 1, y % STRIP, x] = total
        first, last = starts[tile], starts[tile + 1]
        unfinished = (1 << strips) - 1
        while first < last and unfinished != 0:
            count = min(BLOCK, last - first)
            gather_block(rows, pair_splat, first, count, left, top, block)
            for strip in range(strips):
                if (unfinished >> strip) & 1 == 0:
                    continue
                found = list_strip(pair_rows, first, count, strip, members)
                copy_strip(state[strip, 0], through)
                copy_strip(state[strip, 1], remaining)
                for member in range(found):
                    j = members[member]
                    mx, my = block[j, MX], block[j, MY] - np.float32(strip * STRIP)
                    qa, qb, qc, q0 = block[j, QA], block[j, QB], block[j, QC], block[j, Q0]
                    r, g, b = block[j, RED], block[j, GREEN], block[j, BLUE]
                    for column in range(GRADIENT_COLUMNS):
                        for x in range(TILE):
                            lanes[column, x] = zero
                    for y in range(STRIP):
                        dy = np.float32(y) - my
                        slope, offset = qb * dy, qc * dy * dy + q0
                        for x in range(TILE):
                            dx = np.float32(x) - mx
                            q = (qa * dx + slope) * dx + offset
                            uncapped = exp_of_eight(q)
                            before = through[y, x]
                            alpha = min(cap, uncapped) if (q >= q_cut and before > stop) else zero
                            weight = alpha * before
                            d_red, d_green, d_blue = seeds[strip, 0, y, x], seeds[strip, 1, y, x], seeds[strip, 2, y, x]
                            value = r * d_red + g * d_green + b * d_blue + seeds[strip, 3, y, x]
                            rest = remaining[y, x] - weight * value
                            through[y, x] = before - weight
                            remaining[y, x] = rest
                            d_log = weight * value - rest * alpha / (one - alpha)
                            d_log = d_log if uncapped <= cap else zero
                            lanes[SUM_1, x] += d_log
                            lanes[SUM_X, x] += d_log * dx
                            lanes[SUM_XX, x] += d_log * dx * dx
                            lanes[SUM_Y, x] += d_log * dy
                            lanes[SUM_XY, x] += d_log * dx * dy
                            lanes[SUM_YY, x] += d_log * dy * dy
                            lanes[SUM_RED, x] += weight * d_red
                            lanes[SUM_RED + 1, x] += weight * d_green
                            lanes[SUM_RED + 2, x] += weight * d_blue
                    for column in range(GRADIENT_COLUMNS):
                        total = zero
                        for x in range(TILE):
                            total += lanes[column, x]
                        pair_gradients[first + j, column] += total
                copy_strip(through, state[strip, 0])
                copy_strip(remaining, state[strip, 1])
                open_pixels = 0
                for y in range(STRIP):
                    for x in range(TILE):
                        open_pixels += through[y, x] > stop
                if open_pixels == 0:
                    unfinished &= ~(1 << strip)
            first += count
