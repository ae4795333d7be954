# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures for a viewport, drawn beside Blender's main thread: coarse first, then fine, and only of what was asked last.

No bpy here. A thread lives from a question to its last answer; nothing runs while nothing is asked.
"""
from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...backend.contract.errors import GazeSplatError

COARSE = 0.25             # of a side: a sixteenth of the pixels
PATIENCE_S = 0.1          # a fine picture that takes no longer than this needs no coarse one before it


@dataclass(frozen=True)
class Step:
    """One picture to be drawn: a ``draw`` message, whatever the drawer needs beside it, and whether it is the finest."""

    request: Mapping
    beside: Any = None
    fine: bool = True


@dataclass(frozen=True)
class Shown:
    """A finished picture: the question it answers, whether it is the finest, and what the drawer returned."""

    question: object
    fine: bool
    picture: Any


class Refiner:
    """Answers the last question of one viewport.

    draw    (step, should_stop) -> a picture with ``.seconds``, or None when it was stopped; may raise GazeSplatError
    tell    called from the thread whenever ``shown`` or ``refusal`` has changed
    """

    def __init__(self, draw: Callable[[Step, Callable[[], bool]], Any], tell: Callable[[], None]) -> None:
        self.shown: Shown | None = None
        self.refusal: GazeSplatError | None = None
        self.drawn = 0                # pictures so far
        self._draw, self._tell = draw, tell
        self._lock = threading.Lock()
        self._waiting: tuple[object, list[Step]] | None = None
        self._asked: object = None
        self._busy = self._closed = False
        self._fine_s = float("inf")
        _alive.add(self)

    def ask(self, question: object, steps: Sequence[Step]) -> bool:
        """Have a question answered by ``steps``, coarse before fine; return False where it is the one that was asked last."""
        with self._lock:
            if self._closed or question == self._asked:
                return False
            self._asked = question
            skipped = len(steps) - 1 if self._fine_s <= PATIENCE_S else 0
            self._waiting = question, list(steps[skipped:])
            if not self._busy:
                self._busy = True
                threading.Thread(target=self._answer, daemon=True, name="gazesplat-viewport").start()
            return True

    def close(self) -> None:
        """Stop whatever is drawn, and answer nothing any more."""
        with self._lock:
            self._closed, self._waiting = True, None

    def _answer(self) -> None:
        while (step := self._next()) is not None:
            question, one = step
            try:
                picture = self._draw(one, lambda: self._closed)
            except GazeSplatError as error:
                self._keep(question, None, error)
            else:
                self._keep(question, Shown(question, one.fine, picture) if picture is not None else None, None)

    def _next(self) -> tuple[object, Step] | None:
        """Take the next step of the last question; None ends the thread, at the same moment as a new one may be started."""
        with self._lock:
            if self._closed or self._waiting is None:
                self._busy = False
                return None
            question, steps = self._waiting
            self._waiting = (question, steps[1:]) if len(steps) > 1 else None
            return question, steps[0]

    def _keep(self, question: object, shown: Shown | None, refusal: GazeSplatError | None) -> None:
        with self._lock:
            if self._closed:
                return
            self.refusal = refusal
            if refusal is not None and self._waiting is not None and self._waiting[0] == question:
                self._waiting = None    # the finer steps would be refused too
            if shown is not None:
                self.shown = shown
                self.drawn += 1
                if shown.fine:
                    self._fine_s = shown.picture.seconds
        self._tell()


_alive: weakref.WeakSet[Refiner] = weakref.WeakSet()


def close_all() -> None:
    """Close every refiner: the worker is about to end."""
    for refiner in list(_alive):
        refiner.close()


def scaled(camera: Mapping, factor: float) -> dict:
    """Return the fields of a camera for the same view in fewer pixels; the sides are rounded and the picture fits to the edge."""
    width, height = (max(1, round(camera[side] * factor)) for side in ("w", "h"))
    x, y = width / camera["w"], height / camera["h"]
    left, top, right, bottom = camera["sensor"]
    return {**camera, "w": width, "h": height, "fx": camera["fx"] * x, "cx": camera["cx"] * x,
            "fy": camera["fy"] * y, "cy": camera["cy"] * y, "sensor": [left * x, top * y, right * x, bottom * y]}


def at_scale(step: Step, factor: float, *, fine: bool) -> Step:
    """Return a step that draws the same in fewer pixels."""
    moments = [{**moment, "camera": scaled(moment["camera"], factor)} for moment in step.request["moments"]]
    return replace(step, request={**step.request, "moments": moments}, fine=fine)
