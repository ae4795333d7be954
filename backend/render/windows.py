# SPDX-License-Identifier: GPL-3.0-or-later
"""Redraw only what changed: a glance moves some thousand splats inside two small windows of a picture."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import render
from .interface import Camera, Frame, Posed, RenderSettings


def redraw(frame: Frame, before: Posed, after: Posed, camera: Camera, settings: RenderSettings, *,
           changed: np.ndarray | None = None, backend: str = "numba", threads: int | None = None,
           mattes: Mapping[str, Sequence[int]] | None = None) -> Frame:
    """Return the picture of ``after``, given ``frame``, that of ``before`` with the same camera, settings and mattes.

    Both are the same splats in the same order. changed (K,) are the indices of those that may differ; None
    compares the arrays. The given frame is left as it is, and is what comes back when nothing visible changed.
    """
    if changed is None:
        changed = changed_splats(before, after)
    window = hull([window_of(posed, changed, camera, settings) for posed in (before, after)])
    if window is None:
        return frame
    left, top, right, bottom = window
    part = render(after, camera.cropped(left, top, right - left, bottom - top), settings, backend=backend, threads=threads,
                  depth=frame.depth is not None, mattes=mattes)
    return pasted(frame, part, window)


def hull(windows: Sequence[tuple[int, int, int, int] | None]) -> tuple[int, int, int, int] | None:
    """Return the smallest window that holds several, None where there is none."""
    windows = [window for window in windows if window is not None]
    if not windows:
        return None
    left, top = (min(window[k] for window in windows) for k in (0, 1))
    right, bottom = (max(window[k] for window in windows) for k in (2, 3))
    return left, top, right, bottom


def pasted(frame: Frame, part: Frame, window: tuple[int, int, int, int]) -> Frame:
    """Return a copy of a frame with a window of it replaced."""
    inside = (slice(window[1], window[3]), slice(window[0], window[2]))
    rgba = _pasted(frame.rgba(), part.rgba(), inside)
    depth = None if frame.depth is None else _pasted(frame.depth, part.depth, inside)
    return Frame(rgba[..., :3], rgba[..., 3], depth,
                 {name: _pasted(matte, part.mattes[name], inside) for name, matte in frame.mattes.items()})


def changed_splats(before: Posed, after: Posed) -> np.ndarray:
    """Return the indices (K,) of the splats that differ; ValueError when the two are not the same splats."""
    if len(before.means) != len(after.means):
        raise ValueError(f"{len(before.means)} splats before, {len(after.means)} after: not the same portrait")
    differs = np.asarray(before.opacities) != np.asarray(after.opacities)
    for name in ("means", "factors", "colours"):
        old, new = (np.asarray(getattr(posed, name)).reshape(len(differs), -1) for posed in (before, after))
        differs |= (old != new).any(axis=1)
    return np.flatnonzero(differs)


def window_of(posed: Posed, which: np.ndarray, camera: Camera, settings: RenderSettings) -> tuple[int, int, int, int] | None:
    """Return (left, top, right, bottom) in pixels around all that the chosen splats may touch, or None.

    Each is taken for a ball of its longest extent and opaque, which is quick and never too small.
    """
    w2c = camera.w2c
    with np.errstate(all="ignore"):
        x, y, z = (np.asarray(posed.means)[which].astype(np.float64) @ w2c[:3, :3].T + w2c[:3, 3]).T
        size = np.square(np.asarray(posed.factors)[which], dtype=np.float64).sum((1, 2))
        norm_x, norm_y, norm_z = np.square(w2c[:3, :3]).sum(1)
        reach = -2.0 * np.log(settings.alpha_cut)
        if camera.orthographic:
            u, v = camera.fx * x + camera.cx, camera.fy * y + camera.cy
            variance_x, variance_y = camera.fx**2 * norm_x * size, camera.fy**2 * norm_y * size
        else:
            x_min, x_max, y_min, y_max = camera.slope_limits
            u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
            # A row of J R is the sum of two vectors: |a + b|^2 <= 2 (|a|^2 + |b|^2).
            variance_x = 2.0 * (camera.fx / z) ** 2 * (norm_x + np.clip(x / z, x_min, x_max) ** 2 * norm_z) * size
            variance_y = 2.0 * (camera.fy / z) ** 2 * (norm_y + np.clip(y / z, y_min, y_max) ** 2 * norm_z) * size
        half_x = np.sqrt(reach * (variance_x + settings.low_pass_px2)) + 1.0
        half_y = np.sqrt(reach * (variance_y + settings.low_pass_px2)) + 1.0
        edges = np.stack([u - half_x, v - half_y, u + half_x, v + half_y])
        visible = (z >= camera.near_m) & np.isfinite(edges).all(0) & (edges[2] > 0) & (edges[3] > 0)
        visible &= (edges[0] < camera.width) & (edges[1] < camera.height)
    if not visible.any():
        return None
    left, top = np.floor(np.maximum(edges[:2, visible].min(1), 0.0)).astype(int)
    right, bottom = np.ceil(np.minimum(edges[2:, visible].max(1), (camera.width, camera.height))).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _pasted(picture: np.ndarray, part: np.ndarray, inside: tuple[slice, slice]) -> np.ndarray:
    whole = picture.copy()
    whole[inside] = part
    return whole
