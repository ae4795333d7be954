# SPDX-License-Identifier: GPL-3.0-or-later
"""From a ``draw`` message to the arrays of a picture: one frame as the rasteriser made it, or many on one film."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from ..render import Frame
from .film import Exposure, FilmStock
from .frames import FrameMaker, Ray
from .portraits import HeldPortrait

Arrays = dict[str, np.ndarray]


def arrays_of(frame: Frame) -> Arrays:
    """Return a frame as it is: rgba (H, W, 4) display-referred, depth, ``matte:<name>`` (H, W), float32."""
    arrays = {"rgba": frame.rgba()}
    if frame.depth is not None:
        arrays["depth"] = frame.depth
    arrays |= {f"matte:{name}": matte for name, matte in frame.mattes.items()}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def make_picture(header: Mapping, frames: FrameMaker, portraits: Mapping[str, HeldPortrait], cubes: Mapping[str, np.ndarray],
                 should_stop: Callable[[], bool], show: Callable[[Arrays, int], None]) -> Arrays | None:
    """Return the arrays of a ``draw`` message (see docs/engine.md), None when ``should_stop`` said so between two samples.

    ``show`` gets what there is, and of how many samples, whenever ``progress_s`` seconds have passed.
    KeyError, IndexError or ValueError for a bad message.
    """
    moments = header.get("moments") or [{}]
    if header.get("film") is None:
        return arrays_of(frames.draw({**header, **moments[0]}, portraits))
    exposure = Exposure(stock_of(header["film"], cubes))
    rays = header.get("rays") or [[0, 0.0, 0.0, 0.0, 0.0]]
    every_s, shown_at = header.get("progress_s"), time.monotonic()
    for done, (moment, *ray) in enumerate(rays, start=1):
        if should_stop():
            return None
        x, y, lens_x, lens_y = map(float, ray)
        now = {**header, **moments[moment]}
        along = Ray((x, y), (lens_x, lens_y), float(now.get("focus_m", 1.0))) if any(ray) else None
        exposure.add(frames.draw(now, portraits, along))
        if every_s is not None and done < len(rays) and time.monotonic() - shown_at >= every_s:
            show(exposure.picture(), done)
            shown_at = time.monotonic()
    return exposure.picture()


def stock_of(film: Mapping, cubes: Mapping[str, np.ndarray]) -> FilmStock:
    """Return the film that a message names; KeyError for a cube that is not held."""
    background, cube = film.get("background"), film.get("cube")
    return FilmStock(None if background is None else tuple(map(float, background)), None if cube is None else cubes[cube],
                     bool(film.get("bottom_up", False)))
