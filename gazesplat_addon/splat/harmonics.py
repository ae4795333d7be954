# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours that depend on the view: real spherical harmonics of degree 0..3, as 3DGS files store them.

The basis is the usual one of real-time rendering (Sloan, "Stupid Spherical Harmonics Tricks", 2008), with the
Condon-Shortley sign, which 3DGS adopted: within a degree l the orders run m = -l..l.
"""
from __future__ import annotations

import numpy as np

from .arrays import SH_C0, Splats

# Normalisations, each once: sqrt(3 / 4 pi); sqrt(15 / 4 pi), sqrt(5 / 16 pi), sqrt(15 / 16 pi);
# sqrt(35 / 32 pi), sqrt(105 / 4 pi), sqrt(21 / 32 pi), sqrt(7 / 16 pi), sqrt(105 / 16 pi).
_L1 = np.sqrt(3.0 / (4.0 * np.pi))
_L2_XY, _L2_ZZ, _L2_XX = np.sqrt(15.0 / (4.0 * np.pi)), np.sqrt(5.0 / (16.0 * np.pi)), np.sqrt(15.0 / (16.0 * np.pi))
_L3_OUTER, _L3_XYZ, _L3_MIDDLE = np.sqrt(35.0 / (32.0 * np.pi)), np.sqrt(105.0 / (4.0 * np.pi)), np.sqrt(21.0 / (32.0 * np.pi))
_L3_ZZZ, _L3_ZXX = np.sqrt(7.0 / (16.0 * np.pi)), np.sqrt(105.0 / (16.0 * np.pi))

# The same by name, for those who express the basis in another language.
NORMALISATIONS = {"1": _L1, "2_XY": _L2_XY, "2_ZZ": _L2_ZZ, "2_XX": _L2_XX, "3_OUTER": _L3_OUTER, "3_XYZ": _L3_XYZ,
                  "3_MIDDLE": _L3_MIDDLE, "3_ZZZ": _L3_ZZZ, "3_ZXX": _L3_ZXX}

COEFFICIENTS = (1, 4, 9, 16)  # how many there are up to degree 0, 1, 2, 3


def basis(directions: np.ndarray, degree: int) -> np.ndarray:
    """Return the basis functions (N, (degree + 1)^2) at unit directions (N, 3); ValueError beyond degree 3."""
    if not 0 <= degree <= 3:
        raise ValueError(f"spherical harmonics of degree {degree} are not supported, only 0..3")
    x, y, z = np.asarray(directions).T
    values = [np.full_like(x, SH_C0)]
    if degree >= 1:
        values += [-_L1 * y, _L1 * z, -_L1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        values += [_L2_XY * x * y, -_L2_XY * y * z, _L2_ZZ * (2.0 * zz - xx - yy), -_L2_XY * x * z, _L2_XX * (xx - yy)]
    if degree >= 3:
        values += [-_L3_OUTER * y * (3.0 * xx - yy), _L3_XYZ * x * y * z, -_L3_MIDDLE * y * (4.0 * zz - xx - yy),
                   _L3_ZZZ * z * (2.0 * zz - 3.0 * xx - 3.0 * yy), -_L3_MIDDLE * x * (4.0 * zz - xx - yy),
                   _L3_ZXX * z * (xx - yy), -_L3_OUTER * x * (xx - 3.0 * yy)]
    return np.stack(values, axis=1)


def evaluate(coefficients: np.ndarray, directions: np.ndarray, rotations: np.ndarray | None = None) -> np.ndarray:
    """Return the functions' values (N, C) at unit directions (N, 3).

    coefficients   (N, K, C) with K = 1, 4, 9 or 16, degree 0 first
    rotations      (N, 3, 3) or (3, 3): the functions have been turned by these with the object that carries
                   them; turning a function by R is the same as asking it at R^T d

    Raises ValueError for another K.
    """
    if coefficients.shape[1] not in COEFFICIENTS:
        raise ValueError(f"{coefficients.shape[1]} coefficients, expected 1, 4, 9 or 16")
    if rotations is not None:
        directions = turned_back(directions, rotations)
    values = basis(directions, COEFFICIENTS.index(coefficients.shape[1]))
    return np.einsum("nk,nkc->nc", values, coefficients)


def turned_back(directions: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Return R^T d for directions (N, 3) and rotations (N, 3, 3) or (3, 3)."""
    if rotations.ndim == 2:
        return directions @ rotations
    return np.einsum("nij,ni->nj", rotations, directions)


def carried(colours: np.ndarray, sh_rest: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return base colours (N, 3) and coefficients (N, K, 3), K = 0, 3, 8 or 15, of splats carried along by ``matrix`` (3, 3), float32.

    Their colours are functions f of direction; what an object's own matrix A makes of them is g(d) = f(A^-1 d / |A^-1 d|). For
    rotations, mirrorings and even scales the result is exact. An uneven scale bends functions out of every finite degree: the
    result is then the nearest function of theirs. LinAlgError for a matrix without an inverse.
    """
    colours, sh_rest = np.asarray(colours, np.float32), np.asarray(sh_rest, np.float32)
    if not sh_rest.shape[1]:
        return colours, sh_rest
    degree = COEFFICIENTS.index(sh_rest.shape[1] + 1)
    directions = _even_directions(512)
    back = directions @ np.linalg.inv(np.asarray(matrix, np.float64)).T
    bent = basis(back / np.linalg.norm(back, axis=1, keepdims=True), degree)
    change = np.linalg.lstsq(basis(directions, degree), bent, rcond=None)[0].astype(np.float32)
    mean = np.float32(SH_C0) * np.einsum("j,njc->nc", change[0, 1:], sh_rest)
    return colours + mean, np.einsum("kj,njc->nkc", change[1:, 1:], sh_rest)


def _even_directions(count: int) -> np.ndarray:
    """Return unit directions (count, 3) spread evenly over the sphere (Fibonacci's spiral)."""
    z = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    angle = np.arange(count) * np.pi * (3.0 - np.sqrt(5.0))
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)


def colours(splats: Splats, means: np.ndarray, eye_point_m: np.ndarray | None = None,
            rotations: np.ndarray | None = None, view_direction: np.ndarray | None = None) -> np.ndarray:
    """Return display-referred colours (N, 3) of splats at posed ``means`` (N, 3), never below 0, float32.

    eye_point_m      (3,) where the camera is, in the frame of ``means``; for a parallel camera give
                     view_direction (3,), unit, the way it looks, instead
    rotations        (N, 3, 3) or (3, 3), how each splat has been turned from the pose its colours were fitted in

    Raises ValueError when splats of degree > 0 come with neither.
    """
    base = np.asarray(splats.colours, np.float32)
    if splats.sh_degree == 0:
        return np.maximum(base, 0.0)
    if view_direction is not None:
        directions = np.broadcast_to(np.asarray(view_direction, np.float32), means.shape)
    elif eye_point_m is not None:
        directions = means - np.asarray(eye_point_m, np.float32)
        length = np.linalg.norm(directions, axis=1, keepdims=True)
        directions = directions / np.maximum(length, np.float32(1e-12))
    else:
        raise ValueError("splats with spherical harmonics need eye_point_m or view_direction")
    if rotations is not None:
        directions = turned_back(directions, np.asarray(rotations, directions.dtype))
    return seen(splats, directions)


def seen(splats: Splats, directions: np.ndarray) -> np.ndarray:
    """Return display-referred colours (N, 3), never below 0, float32, along unit directions (N, 3) that have been turned back already."""
    values = basis(directions.astype(np.float32, copy=False), splats.sh_degree)[:, 1:].astype(np.float32, copy=False)
    return np.maximum(np.asarray(splats.colours, np.float32) + np.einsum("nk,nkc->nc", values, splats.sh_rest), 0.0)
