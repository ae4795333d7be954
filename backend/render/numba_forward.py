# SPDX-License-Identifier: GPL-3.0-or-later
"""Blend the footprints of each tile, front to back.

What the machine wants, in order of what it brought: the rows of a block of footprints are gathered
before they are needed (a cache miss each otherwise); a strip of four pixel rows is blended in
registers; no branch depends on a pixel.
"""
from __future__ import annotations

import numpy as np
from numba import carray

from .numba_bins import BLUE, DEPTH, GREEN, MX, MY, Q0, QA, QB, QC, RED
from .numba_options import STRIP, STRIP_PIXELS, TILE, inline, kernel, stack_floats, take_next

# exp(x) on [ln(1/255)/8 - 0.2 %, 0], minimax of the relative error (Lawson iteration), which is 7.6e-8;
# its eighth power is then exp on [ln(1/255), 0] to 2e-6 in float32.
_E0, _E1, _E2 = np.float32(0.99999994), np.float32(0.99999285), np.float32(0.49988639)
_E3, _E4, _E5 = np.float32(0.16599043), np.float32(0.03980160), np.float32(0.00586463)

BLOCK = 128              # footprints gathered at a time; also how often a strip looks whether it is finished
MAX_MATTES = 15
_MATTE_PLANES = MAX_MATTES + 1
_MATTE_FLOATS = _MATTE_PLANES * TILE * TILE
_TILE_FLOATS = TILE * TILE


@inline
def exp_of_eight(x):
    """Return exp(8 x) for float32 x in ln(1/255)/8..0; elsewhere it is meaningless."""
    r = _E0 + x * (_E1 + x * (_E2 + x * (_E3 + x * (_E4 + x * _E5))))
    r = r * r
    r = r * r
    return r * r


@inline
def gather_block(rows, pair_splat, first, count, left, top, block):
    """Copy the footprint rows of ``count`` pairs, with centres relative to the tile's upper left pixel."""
    for j in range(count):
        k = pair_splat[first + j]
        block[j, MX] = rows[k, MX] - np.float32(left)
        block[j, MY] = rows[k, MY] - np.float32(top)
        for column in range(QA, DEPTH + 1):
            block[j, column] = rows[k, column]


@inline
def list_strip(pair_rows, first, count, strip, members):
    """List which of a block's footprints touch rows STRIP * strip.. of the tile; return their number."""
    upper, lower = strip * STRIP, strip * STRIP + STRIP - 1
    found = 0
    for j in range(count):
        members[found] = j
        span = pair_rows[first + j]
        found += ((span >> 4) <= lower) & ((span & 15) >= upper)
    return found


@inline
def copy_strip(source, target):
    """Copy one plane of a strip; both are (STRIP, TILE)."""
    for y in range(STRIP):
        for x in range(TILE):
            target[y, x] = source[y, x]


@kernel
def blend_tiles(worker, workers, counter, tiles, starts, pair_splat, pair_rows, order, rows, limits, background, width,
                height, rgba, depth, matte_of, mattes, strips_blended):
    """Blend the given tiles, handed out one by one, into rgba (H, W, 4).

    tiles int32 in the order to take them; starts (tiles + 1,) int64 into the pair lists; order (count,) int32
    input indices; limits float32 (ln(alpha_cut) / 8, alpha_cap, transmittance_stop).
    Either depth, matte_of and mattes are all None, or depth (H, W) and mattes (K, H, W) are filled too and
    matte_of int32 says which matte each input splat counts for (K for none).
    strips_blended (workers,) int64 is raised by how many strips of 64 pixels met a footprint, for the benchmark.
    """
    across = (width + TILE - 1) // TILE
    q_cut, cap, stop = limits
    one, zero = np.float32(1.0), np.float32(0.0)
    through = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    red = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    green = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    blue = carray(stack_floats(STRIP_PIXELS), (STRIP, TILE))
    sums = np.empty((TILE // STRIP, 4, STRIP, TILE), np.float32)
    block, members = np.empty((BLOCK, DEPTH + 1), np.float32), np.empty(BLOCK + 1, np.int32)
    if depth is not None:
        depth_sums = carray(stack_floats(_TILE_FLOATS), (TILE, TILE))
        matte_sums = carray(stack_floats(_MATTE_FLOATS), (_MATTE_PLANES, TILE, TILE))
    while True:
        turn = take_next(counter)
        if turn >= tiles.shape[0]:
            break
        tile = tiles[turn]
        left, top = (tile % across) * TILE, (tile // across) * TILE
        sums[:, 0] = one
        sums[:, 1:] = zero
        if depth is not None:
            depth_sums[:] = zero
            matte_sums[:mattes.shape[0] + 1] = zero
        first, last = starts[tile], starts[tile + 1]
        unfinished = (1 << (TILE // STRIP)) - 1
        while first < last and unfinished != 0:
            count = min(BLOCK, last - first)
            gather_block(rows, pair_splat, first, count, left, top, block)
            for strip in range(TILE // STRIP):
                if (unfinished >> strip) & 1 == 0:
                    continue
                found = list_strip(pair_rows, first, count, strip, members)
                strips_blended[worker] += found
                copy_strip(sums[strip, 0], through)
                copy_strip(sums[strip, 1], red)
                copy_strip(sums[strip, 2], green)
                copy_strip(sums[strip, 3], blue)
                for member in range(found):
                    j = members[member]
                    mx, my = block[j, MX], block[j, MY] - np.float32(strip * STRIP)
                    qa, qb, qc, q0 = block[j, QA], block[j, QB], block[j, QC], block[j, Q0]
                    r, g, b = block[j, RED], block[j, GREEN], block[j, BLUE]
                    if depth is not None:
                        z, plane = block[j, DEPTH], matte_of[order[pair_splat[first + j]]]
                    for y in range(STRIP):
                        dy = np.float32(y) - my
                        slope, offset = qb * dy, qc * dy * dy + q0
                        for x in range(TILE):
                            dx = np.float32(x) - mx
                            q = (qa * dx + slope) * dx + offset
                            alpha = min(cap, exp_of_eight(q))
                            before = through[y, x]
                            weight = alpha * before if (q >= q_cut and before > stop) else zero
                            through[y, x] = before - weight
                            red[y, x] += weight * r
                            green[y, x] += weight * g
                            blue[y, x] += weight * b
                            if depth is not None:
                                depth_sums[strip * STRIP + y, x] += weight * z
                                matte_sums[plane, strip * STRIP + y, x] += weight
                copy_strip(through, sums[strip, 0])
                copy_strip(red, sums[strip, 1])
                copy_strip(green, sums[strip, 2])
                copy_strip(blue, sums[strip, 3])
                open_pixels = 0
                for y in range(STRIP):
                    for x in range(TILE):
                        open_pixels += through[y, x] > stop
                if open_pixels == 0:
                    unfinished &= ~(1 << strip)
            first += count
        for y in range(min(TILE, height - top)):
            strip, line = y // STRIP, y % STRIP
            for x in range(min(TILE, width - left)):
                rest = sums[strip, 0, line, x]
                for channel in range(3):
                    rgba[top + y, left + x, channel] = sums[strip, channel + 1, line, x] + rest * background[channel]
                rgba[top + y, left + x, 3] = one - rest
            if depth is not None:
                for x in range(min(TILE, width - left)):
                    covered = one - sums[strip, 0, line, x]
                    depth[top + y, left + x] = depth_sums[y, x] / covered if covered > zero else np.float32(np.inf)
                for m in range(mattes.shape[0]):
                    for x in range(min(TILE, width - left)):
                        mattes[m, top + y, left + x] = matte_sums[m, y, x]
