# SPDX-License-Identifier: GPL-3.0-or-later
"""A glance drawn from the splats near the eyes alone: of a head of 150,000 some 40,000 can touch the pixels that change."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...gazesplat_addon.rig.pose import PosedSplats
from ..render import Camera, RenderSettings
from ..render.numba_tiles import touching

ARRAYS = ("means", "factors", "opacities", "colours")
# The window of the next glance is another one: what is kept reaches this share of the window's size farther on every side.
MARGIN = 0.1

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Neighbourhood:
    """The splats that may touch a part of the picture, and all that move.

    region   (left, top, right, bottom) of that part, pixels
    indices  (M,) of the splats among all, ascending, so that ties in depth keep their order
    posed    these splats; changed in place
    """

    region: Window
    indices: np.ndarray
    posed: PosedSplats

    def holds(self, window: Window) -> bool:
        """Return whether a window can be drawn from these splats."""
        return self.region[0] <= window[0] and self.region[1] <= window[1] and window[2] <= self.region[2] and window[3] <= self.region[3]

    def put(self, which: np.ndarray, part: PosedSplats) -> None:
        """Give the splats ``which`` (K,), by their index among all, new values."""
        put(self.posed, np.searchsorted(self.indices, which), part)


def neighbourhood(posed: PosedSplats, moving: np.ndarray, window: Window, camera: Camera, settings: RenderSettings) -> Neighbourhood:
    """Return what a window, and one a little larger, is drawn from; ``moving`` (K,) are the indices of all that may move."""
    left, top, right, bottom = window
    across, down = int(MARGIN * (right - left)) + 1, int(MARGIN * (bottom - top)) + 1
    region = (max(0, left - across), max(0, top - down), min(camera.width, right + across), min(camera.height, bottom + down))
    inside = touching(posed, camera.cropped(region[0], region[1], region[2] - region[0], region[3] - region[1]), settings)
    inside[moving] = True
    indices = np.flatnonzero(inside)
    return Neighbourhood(region, indices, taken(posed, indices))


def taken(posed: PosedSplats, which: np.ndarray) -> PosedSplats:
    """Return a copy of the splats ``which`` (K,)."""
    return replace(posed, groups=posed.groups[which], **{name: getattr(posed, name)[which] for name in ARRAYS})


def put(posed: PosedSplats, which: np.ndarray, part: PosedSplats) -> None:
    """Replace the splats ``which`` (K,) in place."""
    for name in ARRAYS:
        getattr(posed, name)[which] = getattr(part, name)
