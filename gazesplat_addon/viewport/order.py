# SPDX-License-Identifier: GPL-3.0-or-later
"""Which splat is drawn first: sorted by depth in a thread, while the viewport goes on with the order before. Numpy only."""
from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..rig.pose import EyePose, PosableMeans, Pose

# An eye that has turned, or a lid that has moved, by less than this is drawn in the order before: no splat of it has come
# before another by more than 0.4 mm. Once it rests, everything is sorted again.
TURN_DEG, LID_SHARE, PUPIL_SHARE = 2.0, 0.04, 0.2
# A pose that is asked for twice, or for so long, rests.
REST_S = 0.1

# A cell's number is a float in a texture: 24 bits are exact.
CELL_MASK = np.uint64((1 << 24) - 1)

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

    def barely_moved(self, before: Mapping[str, Sequence[float]]) -> bool:
        """Return whether the eyes stand so near to an earlier pose that its order serves."""
        limits = np.array([TURN_DEG, TURN_DEG, LID_SHARE, PUPIL_SHARE])
        return self.eyes.keys() == before.keys() and all(
            bool((np.abs(np.subtract(pose, before[side])) <= limits).all()) for side, pose in self.eyes.items())

    def moving_keys(self) -> np.ndarray:
        """Return the keys of what the rig moves, as posed, unsorted."""
        one, pose = self.splats, Pose({side: EyePose(*values) for side, values in self.eyes.items()})
        means = one.posable.posed(pose) if one.posable is not None else one.means[:0]
        return _keys(means, self.to_view, self.first_cell + one.moving)


def _keys(means: np.ndarray, to_view: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return depth and cell in one integer (N,), the farthest the lowest: sorting those is several times as fast as an argsort.

    Depths are reckoned in double precision and kept to a billionth: rounded to single, films that lie 30 nm apart change places, which F12
    does not do. Of equal depths the later cell counts as farther, so that front to back is a stable sort. What lies behind the view has
    depth 0: it is not drawn.
    """
    depths = np.maximum(means.astype(np.float64) @ -to_view[2, :3] - to_view[2, 3], 0.0)
    return ~(depths.view(np.uint64) << np.uint64(1) & ~CELL_MASK | cells.astype(np.uint64))


def _cells(keys: np.ndarray) -> np.ndarray:
    """Return the cells of keys, float32: they go into a texture."""
    return (~keys & CELL_MASK).astype(np.float32)


@dataclass(frozen=True)
class Still:
    """What no pose moves, in its order: keys (M,) and cells (M,) float32, farthest first. It outlives every pose of a view."""

    keys: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True)
class Order:
    """A drawing order, farthest first, and what it was made for. The card puts both parts together (``glsl/merge.frag.glsl``)."""

    key: tuple[Hashable, Hashable, Hashable]   # view, poses, splats: an order of other splats must not be used
    eyes: Sequence[Mapping[str, Sequence[float]]]   # each portrait's pose
    still: Still
    moving: np.ndarray       # (K, 2) float32: which place of the whole order each splat of the eyes takes, ascending, and its cell

    @property
    def count(self) -> int:
        """How many splats are drawn."""
        return len(self.still.cells) + len(self.moving)


class Sorter:
    """Sorts for one view. One sort at a time; what is asked for meanwhile waits, and only the newest is done."""

    def __init__(self) -> None:
        self._latest: Order | None = None
        self._running: Future | None = None
        self._postponed: tuple[Hashable, float] | None = None     # what a barely moved pose asked for, and when

    @property
    def busy(self) -> bool:
        """Whether a newer order is on its way, or will be once the eyes rest."""
        return self._running is not None or self._postponed is not None

    @property
    def running(self) -> bool:
        """Whether an order is being made at this moment."""
        return self._running is not None and not self._running.done()

    @property
    def ready(self) -> bool:
        """Whether a newer order waits to be used, or one can be made because the eyes rest."""
        if self._running is not None:
            return self._running.done()
        return self._postponed is not None and time.monotonic() - self._postponed[1] > REST_S

    def order(self, view: Hashable, poses: Hashable, splats: Hashable, portraits: Sequence[Placed], *, wait: bool = False) -> Order:
        """Return the latest order for these splats, and have a newer one made if it is for another view, another pose that the eyes
        rest in, or one that they have come far to.

        ``view``, ``poses`` and ``splats`` say what the portraits hold. With ``wait`` it is made here and now; so are the first order of a
        view and the first of other splats.
        """
        if self._running is not None and self._running.done():
            self._latest, self._running = self._running.result(), None
        key, postponed = (view, poses, splats), self._postponed
        self._postponed = None
        if self._latest is not None and self._latest.key == key:
            return self._latest
        if not wait and self._running is None and (postponed is None or postponed[0] != key) and self._serves(view, splats, portraits):
            self._postponed = key, time.monotonic()
            return self._latest
        if wait or self._latest is None or self._latest.key[2] != splats:
            self._latest, self._running = _sorted(key, portraits, self._latest), None    # what is on its way would be older
        elif self._running is None:
            self._running = _thread.submit(_sorted, key, portraits, self._latest)
        return self._latest

    def _serves(self, view: Hashable, splats: Hashable, portraits: Sequence[Placed]) -> bool:
        """Return whether the latest order was made for this view and poses near these."""
        one = self._latest
        return one is not None and (view, splats) == (one.key[0], one.key[2]) and all(
            now.barely_moved(before) for now, before in zip(portraits, one.eyes, strict=True))


def _sorted(key: tuple, portraits: Sequence[Placed], before: Order | None) -> Order:
    """Return a new order. From one pose to the next only the eyes are sorted, and told their places among the others."""
    if before is not None and (before.key[0], before.key[2]) == (key[0], key[2]):
        still = before.still
    else:
        keys = np.sort(np.concatenate([one.still_keys() for one in portraits]))
        still = Still(keys, _cells(keys))
    keys = np.sort(np.concatenate([one.moving_keys() for one in portraits]))
    moving = np.empty((len(keys), 2), np.float32)
    moving[:, 0] = np.searchsorted(still.keys, keys) + np.arange(len(keys))
    moving[:, 1] = _cells(keys)
    return Order(key, [dict(one.eyes) for one in portraits], still, moving)
