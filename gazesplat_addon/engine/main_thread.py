# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's data may be changed by its main thread only, and F12 in a window renders in another: this carries a call across."""
from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

import bpy

POLL_S = 0.1
Result = TypeVar("Result")

_calls: queue.SimpleQueue[tuple[Callable, Future]] = queue.SimpleQueue()


def register() -> None:
    """Listen, where there is a window: in background every render is in the main thread."""
    if not bpy.app.background:
        bpy.app.timers.register(_answer, persistent=True)


def unregister() -> None:
    """Listen no more."""
    if bpy.app.timers.is_registered(_answer):
        bpy.app.timers.unregister(_answer)


def call(function: Callable[[], Result], should_stop: Callable[[], bool]) -> Result | None:
    """Return what ``function`` returns when the main thread calls it, None when ``should_stop`` said so meanwhile."""
    if threading.current_thread() is threading.main_thread():
        return function()
    future: Future = Future()
    _calls.put((function, future))
    while not should_stop():
        try:
            return future.result(POLL_S)
        except NotYet:
            continue
    return None


def _answer() -> float:
    while not _calls.empty():
        function, future = _calls.get()
        try:
            future.set_result(function())
        except (RuntimeError, OSError) as error:  # what Blender and files raise; the caller hears of it
            future.set_exception(error)
    return POLL_S
