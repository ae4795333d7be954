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
from ..contract.worker import DRAW, FAILED, FORGET, HELLO, HOLD, PICTURE, BrokenMessage, read_message, write_message
from ..render import Camera, Frame, RenderSettings, render
from .frames import FrameMaker
from .portraits import HeldPortrait, portrait_from_message

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until stdin closes. Whatever prints to stdout meanwhile goes to stderr: the real one carries messages."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[tuple[dict, dict]] = queue.SimpleQueue()
    threading.Thread(target=_read_all, args=(sys.stdin.buffer, inbox), daemon=True).start()
    warm_up()
    worker = Worker(answers)
    write_message(answers, {"type": HELLO})
    while True:
        worker.answer(*inbox.get())


class Worker:
    """Holds portraits and answers messages, one after another."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._portraits: dict[str, HeldPortrait] = {}
        self._frames = FrameMaker()

    def answer(self, header: Mapping, arrays: Mapping[str, memoryview]) -> None:
        """Do what one message asks. What cannot be done is answered; what should not happen ends the process, with a traceback."""
        kind = header["type"]
        if kind == HOLD:
            self._portraits[header["digest"]] = portrait_from_message(header, arrays)
        elif kind == FORGET:
            for digest in header["digests"]:
                self._portraits.pop(digest, None)
        elif kind == DRAW:
            self._draw(header)
        else:
            raise BrokenMessage(f"a message of the unknown type {kind!r}")

    def _draw(self, header: Mapping) -> None:
        started = time.perf_counter()
        try:
            frame = self._frames.draw(header, self._portraits)
        except MemoryError:
            error = GazeSplatError("no-memory", "The picture does not fit into memory.", "Lower the resolution, or render a border.")
            write_message(self._answers, {"type": FAILED, "id": header["id"], **error.as_dict()})
            return
        seconds = time.perf_counter() - started
        write_message(self._answers, {"type": PICTURE, "id": header["id"], "seconds": seconds}, picture_arrays(frame))


def picture_arrays(frame: Frame) -> dict[str, np.ndarray]:
    """Return a frame as the arrays of a ``picture`` message: rgba (H, W, 4), depth, ``matte:<name>`` (H, W), float32."""
    arrays = {"rgba": frame.rgba()}
    if frame.depth is not None:
        arrays["depth"] = frame.depth
    arrays |= {f"matte:{name}": matte for name, matte in frame.mattes.items()}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def warm_up() -> None:
    """Compile, or load, every kernel that a frame may need, before anybody waits for one."""
    splat = PosedSplats(np.array([[0.0, 0.0, 1.0]]), 0.1 * np.eye(3)[None], np.ones(1), np.ones((1, 3)), np.zeros(1, np.uint8))
    for orthographic in (False, True):
        camera = Camera(16, 16, 16.0, 16.0, 8.0, 8.0, orthographic=orthographic)
        render(splat, camera, RenderSettings(), depth=True, mattes={"head": (0,)})


def _read_all(stream: BinaryIO, inbox: queue.SimpleQueue) -> None:
    """Put every message into the inbox; end the process when there are no more."""
    try:
        while (message := read_message(stream)) is not None:
            inbox.put(message)
    except (BrokenMessage, OSError) as error:
        log.error("The worker ends: %s", error)
        os._exit(1)
    os._exit(0)
