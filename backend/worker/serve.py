# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's life: says hello, answers messages in order, and is gone as soon as Blender is.

Its stdin is Blender's hand on it. A thread does nothing but read, so that the end of stdin is noticed in the middle of a
frame too, however Blender ended; the process then ends at once, for nobody is left to look at the frame.
"""
from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from ...gazesplat_addon.rig.pose import PosedSplats
from ..contract.errors import GazeSplatError
from ..contract.worker import CANCEL, DRAW, FAILED, FORGET, HELLO, HOLD, PICTURE, BrokenMessage, read_message, write_message
from ..render import Camera, RenderSettings, render
from .film import FilmStock, develop_onto
from .frames import FrameMaker
from .pictures import make_picture
from .portraits import HeldPortrait, portrait_from_message

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until stdin closes. Whatever prints to stdout meanwhile goes to stderr: the real one carries messages."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[tuple[dict, dict]] = queue.SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_read_all, args=(sys.stdin.buffer, inbox, cancelled), daemon=True).start()
    warm_up()
    worker = Worker(answers, cancelled)
    write_message(answers, {"type": HELLO})
    while True:
        worker.answer(*inbox.get())


class Worker:
    """Holds portraits and answers messages, one after another. ``cancelled`` holds ids of pictures that nobody waits for."""

    def __init__(self, answers: BinaryIO, cancelled: set[int]) -> None:
        self._answers, self._cancelled = answers, cancelled
        self._portraits: dict[str, HeldPortrait] = {}
        self._cubes: dict[str, np.ndarray] = {}
        self._frames = FrameMaker()

    def answer(self, header: Mapping, arrays: Mapping[str, memoryview]) -> None:
        """Do what one message asks. What cannot be done is answered; what should not happen ends the process, with a traceback."""
        kind = header["type"]
        if kind == HOLD and "cube" in arrays:
            self._cubes[header["digest"]] = np.asarray(arrays["cube"])
        elif kind == HOLD:
            self._portraits[header["digest"]] = portrait_from_message(header, arrays)
        elif kind == FORGET:
            for digest in header["digests"]:
                self._portraits.pop(digest, None)
                self._cubes.pop(digest, None)
        elif kind == DRAW:
            self._draw(header)
        else:
            raise BrokenMessage(f"a message of the unknown type {kind!r}")

    def _draw(self, header: Mapping) -> None:
        asked, started = header["id"], (time.perf_counter(), time.process_time())

        def show(picture: Mapping[str, np.ndarray], samples: int) -> None:
            self._say(asked, started, picture, samples=samples, final=False)

        try:
            picture = make_picture(header, self._frames, self._portraits, self._cubes, lambda: asked in self._cancelled, show)
        except MemoryError:
            error = GazeSplatError("no-memory", "The picture does not fit into memory.", "Lower the resolution, or render a border.")
            write_message(self._answers, {"type": FAILED, "id": asked, **error.as_dict()})
            return
        if picture is not None:
            self._say(asked, started, picture, samples=len(header.get("rays") or [0]), final=True)
        self._cancelled.discard(asked)

    def _say(self, asked: int, started: tuple[float, float], picture: Mapping[str, np.ndarray], **more: object) -> None:
        took = {"seconds": time.perf_counter() - started[0], "cpu_seconds": time.process_time() - started[1]}
        write_message(self._answers, {"type": PICTURE, "id": asked, **took, **more}, picture)


def warm_up() -> None:
    """Compile, or load, every kernel that a frame may need, before anybody waits for one."""
    splat = PosedSplats(np.array([[0.0, 0.0, 1.0]]), 0.1 * np.eye(3)[None], np.ones(1), np.ones((1, 3)), np.zeros(1, np.uint8))
    for orthographic in (False, True):
        camera = Camera(16, 16, 16.0, 16.0, 8.0, 8.0, orthographic=orthographic)
        frame = render(splat, camera, RenderSettings(), depth=True, mattes={"head": (0,)})
    for cube in (None, np.zeros((2, 2, 2, 3), np.float32)):
        develop_onto(np.zeros((16, 16, 4), np.float32), frame.rgba(), FilmStock(None, cube), 1)


def _read_all(stream: BinaryIO, inbox: queue.SimpleQueue, cancelled: set[int]) -> None:
    """Put every message into the inbox, but heed a cancel at once; end the process when there are no more."""
    try:
        while (message := read_message(stream)) is not None:
            if message[0]["type"] == CANCEL:
                cancelled.add(message[0]["id"])
            else:
                inbox.put(message)
    except (BrokenMessage, OSError) as error:
        log.error("The worker ends: %s", error)
        os._exit(1)
    os._exit(0)
