# SPDX-License-Identifier: GPL-3.0-or-later
"""Blend the footprints of each tile, front to back."""
from __future__ import annotations

import numpy as np

from .numba_bins import BLUE, DEPTH, GREEN, MX, MY, Q0, QA, QB, QC, RED
from .numba_options import TILE, inline, kernel, take_next

# exp(x) on [ln(1/255)/8 - 0.2 %, 0], minimax of the relative error (Lawson iteration), which is 7.6e-8;
# its eighth power is then exp on [ln(1/255), 0] to 2e-6 in float32.
_E0, _E1, _E2 = np.float32(0.99999994), np.float32(0.99999285), np.float32(0.49988639)
_E3, _E4, _E5 = np.float32(0.16599043), np.float32(0.03980160), np.float32(0.00586463)

# How many footprints to blend between two looks at whether the tile is finished.
_LOOK_EVERY = 32


@inline
def exp_of_eight(x):
    """Return exp(8 x) for float32 x in ln(1/255)/8..0; elsewhere it is meaningless."""
    r = _E0 + x * (_E1 + x * (_E2 + x * (_E3 + x * (_E4 + x * _E5))))
    r = r * r
    r = r * r
    return r * r


@kernel
def blend_tiles(worker, workers, counter, tiles, starts, pair_splat, pair_rows, order, rows, limits, background, width,
                height, matte_of, passes, rgb, alpha, depth, mattes):
    """Blend the given tiles, handed out one by one; writes rgb (H, W, 3), alpha (H, W), depth, mattes (K, H, W).

    tiles int32 in the order to take them; starts (tiles + 1,) int64 into the pair lists;
    order (count,) int32 input indices; limits float32 (ln(alpha_cut) / 8, alpha_cap, transmittance_stop);
    matte_of int32 by input index, K where none. ``passes`` False leaves depth and mattes alone.
    """
    across = (width + TILE - 1) // TILE
    q_cut, cap, stop = limits
    one, zero = np.float32(1.0), np.float32(0.0)
    # Planes: transmittance, red, green, blue, depth, then a matte each and one for the splats of none.
    tile_sums = np.empty((6 + mattes.shape[0], TILE, TILE), np.float32)
    weights = np.empty(TILE, np.float32)
    while True:
        turn = take_next(counter)
        if turn >= tiles.shape[0]:
            break
        tile = tiles[turn]
        left, top = (tile % across) * TILE, (tile // across) * TILE
        tile_sums[0] = one
        tile_sums[1:] = zero
        looked = 0
        for pair in range(starts[tile], starts[tile + 1]):
            k = pair_splat[pair]
            mx, my = rows[k, MX] - np.float32(left), rows[k, MY] - np.float32(top)
            a, b, c, q0 = rows[k, QA], rows[k, QB], rows[k, QC], rows[k, Q0]
            red, green, blue, far = rows[k, RED], rows[k, GREEN], rows[k, BLUE], rows[k, DEPTH]
            plane = 5 + matte_of[order[k]] if mattes.shape[0] > 0 else 5
            for y in range(pair_rows[pair] >> 4, (pair_rows[pair] & 15) + 1):
                dy = np.float32(y) - my
                slope, offset = b * dy, c * dy * dy + q0
                for x in range(TILE):
                    dx = np.float32(x) - mx
                    q = (a * dx + slope) * dx + offset
                    value = min(cap, exp_of_eight(q))
                    before = tile_sums[0, y, x]
                    weight = value * before if (q >= q_cut and before > stop) else zero
                    tile_sums[0, y, x] = before - weight
                    tile_sums[1, y, x] += weight * red
                    tile_sums[2, y, x] += weight * green
                    tile_sums[3, y, x] += weight * blue
                    weights[x] = weight
                if passes:
                    for x in range(TILE):
                        tile_sums[4, y, x] += weights[x] * far
                        tile_sums[plane, y, x] += weights[x]
            looked += 1
            if looked % _LOOK_EVERY == 0 and tile_sums[0].max() <= stop:
                break
        for y in range(min(TILE, height - top)):
            for x in range(min(TILE, width - left)):
                through = tile_sums[0, y, x]
                alpha[top + y, left + x] = one - through
                rgb[top + y, left + x, 0] = tile_sums[1, y, x] + through * background[0]
                rgb[top + y, left + x, 1] = tile_sums[2, y, x] + through * background[1]
                rgb[top + y, left + x, 2] = tile_sums[3, y, x] + through * background[2]
                if passes:
                    covered = one - through
                    depth[top + y, left + x] = tile_sums[4, y, x] / covered if covered > zero else np.float32(np.inf)
                    for m in range(mattes.shape[0]):
                        mattes[m, top + y, left + x] = tile_sums[5 + m, y, x]
