# SPDX-License-Identifier: GPL-3.0-or-later
"""Which splat is drawn first: sorted by depth in a thread, while the viewport goes on with the order before. Numpy only."""
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..rig.pose import EyePose, PosableMeans, Pose

_thread = ThreadPoolExecutor(1, thread_name_prefix="gazesplat-order")


@dataclass(frozen=True)
class Sortable:
    """What sorting needs to know of one portrait.

    means    (N, 3) of all splats
    moving   (K,) which of them the rig moves, ``still`` (N - K,) the others
    posable  those that move, None where there are none
    """

    means: np.ndarray
    moving: np.ndarray
    still: np.ndarray
    posable: PosableMeans | None


@dataclass(frozen=True)
class Placed:
    """A portrait to sort: its first cell, the pose of each eye, portrait -> view (4, 4)."""

    splats: Sortable
    first_cell: int
    eyes: Mapping[str, Sequence[float]]
    to_view: np.ndarray

    def still_keys(self) -> np.ndarray:
        """Return the keys of what no pose moves, unsorted."""
        return _keys(self.splats.means[self.splats.still], self.to_view, self.first_cell + self.splats.still)

    def moving_keys(self) -> np.ndarray:
        """Return the keys of what the rig moves, as posed, unsorted."""
        one, pose = self.splats, Pose({side: EyePose(*values) for side, values in self.eyes.items()})
        means = one.posable.posed(pose) if one.posable is not None else one.means[:0]
        return _keys(means, self.to_view, self.first_cell + one.moving)


def _keys(means: np.ndarray, to_view: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return depth and cell in one integer (N,): sorting those is several times as fast as an argsort.

    Of equal depths the later cell counts as farther, so that front to back is a stable sort. What lies behind the view has depth 0: it
    is not drawn.
    """
    depths = means @ -to_view[2, :3].astype(np.float32) - np.float32(to_view[2, 3])
    return np.maximum(depths, 0.0).view(np.uint32).astype(np.uint64) << np.uint64(32) | cells.astype(np.uint64)


@dataclass(frozen=True)
class Order:
    """A drawing order and what it was made for."""

    key: Hashable            # splats, view and pose
    splats: Hashable         # an order of other splats must not be used
    cells: np.ndarray        # (N,) float32, farthest first: they go into a texture
    still: Hashable          # splats and view
    still_keys: np.ndarray   # sorted, for the next pose


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

    def order(self, view: Hashable, poses: Hashable, splats: Hashable, portraits: Sequence[Placed], *, wait: bool = False) -> Order:
        """Return the latest order for these splats, and have a newer one made if it is for another view or pose.

        ``view``, ``poses`` and ``splats`` say what the portraits hold. With ``wait`` it is made here and now; so are the first order of a
        view and the first of other splats.
        """
        if self.ready:
            self._latest, self._running = self._running.result(), None
        key = view, poses, splats
        if self._latest is not None and self._latest.key == key:
            return self._latest
        if wait or self._latest is None or self._latest.splats != splats:
            self._latest = _sorted(key, portraits, self._latest)
        elif self._running is None:
            self._running = _thread.submit(_sorted, key, portraits, self._latest)
        return self._latest


def _sorted(key: tuple, portraits: Sequence[Placed], before: Order | None) -> Order:
    """Return a new order. From one pose to the next only the eyes are sorted, and put among the others."""
    view, _, splats = key
    if before is not None and before.still == (view, splats):
        still = before.still_keys
    else:
        still = np.sort(np.concatenate([one.still_keys() for one in portraits]))
    moving = np.sort(np.concatenate([one.moving_keys() for one in portraits]))
    keys = np.insert(still, np.searchsorted(still, moving), moving)
    return Order(key, splats, (keys[::-1] & np.uint64(0xFFFFFFFF)).astype(np.float32), (view, splats), still)
