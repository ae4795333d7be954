# SPDX-License-Identifier: GPL-3.0-or-later
"""The spherical harmonics' basis, from its properties rather than from a copy of its formulas."""
from __future__ import annotations

import math

import numpy as np
import pytest

from gazesplat.gazesplat_addon.splat import harmonics
from gazesplat.gazesplat_addon.splat.arrays import SH_C0, Splats, rotation_matrices


def sphere_rule(n: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Directions and weights that integrate polynomials up to degree 2 n - 1 over the sphere exactly."""
    z, weights = np.polynomial.legendre.leggauss(n)
    angle = 2.0 * np.pi * np.arange(2 * n) / (2 * n)
    r = np.sqrt(1.0 - z * z)[:, None]
    directions = np.stack([r * np.cos(angle), r * np.sin(angle), np.broadcast_to(z[:, None], (n, 2 * n))], -1)
    return directions.reshape(-1, 3), np.repeat(weights * np.pi / n, 2 * n)


def random_rotations(n: int, seed: int = 0) -> np.ndarray:
    return rotation_matrices(np.random.default_rng(seed).normal(size=(n, 4)))


def random_directions(n: int, seed: int = 1) -> np.ndarray:
    d = np.random.default_rng(seed).normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def some_splats(n: int, k: int, seed: int = 2) -> Splats:
    r = np.random.default_rng(seed)
    return Splats(r.normal(size=(n, 3)).astype("f4"), np.ones((n, 3), "f4"), np.tile(np.float32([1, 0, 0, 0]), (n, 1)),
                  np.ones(n, "f4"), r.uniform(0, 1, (n, 3)).astype("f4"), r.normal(0, 0.1, (n, k, 3)).astype("f4"))


def test_basis_is_orthonormal():
    directions, weights = sphere_rule()
    values = harmonics.basis(directions, 3)
    np.testing.assert_allclose((values * weights[:, None]).T @ values, np.eye(16), atol=1e-12)


def test_each_degree_is_harmonic():
    """Homogeneous of its degree and with a vanishing Laplacian: that makes a function a harmonic of that degree."""
    points = np.random.default_rng(3).normal(size=(5, 3))
    step = 1e-3
    for degree in range(4):
        block = slice(degree * degree, (degree + 1) ** 2)

        def solid(p, block=block, degree=degree):
            radius = np.linalg.norm(p, axis=1, keepdims=True)
            return harmonics.basis(p / radius, 3)[:, block] * radius ** degree

        laplacian = sum(solid(points + step * e) + solid(points - step * e) - 2.0 * solid(points) for e in np.eye(3)) / step**2
        np.testing.assert_allclose(laplacian, 0.0, atol=1e-6)


def test_order_and_signs():
    """Within a degree, m = -l..l with the Condon-Shortley sign: fixed by values at chosen directions, by hand."""
    x, y, z = harmonics.basis(np.eye(3), 3)
    first = math.sqrt(3.0 / (4.0 * math.pi))
    np.testing.assert_allclose([x[1:4], y[1:4], z[1:4]], [[0, 0, -first], [-first, 0, 0], [0, first, 0]], atol=1e-15)
    # Along z only m = 0 is left: sqrt((2 l + 1) / 4 pi).
    expected = np.zeros(16)
    expected[[0, 2, 6, 12]] = [math.sqrt((2 * degree + 1) / (4 * math.pi)) for degree in range(4)]
    np.testing.assert_allclose(z, expected, atol=1e-15)
    # m = 2 is positive along x and negative along y; m = -2 is positive on the diagonal between them.
    assert x[8] > 0 > y[8]
    diagonal = harmonics.basis(np.array([[1.0, 1.0, 0.0]]) / math.sqrt(2.0), 3)[0]
    assert diagonal[4] > 0
    # Odd m carry the sign (-1)^m: in the quadrant of positive x, y and z they are negative.
    tilted = harmonics.basis(np.array([[1.0, 2.0, 3.0]]) / math.sqrt(14.0), 3)[0]
    assert (tilted[[5, 7, 11, 13]] < 0).all()
    # |m| = 3: -sin 3 phi and -cos 3 phi times a positive number.
    for phi in (0.3, 1.4, 2.9):
        value = harmonics.basis(np.array([[math.cos(phi), math.sin(phi), 0.0]]), 3)[0]
        scale = math.sqrt(35.0 / (32.0 * math.pi))
        np.testing.assert_allclose(value[[9, 15]], [-scale * math.sin(3 * phi), -scale * math.cos(3 * phi)], atol=1e-14)


@pytest.mark.parametrize("k", harmonics.COEFFICIENTS)
def test_turning_functions_and_directions_together_changes_nothing(k):
    n = 50
    coefficients = np.random.default_rng(5).normal(size=(n, k, 3))
    directions, rotations = random_directions(n), random_rotations(n)
    turned = np.einsum("nij,nj->ni", rotations, directions)
    np.testing.assert_allclose(harmonics.evaluate(coefficients, turned, rotations),
                               harmonics.evaluate(coefficients, directions), atol=1e-12)
    one = rotations[0]
    np.testing.assert_allclose(harmonics.evaluate(coefficients, directions @ one.T, one),
                               harmonics.evaluate(coefficients, directions), atol=1e-12)


def test_colours_are_the_dc_term_plus_the_rest_and_never_negative():
    splats = some_splats(200, 15)
    eye = np.array([0.3, -2.0, 0.5])
    directions = splats.means - eye
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    dc = ((splats.colours - 0.5) / SH_C0)[:, None]
    expected = np.maximum(0.5 + harmonics.evaluate(np.concatenate([dc, splats.sh_rest], 1), directions), 0.0)
    seen = harmonics.colours(splats, splats.means, eye)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, expected, atol=2e-6)
    assert (seen == 0.0).any() and (seen >= 0.0).all()


def test_parallel_view_and_missing_view():
    splats = some_splats(20, 3)
    far = harmonics.colours(splats, splats.means, np.array([0.0, -1e6, 0.0]))
    np.testing.assert_allclose(harmonics.colours(splats, splats.means, view_direction=[0.0, 1.0, 0.0]), far, atol=1e-4)
    with pytest.raises(ValueError, match="eye_point_m"):
        harmonics.colours(splats, splats.means)
    plain = some_splats(20, 0)
    np.testing.assert_array_equal(harmonics.colours(plain, plain.means), plain.colours)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="degree 4"):
        harmonics.basis(np.eye(3), 4)
    with pytest.raises(ValueError, match="5 coefficients"):
        harmonics.evaluate(np.zeros((3, 5, 3)), np.eye(3))
