# SPDX-License-Identifier: GPL-3.0-or-later
"""Rasterisers behind one interface: posed splats, a camera and settings in, a frame out. Imports no torch."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .interface import Camera, Frame, Posed, RenderSettings

__all__ = ["Camera", "Frame", "Posed", "RenderSettings", "render"]


def render(posed: Posed, camera: Camera, settings: RenderSettings | None = None, *, backend: str = "numba",
           threads: int | None = None, depth: bool = False, mattes: Mapping[str, Sequence[int]] | None = None) -> Frame:
    """Draw posed splats (see docs/rendering.md for what a picture is).

    backend   "numba" (fast, compiled on first use), "cuda" (gsplat, where there is a GPU) or "reference" (float64, readable, slow)
    threads   of the numba rasteriser; None takes all that this process may use
    depth     whether to fill ``Frame.depth``
    mattes    name -> group codes; a splat counts for the first matte that names its group

    Raises ValueError for an unknown backend or arrays of the wrong shape.
    """
    settings = settings or RenderSettings()
    n = settings.supersample
    if n > 1:
        camera = camera.scaled(n)
        settings = replace(settings, supersample=1, low_pass_px2=settings.low_pass_px2 * n * n)
    if backend == "numba":
        from . import numba_tiles

        frame = numba_tiles.render(posed, camera, settings, threads=threads, depth=depth, mattes=mattes)
    elif backend == "reference":
        from . import reference

        frame = reference.render(posed, camera, settings, depth=depth, mattes=mattes)
    elif backend == "cuda":
        from . import gsplat_cuda

        frame = gsplat_cuda.render(posed, camera, settings, depth=depth, mattes=mattes)
    else:
        raise ValueError(f"unknown rasteriser {backend!r}: expected 'numba', 'cuda' or 'reference'")
    return frame if n == 1 else _averaged(frame, n)


def _averaged(frame: Frame, n: int) -> Frame:
    """Return the frame with n x n blocks averaged; depth is weighted by alpha."""
    rgba = _block_mean(frame.rgba(), n)
    alpha, depth = rgba[..., 3], None
    if frame.depth is not None:
        weighted = _block_mean(np.where(frame.alpha > 0, frame.depth, 0) * frame.alpha, n)
        depth = np.full(alpha.shape, np.inf, alpha.dtype)
        np.divide(weighted, alpha, out=depth, where=alpha > 0)
    return Frame(rgba[..., :3], alpha, depth, {name: _block_mean(matte, n) for name, matte in frame.mattes.items()})


def _block_mean(picture: np.ndarray, n: int) -> np.ndarray:
    height, width = picture.shape[0] // n, picture.shape[1] // n
    return picture.reshape(height, n, width, n, *picture.shape[2:]).mean(axis=(1, 3), dtype=picture.dtype)
