# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats as plain arrays, in activated units, the form every other room works on."""
from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

# Real spherical harmonics of degree 0, 1 / (2 sqrt(pi)): 3DGS stores colour = 0.5 + SH_C0 * f_dc.
SH_C0 = 0.28209479177387814


@dataclass(frozen=True)
class Splats:
    """N Gaussians in activated units (a PLY stores their inverse activations).

    means      (N, 3)     float32, metres, portrait frame
    scales     (N, 3)     float32, standard deviations in metres, > 0
    rotations  (N, 4)     float32, unit quaternions wxyz, local axes -> portrait frame
    opacities  (N,)       float32, 0..1
    colours    (N, 3)     float32, 0.5 + SH_C0 * f_dc, display-referred sRGB, may leave 0..1
    sh_rest    (N, K, 3)  float32, K = 0, 3, 8 or 15 coefficients of degrees 1..3
    """

    means: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    sh_rest: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.means)
        expected = {"means": (n, 3), "scales": (n, 3), "rotations": (n, 4), "opacities": (n,), "colours": (n, 3)}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"Splats.{name} has shape {getattr(self, name).shape}, expected {shape}")
        if self.sh_rest.ndim != 3 or self.sh_rest.shape[0] != n or self.sh_rest.shape[2] != 3:
            raise ValueError(f"Splats.sh_rest has shape {self.sh_rest.shape}, expected ({n}, K, 3)")
        if self.sh_rest.shape[1] not in (0, 3, 8, 15):
            raise ValueError(f"Splats.sh_rest has {self.sh_rest.shape[1]} coefficients, expected 0, 3, 8 or 15")

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0..3."""
        return {0: 0, 3: 1, 8: 2, 15: 3}[self.sh_rest.shape[1]]

    def select(self, index: np.ndarray) -> Splats:
        """Return the splats chosen by a boolean mask or an index array."""
        return Splats(*(getattr(self, f.name)[index] for f in fields(self)))

    def linear_factors(self) -> np.ndarray:
        """Return M (N, 3, 3) with covariance = M M^T: the rotation's columns times the scales."""
        return rotation_matrices(self.rotations) * self.scales[:, None, :]


def concatenate(parts: list[Splats]) -> Splats:
    """Join splats of the same SH degree, in order."""
    return Splats(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Splats)))


def rotation_matrices(quaternions: np.ndarray) -> np.ndarray:
    """Return (N, 3, 3) rotation matrices of quaternions wxyz (N, 4); they are normalised first."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)).T
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return np.stack(rows, axis=-1).reshape(-1, 3, 3)


def quaternions_of(matrices: np.ndarray) -> np.ndarray:
    """Return unit quaternions wxyz (N, 4) of proper rotation matrices (N, 3, 3).

    Shepperd's method: the largest of the four squared components is solved first, so that no
    rotation divides by a number near zero.
    """
    m = np.asarray(matrices)
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    squared = np.stack([1 + trace, 1 + 2 * m[:, 0, 0] - trace, 1 + 2 * m[:, 1, 1] - trace, 1 + 2 * m[:, 2, 2] - trace], 1)
    a, b, c = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    p, q, r = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    candidates = np.stack([np.stack([squared[:, 0], a, b, c], 1), np.stack([a, squared[:, 1], p, q], 1),
                           np.stack([b, p, squared[:, 2], r], 1), np.stack([c, q, r, squared[:, 3]], 1)], 1)
    best = candidates[np.arange(len(m)), np.argmax(squared, 1)]
    return best / np.linalg.norm(best, axis=1, keepdims=True)


def quaternion_product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the quaternion product ``first * second`` wxyz, broadcast over rows: the turn ``second``, then ``first``."""
    aw, ax, ay, az = np.moveaxis(np.asarray(first), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(second), -1, 0)
    return np.stack([aw * bw - ax * bx - ay * by - az * bz, aw * bx + ax * bw + ay * bz - az * by,
                     aw * by - ax * bz + ay * bw + az * bx, aw * bz + ax * by - ay * bx + az * bw], axis=-1)


def decompose(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scales (N, 3) and quaternions wxyz (N, 4) of covariances M M^T given M (N, 3, 3)."""
    u, s, _ = np.linalg.svd(factors)
    u = u.copy()
    u[np.linalg.det(u) < 0, :, 2] *= -1.0
    return s, quaternions_of(u)
