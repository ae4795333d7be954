# SPDX-License-Identifier: GPL-3.0-or-later
"""The eyes as an artist names them: ``portrait.eyes.left.openness = 0.4``. Left and right are the subject's."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy

from ..backend.contract.errors import GazeSplatError
from . import compat
from .scene import store

if TYPE_CHECKING:
    from .portrait import Portrait

_LETTERS = {"left": "L", "right": "R"}


@dataclass(frozen=True)
class EyePoseNow:
    """What one eye does at the current frame, all layers and limits included.

    Degrees relative to the photo, + yaw to the subject's left, + pitch up; ``blink`` 0 open .. 1 closed;
    ``pupil`` relative to the photo.
    """

    yaw_deg: float
    pitch_deg: float
    blink: float
    pupil: float


class Eye:
    """One eye of a portrait."""

    def __init__(self, portrait: Portrait, side: str) -> None:
        self._portrait = portrait
        self.side = side

    def __repr__(self) -> str:
        return f"<{self.side} eye of {self._portrait.name!r}>"

    @property
    def blink(self) -> float:
        """How far you close the lids: 0 as photographed, 1 closed. Generated blinks close them further, never less."""
        return self._portrait.read(f"blink_{self.side}")

    @blink.setter
    def blink(self, closed: float) -> None:
        self._portrait.write(f"blink_{self.side}", closed, 0.0, 1.0)

    @property
    def openness(self) -> float:
        """The opposite of ``blink``: 1 as photographed, 0 closed."""
        return 1.0 - self.blink

    @openness.setter
    def openness(self, open_share: float) -> None:
        self._portrait.check("openness", open_share, 0.0, 1.0)
        self.blink = 1.0 - open_share

    @property
    def now(self) -> EyePoseNow:
        """What the eye does at the current frame, after drivers, constraints and limits."""
        depsgraph = bpy.context.evaluated_depsgraph_get()
        depsgraph.update()
        carrier, display = self._portrait.object, store.display_modifier(self._portrait.root)
        if display is None:
            raise GazeSplatError("part-deleted", f"{carrier.name} has lost its GazeSplat modifier.", "Undo, or reload the portrait.")
        modifier = carrier.evaluated_get(depsgraph).modifiers[display.name]
        letter = _LETTERS[self.side]
        return EyePoseNow(*(float(compat.get_modifier_input(modifier, f"{name} {letter}")) for name in ("Yaw", "Pitch", "Blink", "Pupil")))


class Eyes:
    """Both eyes of a portrait: ``.left`` and ``.right``, or both at once."""

    def __init__(self, portrait: Portrait) -> None:
        self.left = Eye(portrait, "left")
        self.right = Eye(portrait, "right")

    def __iter__(self):
        """Iterate over the left eye, then the right."""
        return iter((self.left, self.right))

    @property
    def blink(self) -> float:
        """How far you close both: the mean of the two when read."""
        return (self.left.blink + self.right.blink) / 2.0

    @blink.setter
    def blink(self, closed: float) -> None:
        self.left.blink = self.right.blink = closed

    @property
    def openness(self) -> float:
        """How far both are open: the mean of the two when read."""
        return 1.0 - self.blink

    @openness.setter
    def openness(self, open_share: float) -> None:
        self.left.openness = self.right.openness = open_share
