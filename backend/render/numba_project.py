# SPDX-License-Identifier: GPL-3.0-or-later
"""From posed splats to depth-sorted footprints (the kernels before any pixel is touched)."""
from __future__ import annotations

import math

import numpy as np

from .numba_bins import BLUE, DEPTH, EX, GREEN, MX, MY, Q0, QA, QB, QC, RED, SKEW, SPREAD, TOP
from .numba_options import kernel

CULLED = np.uint64(0xFFFFFFFFFFFFFFFF)
DIGIT_BITS = 12   # 4096 counters stay in the first-level cache
PASSES = 3


@kernel
def depth_keys(worker, workers, means, factors, opacities, w2c, lens, limits, near, width, height, low_pass, alpha_cut,
               parallel, keys):
    """Write one uint64 for each splat that sorts like its float64 depth, or ``CULLED``.

    Culled are the near, the faint and the not finite, and whatever lies outside the picture even if the splat
    were a ball of its longest extent and opaque: a close-up or a window of a picture sorts what it shows.
    """
    fx, fy, cx, cy = lens
    x_min, x_max, y_min, y_max = limits
    reach = -2.0 * math.log(alpha_cut)
    norm_x = fx * fx * (w2c[0, 0] ** 2 + w2c[0, 1] ** 2 + w2c[0, 2] ** 2)
    norm_y = fy * fy * (w2c[1, 0] ** 2 + w2c[1, 1] ** 2 + w2c[1, 2] ** 2)
    norm_z = w2c[2, 0] ** 2 + w2c[2, 1] ** 2 + w2c[2, 2] ** 2
    n = means.shape[0]
    for i in range(n * worker // workers, n * (worker + 1) // workers):
        px, py, pz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        x = w2c[0, 0] * px + w2c[0, 1] * py + w2c[0, 2] * pz + w2c[0, 3]
        y = w2c[1, 0] * px + w2c[1, 1] * py + w2c[1, 2] * pz + w2c[1, 3]
        z = w2c[2, 0] * px + w2c[2, 1] * py + w2c[2, 2] * pz + w2c[2, 3]
        keys[i] = CULLED
        if not (z >= near and z < 1e30 and opacities[i] >= alpha_cut):
            continue
        size = 0.0
        for row in range(3):
            for axis in range(3):
                size += np.float64(factors[i, row, axis]) ** 2
        # A row of J R is the sum of two vectors: |a + b|^2 <= 2 (|a|^2 + |b|^2).
        if parallel:
            u, v = fx * x + cx, fy * y + cy
            variance_x, variance_y = norm_x * size, norm_y * size
        else:
            inverse = 1.0 / z
            u, v = fx * x * inverse + cx, fy * y * inverse + cy
            along_x = fx * min(x_max, max(x_min, x * inverse))
            along_y = fy * min(y_max, max(y_min, y * inverse))
            size *= 2.0 * inverse * inverse
            variance_x = (norm_x + along_x * along_x * norm_z) * size
            variance_y = (norm_y + along_y * along_y * norm_z) * size
        outside_x, outside_y = max(-u, u - width), max(-v, v - height)
        if outside_x > 0.0 and outside_x * outside_x > reach * (variance_x + low_pass):
            continue
        if outside_y > 0.0 and outside_y * outside_y > reach * (variance_y + low_pass):
            continue
        keys[i] = np.float64(z).view(np.uint64)


@kernel
def sort_by_depth(keys, order, rank, spare_keys, spare_order):
    """Write the indices of the splats that are not culled to ``order``, nearest first; return their number.

    rank receives the inverse: each splat's place in ``order``, -1 for the culled. The other arrays are scratch.

    A stable least-significant-digit radix sort of the 36 topmost bits in which the depths differ. For a head
    that is one part in 10^10 of its distance; float32 depths would swap a few splats in a thousand.
    """
    n = keys.shape[0]
    count = 0
    low, high = CULLED, np.uint64(0)
    for i in range(n):
        key = keys[i]
        rank[i] = -1
        if key != CULLED:
            order[count] = i
            count += 1
            low, high = min(low, key), max(high, key)
    bits = 0
    while bits < 64 and count > 0 and (high - low) >> np.uint64(bits) > 0:
        bits += 1
    drop = np.uint64(max(0, bits - PASSES * DIGIT_BITS))
    passes = (min(bits, PASSES * DIGIT_BITS) + DIGIT_BITS - 1) // DIGIT_BITS
    mask = np.uint64((1 << DIGIT_BITS) - 1)
    source_keys, target_keys = np.empty(count, np.uint64), spare_keys
    source, target = order, spare_order
    for k in range(count):
        source_keys[k] = (keys[order[k]] - low) >> drop
    for step in range(passes):
        shift = np.uint64(step * DIGIT_BITS)
        starts = np.zeros((1 << DIGIT_BITS) + 1, np.int32)
        for k in range(count):
            starts[((source_keys[k] >> shift) & mask) + np.uint64(1)] += 1
        for digit in range(1 << DIGIT_BITS):
            starts[digit + 1] += starts[digit]
        for k in range(count):
            key = source_keys[k]
            digit_value = (key >> shift) & mask
            position = starts[digit_value]
            starts[digit_value] = position + 1
            target_keys[position] = key
            target[position] = source[k]
        source, target = target, source
        source_keys, target_keys = target_keys, source_keys
    if passes % 2 == 1:
        for k in range(count):
            order[k] = source[k]
    for k in range(count):
        rank[order[k]] = k
    return count


@kernel
def footprints(worker, workers, rank, means, factors, opacities, colours, w2c, lens, limits, width, height,
               low_pass, alpha_cut, antialiased, parallel, rows):
    """Project each splat into the row of its rank by depth.

    rank (N,) int32, -1 for the culled. The splats are visited in input order, because scattered writes
    cost nothing and scattered reads would cost a cache miss each. w2c (4, 4), lens (fx, fy, cx, cy) and
    limits (x_min, x_max, y_min, y_max of the slopes) are float64, and so is the arithmetic: thin splats
    stay exact. A splat that shows nothing gets EX = -1.
    """
    fx, fy, cx, cy = lens
    x_min, x_max, y_min, y_max = limits
    log_cut = math.log(alpha_cut)
    n = means.shape[0]
    for i in range(n * worker // workers, n * (worker + 1) // workers):
        k = rank[i]
        if k < 0:
            continue
        rows[k, EX] = -1.0
        px, py, pz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        x = w2c[0, 0] * px + w2c[0, 1] * py + w2c[0, 2] * pz + w2c[0, 3]
        y = w2c[1, 0] * px + w2c[1, 1] * py + w2c[1, 2] * pz + w2c[1, 3]
        z = w2c[2, 0] * px + w2c[2, 1] * py + w2c[2, 2] * pz + w2c[2, 3]
        if parallel:
            j00, j11, j02, j12 = fx, fy, 0.0, 0.0
            u, v = fx * x + cx, fy * y + cy
        else:
            inverse = 1.0 / z
            j00, j11 = fx * inverse, fy * inverse
            j02 = -j00 * min(x_max, max(x_min, x * inverse))
            j12 = -j11 * min(y_max, max(y_min, y * inverse))
            u, v = j00 * x + cx, j11 * y + cy
        t00, t01, t02 = j00 * w2c[0, 0] + j02 * w2c[2, 0], j00 * w2c[0, 1] + j02 * w2c[2, 1], j00 * w2c[0, 2] + j02 * w2c[2, 2]
        t10, t11, t12 = j11 * w2c[1, 0] + j12 * w2c[2, 0], j11 * w2c[1, 1] + j12 * w2c[2, 1], j11 * w2c[1, 2] + j12 * w2c[2, 2]
        a = b = c = 0.0
        for axis in range(3):
            f0, f1, f2 = np.float64(factors[i, 0, axis]), np.float64(factors[i, 1, axis]), np.float64(factors[i, 2, axis])
            a_axis = t00 * f0 + t01 * f1 + t02 * f2
            b_axis = t10 * f0 + t11 * f1 + t12 * f2
            a += a_axis * a_axis
            b += a_axis * b_axis
            c += b_axis * b_axis
        opacity = min(1.0, np.float64(opacities[i]))
        determinant = (a + low_pass) * (c + low_pass) - b * b
        if antialiased:
            opacity *= math.sqrt(max(a * c - b * b, 0.0) / determinant)
        a += low_pass
        c += low_pass
        total = u + v + a + c + colours[i, 0] + colours[i, 1] + colours[i, 2]
        if not (opacity >= alpha_cut and determinant > 0.0 and abs(total) < 1e30):
            continue
        log_opacity = math.log(opacity)
        reach = 2.0 * (log_opacity - log_cut)
        half_width, half_height = math.sqrt(reach * a), math.sqrt(reach * c)
        u -= 0.5
        v -= 0.5
        if u + half_width < 0.0 or u - half_width > width - 1 or v + half_height < 0.0 or v - half_height > height - 1:
            continue
        scale = -1.0 / (16.0 * determinant)
        rows[k, MX], rows[k, MY], rows[k, EX] = u, v, half_width
        rows[k, QA], rows[k, QB], rows[k, QC], rows[k, Q0] = c * scale, -2.0 * b * scale, a * scale, 0.125 * log_opacity
        rows[k, RED], rows[k, GREEN], rows[k, BLUE], rows[k, DEPTH] = colours[i, 0], colours[i, 1], colours[i, 2], z
        rows[k, SKEW], rows[k, SPREAD], rows[k, TOP] = b / a, math.sqrt(determinant) / a, b / c * half_height
