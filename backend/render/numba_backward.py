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
from .numba_options import STRIP, STRIP_PIXELS, TILE, inline, kernel, stack_floats, take_next

# Columns of a pair's gradient: sums over its pixels of dL/d(ln alpha) times 1, dx, dy, dx^2, dx dy, dy^2,
# then the gradient of its colour.
SUM_1, SUM_X, SUM_Y, SUM_XX, SUM_XY, SUM_YY, SUM_RED = 0, 1, 2, 3, 4, 5, 6
GRADIENT_COLUMNS = 9


@inline
def sum_of_row(lanes, j, column):
    """Return the sum of lanes[j, column, :]."""
    total = np.float32(0.0)
    for x in range(TILE):
        total += lanes[j, column, x]
    return total


@kernel
def blend_tiles_backward(worker, workers, counter, tiles, starts, pair_splat, pair_rows, pair_slot, rows, limits, width,
                         height, rgba, d_rgba, pair_gradients):
    """Write pair_gradients (pairs, GRADIENT_COLUMNS) float32, zero where a pair was hidden, for d_rgba (H, W, 4).

    pair_slot (pairs,) int32 says which row of pair_gradients a pair owns.
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
    d_log = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    weights = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    strips = TILE // STRIP
    state, seeds = np.empty((strips, 2, STRIP, TILE), np.float32), np.empty((strips, 4, STRIP, TILE), np.float32)
    block, members = np.empty((BLOCK, DEPTH + 1), np.float32), np.empty(BLOCK + 1, np.int32)
    # Sums stay apart by pixel column until a block is done: one sum across the columns instead of one a strip.
    lanes = np.empty((BLOCK, GRADIENT_COLUMNS, TILE), np.float32)
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
            lanes[:count] = zero
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
                            value = weight * (r * seeds[strip, 0, y, x] + g * seeds[strip, 1, y, x]
                                              + b * seeds[strip, 2, y, x] + seeds[strip, 3, y, x])
                            rest = remaining[y, x] - value
                            through[y, x], remaining[y, x], weights[y, x] = before - weight, rest, weight
                            d_log[y, x] = value - rest * alpha / (one - alpha) if uncapped <= cap else zero
                    for x in range(TILE):
                        dx = np.float32(x) - mx
                        total = by_y = by_yy = d_red = d_green = d_blue = zero
                        for y in range(STRIP):
                            dy = np.float32(y) - my
                            total += d_log[y, x]
                            by_y += d_log[y, x] * dy
                            by_yy += d_log[y, x] * dy * dy
                            d_red += weights[y, x] * seeds[strip, 0, y, x]
                            d_green += weights[y, x] * seeds[strip, 1, y, x]
                            d_blue += weights[y, x] * seeds[strip, 2, y, x]
                        lanes[j, SUM_1, x] += total
                        lanes[j, SUM_X, x] += total * dx
                        lanes[j, SUM_Y, x] += by_y
                        lanes[j, SUM_XX, x] += total * dx * dx
                        lanes[j, SUM_XY, x] += by_y * dx
                        lanes[j, SUM_YY, x] += by_yy
                        lanes[j, SUM_RED, x] += d_red
                        lanes[j, SUM_RED + 1, x] += d_green
                        lanes[j, SUM_RED + 2, x] += d_blue
                copy_strip(through, state[strip, 0])
                copy_strip(remaining, state[strip, 1])
                open_pixels = 0
                for y in range(STRIP):
                    for x in range(TILE):
                        open_pixels += through[y, x] > stop
                if open_pixels == 0:
                    unfinished &= ~(1 << strip)
            for j in range(count):
                for column in range(GRADIENT_COLUMNS):
                    pair_gradients[pair_slot[first + j], column] = sum_of_row(lanes, j, column)
            first += count
