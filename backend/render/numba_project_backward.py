# SPDX-License-Identifier: GPL-3.0-or-later
"""From gradients of footprints to gradients of posed splats (the kernel after the last pixel)."""
from __future__ import annotations

import numpy as np

from .numba_backward import GRADIENT_COLUMNS, SUM_1, SUM_RED, SUM_X, SUM_XX, SUM_XY, SUM_Y, SUM_YY
from .numba_options import kernel


@kernel
def sum_pairs(worker, workers, order, pairs_from, pair_gradients, sums_of):
    """Add up each footprint's rows of pair_gradients into sums_of (N, GRADIENT_COLUMNS) float32, in input order.

    Like ``footprints``, this writes to scattered places rather than let the next kernel read from them.
    sums_of starts at zero, which stays for the culled.
    """
    n = order.shape[0]
    total = np.empty(GRADIENT_COLUMNS, np.float32)
    for k in range(n * worker // workers, n * (worker + 1) // workers):
        total[:] = np.float32(0.0)
        for pair in range(pairs_from[k], pairs_from[k + 1]):
            for column in range(GRADIENT_COLUMNS):
                total[column] += pair_gradients[pair, column]
        for column in range(GRADIENT_COLUMNS):
            sums_of[order[k], column] = total[column]


@kernel
def footprints_backward(worker, workers, sums_of, means, factors, opacities, w2c, lens, limits, low_pass,
                        antialiased, parallel, d_means, d_factors, d_opacities, d_colours, d_centres):
    """Carry the gradient sums (N, GRADIENT_COLUMNS) of the footprints back through ``footprints``.

    d_means (N, 3), d_factors (N, 3, 3), d_opacities (N,), d_colours (N, 3) and d_centres (N, 2), the gradient of
    the projected centre in pixels, are float32 and start at zero: a splat that showed nothing keeps that.
    """
    fx, fy, cx, cy = lens
    x_min, x_max, y_min, y_max = limits
    n = means.shape[0]
    sums = np.empty(GRADIENT_COLUMNS, np.float64)
    camera_factor = np.empty((3, 3))
    for i in range(n * worker // workers, n * (worker + 1) // workers):
        shown = False
        for column in range(GRADIENT_COLUMNS):
            sums[column] = sums_of[i, column]
            shown |= sums_of[i, column] != 0.0
        if not shown:
            continue
        for channel in range(3):
            d_colours[i, channel] = sums[SUM_RED + channel]
        # ln alpha does not grow with an opacity beyond 1, which the forward pass clips.
        if opacities[i] <= 1.0:
            d_opacities[i] = sums[SUM_1] / opacities[i]

        # The forward pass again, in camera space: axes = J F with F = R_w2c factors.
        for row in range(3):
            for axis in range(3):
                total = 0.0
                for inner in range(3):
                    total += w2c[row, inner] * np.float64(factors[i, inner, axis])
                camera_factor[row, axis] = total
        px, py, pz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        x = w2c[0, 0] * px + w2c[0, 1] * py + w2c[0, 2] * pz + w2c[0, 3]
        y = w2c[1, 0] * px + w2c[1, 1] * py + w2c[1, 2] * pz + w2c[1, 3]
        z = w2c[2, 0] * px + w2c[2, 1] * py + w2c[2, 2] * pz + w2c[2, 3]
        if parallel:
            j00, j11, j02, j12, inverse, slope_x, slope_y = fx, fy, 0.0, 0.0, 0.0, 0.0, 0.0
        else:
            inverse = 1.0 / z
            slope_x, slope_y = min(x_max, max(x_min, x * inverse)), min(y_max, max(y_min, y * inverse))
            j00, j11 = fx * inverse, fy * inverse
            j02, j12 = -j00 * slope_x, -j11 * slope_y
        a = b = c = 0.0
        for axis in range(3):
            along_x = j00 * camera_factor[0, axis] + j02 * camera_factor[2, axis]
            along_y = j11 * camera_factor[1, axis] + j12 * camera_factor[2, axis]
            a += along_x * along_x
            b += along_x * along_y
            c += along_y * along_y
        bare = a * c - b * b
        bare_a, bare_c = a, c
        a += low_pass
        c += low_pass
        determinant = a * c - b * b

        # ln alpha = -(A dx^2 + 2 B dx dy + C dy^2) / 2 + ln opacity with the conic [[A, B], [B, C]] = S^-1.
        A, B, C = c / determinant, -b / determinant, a / determinant
        d_u = A * sums[SUM_X] + B * sums[SUM_Y]
        d_v = B * sums[SUM_X] + C * sums[SUM_Y]
        d_centres[i, 0], d_centres[i, 1] = d_u, d_v
        g_xx, g_xy, g_yy = -0.5 * sums[SUM_XX], -0.5 * sums[SUM_XY], -0.5 * sums[SUM_YY]
        # dS = -K dK K, with dK the symmetric gradient of the conic.
        left_a, left_b = A * g_xx + B * g_xy, A * g_xy + B * g_yy
        left_c, left_d = B * g_xx + C * g_xy, B * g_xy + C * g_yy
        d_a, d_b, d_c = -(left_a * A + left_b * B), -(left_a * B + left_b * C), -(left_c * B + left_d * C)
        if antialiased:
            # opacity' = opacity sqrt(bare / determinant): half the gradient of both logarithms.
            half = 0.5 * sums[SUM_1]
            d_a += half * (bare_c / bare - c / determinant)
            d_c += half * (bare_a / bare - a / determinant)
            d_b -= half * (b / bare - b / determinant)

        d_j00 = d_j02 = d_j11 = d_j12 = 0.0
        for axis in range(3):
            f0, f1, f2 = camera_factor[0, axis], camera_factor[1, axis], camera_factor[2, axis]
            along_x, along_y = j00 * f0 + j02 * f2, j11 * f1 + j12 * f2
            d_along_x = 2.0 * (d_a * along_x + d_b * along_y)
            d_along_y = 2.0 * (d_b * along_x + d_c * along_y)
            d_j00 += d_along_x * f0
            d_j02 += d_along_x * f2
            d_j11 += d_along_y * f1
            d_j12 += d_along_y * f2
            d_f0, d_f1, d_f2 = j00 * d_along_x, j11 * d_along_y, j02 * d_along_x + j12 * d_along_y
            for inner in range(3):
                d_factors[i, inner, axis] = w2c[0, inner] * d_f0 + w2c[1, inner] * d_f1 + w2c[2, inner] * d_f2
        if parallel:
            d_x, d_y, d_z = fx * d_u, fy * d_v, 0.0
        else:
            # j00 = fx / z, j02 = -fx slope / z, u = fx x / z + cx; the slope follows x / z unless it is clamped.
            free_x = 1.0 if x_min < x * inverse < x_max else 0.0
            free_y = 1.0 if y_min < y * inverse < y_max else 0.0
            d_slope_x = fx * d_u - free_x * j00 * d_j02
            d_slope_y = fy * d_v - free_y * j11 * d_j12
            d_x, d_y = d_slope_x * inverse, d_slope_y * inverse
            d_z = -(d_x * x + d_y * y + j00 * d_j00 + j02 * d_j02 + j11 * d_j11 + j12 * d_j12) * inverse
        for inner in range(3):
            d_means[i, inner] = w2c[0, inner] * d_x + w2c[1, inner] * d_y + w2c[2, inner] * d_z
