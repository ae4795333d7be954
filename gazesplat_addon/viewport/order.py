# SPDX-License-Identifier: GPL-3.0-or-later
"""Which splat is drawn first: sorted by depth in a thread, while the viewport goes on with the order before. Numpy only."""
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..rig.pose import EyePose, Pose, posed_means
from ..rig.sidecar import EyeRig

_thread = ThreadPoolExecutor(1, thread_name_prefix="gazesplat-order")


@dataclass(frozen=True)
class Sortable:
    """What sorting needs to know of one portrait: means (N, 3), which of them (K,) the rig moves, their groups (K,), the rigs."""

    means: np.ndarray
    moving: np.ndarray
    groups: np.ndarray
    rigs: Mapping[str, EyeRig]

    def depths(self, eyes: Mapping[str, Sequence[float]], to_view: np.ndarray) -> np.ndarray:
        """Return how far (N,) the posed splats lie in front of the view, in metres."""
        axis, offset = -to_view[2, :3].astype(np.float32), np.float32(-to_view[2, 3])
        depths = self.means @ axis + offset
        if len(self.moving):
            pose = Pose({side: EyePose(*values) for side, values in eyes.items()})
            depths[self.moving] = posed_means(self.means[self.moving], self.groups, self.rigs, pose) @ axis + offset
        return depths


def back_to_front(depths: np.ndarray) -> np.ndarray:
    """Return indices (N,), farthest first; of equal depths the later one first, so that front to back is a stable sort.

    Depth and index go into one integer: sorting those is several times as fast as an argsort. What lies behind the
    view counts as depth 0: it is not drawn.
    """
    keys = np.maximum(depths, 0.0).astype(np.float32).view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(depths), dtype=np.uint64)
    keys.sort()
    return (keys[::-1] & np.uint64(0xFFFFFFFF)).astype(np.uint32)


@dataclass(frozen=True)
class Order:
    """A drawing order and what it was made for."""

    key: Hashable       # splats, view and pose
    splats: Hashable    # an order of other splats must not be used
    cells: np.ndarray   # (N,) float32: they go into a texture


class Sorter:
    """Sorts for one view. One sort at a time; what is asked for meanwhile waits, and only the newest is done."""

    def __init__(self) -> None:
        self._latest: Order | None = None
        self._running: Future | None = None

    @property
    def busy(self) -> bool:
        """Whether a newer order is on its way."""
        return self._running is not None

    @property
    def ready(self) -> bool:
        """Whether a newer order waits to be used."""
        return self._running is not None and self._running.done()

    def order(self, key: Hashable, splats: Hashable, portraits: Sequence[tuple], *, wait: bool = False) -> Order:
        """Return the latest order for these splats, and have a newer one made if it is for another view or pose.

        portraits    for each: Sortable, first cell, poses by side, portrait -> view (4, 4)
        wait         make it here and now; so are the first of a view and the first of other splats
        """
        if self._running is not None and self._running.done():
            self._latest, self._running = self._running.result(), None
        if self._latest is not None and self._latest.key == key:
            return self._latest
        if wait or self._latest is None or self._latest.splats != splats:
            self._latest = _sorted(key, splats, portraits)
        elif self._running is None:
            self._running = _thread.submit(_sorted, key, splats, portraits)
        return self._latest


def _sorted(key: Hashable, splats: Hashable, portraits: Sequence[tuple]) -> Order:
    depths = [one.depths(eyes, to_view) for one, _, eyes, to_view in portraits]
    cells = np.concatenate([first + np.arange(len(d), dtype=np.float32) for (_, first, _, _), d in zip(portraits, depths, strict=True)])
    return Order(key, splats, cells[back_to_front(np.concatenate(depths))])
