# SPDX-License-Identifier: GPL-3.0-or-later
"""From a rasteriser's gradients to the parameters an optimiser moves: scales and quaternions."""
from __future__ import annotations

import numpy as np

from ...gazesplat_addon.splat.arrays import rotation_matrices


def scales_and_rotations(d_factors: np.ndarray, scales: np.ndarray,
                         quaternions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of scales (N, 3) and quaternions wxyz (N, 4), given those of M = R(q / |q|) diag(s).

    d_factors (N, 3, 3). The quaternions need not be of length one, and the gradient is at right angles to
    them, since their length changes nothing.
    """
    rotations = rotation_matrices(quaternions)
    d_scales = np.einsum("nij,nij->nj", d_factors, rotations)
    d = d_factors * scales[:, None, :]
    length = np.linalg.norm(quaternions, axis=1, keepdims=True)
    unit = quaternions / length
    w, x, y, z = unit.T
    twist_x, twist_y, twist_z = d[:, 2, 1] - d[:, 1, 2], d[:, 0, 2] - d[:, 2, 0], d[:, 1, 0] - d[:, 0, 1]
    sum_xy, sum_xz, sum_yz = d[:, 0, 1] + d[:, 1, 0], d[:, 0, 2] + d[:, 2, 0], d[:, 1, 2] + d[:, 2, 1]
    d_unit = 2.0 * np.stack([
        x * twist_x + y * twist_y + z * twist_z,
        y * sum_xy + z * sum_xz + w * twist_x - 2.0 * x * (d[:, 1, 1] + d[:, 2, 2]),
        x * sum_xy + z * sum_yz + w * twist_y - 2.0 * y * (d[:, 0, 0] + d[:, 2, 2]),
        x * sum_xz + y * sum_yz + w * twist_z - 2.0 * z * (d[:, 0, 0] + d[:, 1, 1]),
    ], axis=1)
    along = np.sum(d_unit * unit, axis=1, keepdims=True)
    return d_scales, (d_unit - unit * along) / length
