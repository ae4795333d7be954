# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated motion by layer, as an artist names it: ``portrait.layers["blinks"].reseed(4)``."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..backend.contract.errors import GazeSplatError
from . import motion
from .scene import bake_life, layers

if TYPE_CHECKING:
    from .portrait import Portrait


class Layer:
    """What one generator has written: gaze, blinks, lids, head or pupils."""

    def __init__(self, portrait: Portrait, name: str) -> None:
        self._portrait = portrait
        self.name = name

    def __repr__(self) -> str:
        return f"<layer {self.name!r} of {self._portrait.name!r}, {self.keys} keys{', muted' if self.muted else ''}>"

    @property
    def keys(self) -> int:
        """How many keys it has."""
        return sum(len(fcurve.keyframe_points) for fcurve in layers.fcurves(*self._owners, self.name).values())

    @property
    def range(self) -> tuple[float, float] | None:
        """Its first and last frame, or None while it is empty."""
        return motion.keyed_range(self._portrait.root, self.name)

    @property
    def recipe(self) -> dict | None:
        """How it was made last: seed, start, end and settings; None while it is empty."""
        return layers.recipe(self._portrait.root, self.name)

    @property
    def edited(self) -> list[tuple[float, float]]:
        """The stretches of frames whose keys you have moved, added or removed since; making the layer anew leaves them as they are."""
        return layers.edited_windows(*self._owners, self.name)

    @property
    def muted(self) -> bool:
        """Whether it has keys that are not played."""
        return layers.is_muted(*self._owners, self.name)

    @muted.setter
    def muted(self, muted: bool) -> None:
        layers.set_muted(*self._owners, self.name, bool(muted))

    def reseed(self, seed: int, *, keep_edits: bool = True) -> int:
        """Make it anew with another seed; return how many keys were made."""
        return self.remake(seed=seed, keep_edits=keep_edits)

    def retime(self, start: float, end: float | None = None, *, keep_edits: bool = True) -> int:
        """Make it anew over other frames, the same motion from ``start`` on; return how many keys were made.

        Without ``end`` it stays as long as it was. Saccades and blinks keep their speed: time is not stretched.
        """
        return self.remake(start=start, end=end, keep_edits=keep_edits)

    def remake(self, *, seed: int | None = None, start: float | None = None, end: float | None = None, keep_edits: bool = True) -> int:
        """Make it anew, for instance after the target, the gaze keys or the frame rate have changed."""
        portrait = self._portrait
        portrait.require_parts()
        return motion.remake(portrait.root, portrait.scene, self.name, seed=seed, start=start, end=end, keep_edits=keep_edits)

    def bake(self) -> int:
        """Move its keys onto your own channels, where generators never touch them; return how many keys were made."""
        portrait = self._portrait
        portrait.require_parts()
        return bake_life.bake_layer(*self._owners, self.name, fps=motion.fps_of(portrait.scene))

    def clear(self, *, start: float | None = None, end: float | None = None) -> int:
        """Remove its keys from a range of frames or everywhere; return how many went."""
        portrait = self._portrait
        portrait.require_parts()
        return motion.clear(portrait.root, portrait.scene, start=start, end=end, only=self.name)

    @property
    def _owners(self):
        return self._portrait.root, self._portrait.head


class Layers:
    """The layers of a portrait by name, in the order in which they are made."""

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait

    def __getitem__(self, name: str) -> Layer:
        if name not in layers.NAMES:
            raise GazeSplatError("no-layer", f"There is no layer {name!r}.", f"Choose one of {', '.join(layers.NAMES)}.")
        return Layer(self._portrait, name)

    def __iter__(self) -> Iterator[Layer]:
        return (Layer(self._portrait, name) for name in layers.NAMES)

    def __len__(self) -> int:
        return len(layers.NAMES)

    def keys(self) -> tuple[str, ...]:
        """Return the names."""
        return layers.NAMES
