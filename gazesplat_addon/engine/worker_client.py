# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's end of the render worker: starts it, keeps it, sends it what it lacks, and starts it again when it dies.

No bpy here: whatever can start the backend's Python can draw with this.
"""
from __future__ import annotations

import logging
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...backend.contract.errors import GazeSplatError
from ...backend.contract.worker import CANCEL, DRAW, FAILED, FORGET, HELLO, HOLD, PICTURE, BrokenMessage, read_message, write_message
from ..jobs.process import BACKEND, scrubbed_environment

log = logging.getLogger(__name__)

POLL_S = 0.02             # how often a waiting render asks whether it was cancelled
START_LIMIT_S = 180.0     # a first start compiles the kernels
HELD_PORTRAITS = 16       # the worker forgets those not in use beyond this many
LOG_TAIL_BYTES = 2000


@dataclass(frozen=True)
class HeldSplats:
    """A portrait to be sent once: ``arrays`` as in ``backend/worker/portraits.py``, ``rig`` the sidecar's JSON or None.

    Or the inverse of a view, ``arrays`` being its ``cube`` (see ``backend/worker/film.py``).
    """

    digest: str
    arrays: Mapping[str, np.ndarray]
    rig: dict | None


@dataclass(frozen=True)
class Picture:
    """An answer: arrays by name (see ``docs/engine.md``), the worker's seconds, the bytes that were sent for it, and its samples."""

    arrays: Mapping[str, np.ndarray]
    seconds: float
    bytes_sent: int
    samples: int = 1


class WorkerDiedError(Exception):
    """The worker's process has ended; ``str()`` says how, with the last line that it wrote to stderr."""


@dataclass
class _Process:
    """One run of the worker: its pipes, what it has answered, and which portraits it holds, oldest use first."""

    popen: subprocess.Popen
    stderr: tempfile._TemporaryFileWrapper
    answers: queue.SimpleQueue
    held: dict[str, None] = field(default_factory=dict)

    def death(self) -> WorkerDiedError:
        """Say how the process ended."""
        self.popen.kill()
        code = self.popen.wait()
        self.stderr.seek(0, 2)
        self.stderr.seek(max(0, self.stderr.tell() - LOG_TAIL_BYTES))
        tail = self.stderr.read().decode("utf-8", "replace").strip()
        log.info("The render worker wrote last:\n%s", tail)
        return WorkerDiedError(f"exit code {code}{': ' if tail else ''}{tail.rpartition(chr(10))[2]}")


class RenderWorker:
    """A worker that starts on the first frame. One render at a time; use it from any thread, one at a time."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._next_id = 0
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Return the process number while one runs."""
        return self._process.popen.pid if self._process is not None and self._process.popen.poll() is None else None

    def draw(self, python: Path, request: Mapping, portraits: Mapping[str, HeldSplats],
             should_stop: Callable[[], bool] = lambda: False, show: Callable[[Picture], None] | None = None) -> Picture | None:
        """Return the picture of a ``draw`` request, or None when ``should_stop`` said so.

        ``portraits`` holds all that the request names, by digest; only those that the worker lacks are sent. ``show`` gets
        the pictures of fewer samples that come before the last, if the request asks for any. A worker that dies is
        started again once. Raises GazeSplatError ``no-backend``, ``worker-died``, ``no-memory``.
        """
        with self._lock:
            for last_try in (False, True):
                try:
                    return self._draw(self._running(python, should_stop), request, portraits, should_stop, show)
                except WorkerDiedError as error:
                    log.warning("The render worker has ended: %s", error)
                    self._process = None
                    if last_try:
                        raise GazeSplatError("worker-died", f"The render worker ended unexpectedly ({error}).",
                                             "Render again; if it happens again, run the doctor in the preferences.") from error
            raise AssertionError("unreachable")

    def stop(self) -> None:
        """End the worker, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.popen.kill()
            process.popen.wait()
            process.stderr.close()

    def _running(self, python: Path, should_stop: Callable[[], bool]) -> _Process | None:
        """Return a process that has said hello; None when ``should_stop`` said so."""
        if self._process is not None and (self._process.popen.poll() is not None or self._process.popen.args[0] != str(python)):
            self.stop()
        if self._process is None:
            process = _start(python)
            hello = _wait(process, lambda header: header["type"] == HELLO, should_stop, START_LIMIT_S)
            if hello is None:
                process.popen.kill()
                process.popen.wait()
                return None
            self._process = process
        return self._process

    def _draw(self, process: _Process | None, request: Mapping, portraits: Mapping[str, HeldSplats],
              should_stop: Callable[[], bool], show: Callable[[Picture], None] | None) -> Picture | None:
        if process is None:
            return None
        self._next_id += 1
        asked, sent = self._next_id, 0
        try:
            for digest, portrait in portraits.items():
                if digest not in process.held:
                    sent += write_message(process.popen.stdin, {"type": HOLD, "digest": digest, "rig": portrait.rig}, portrait.arrays)
                process.held.pop(digest, None)
                process.held[digest] = None
            spare = [digest for digest in list(process.held)[:-HELD_PORTRAITS] if digest not in portraits]
            if spare:
                sent += write_message(process.popen.stdin, {"type": FORGET, "digests": spare})
                for digest in spare:
                    del process.held[digest]
            sent += write_message(process.popen.stdin, {**request, "type": DRAW, "id": asked})
        except OSError as error:
            raise process.death() from error
        while (answer := _wait(process, lambda header: header.get("id") == asked, should_stop)) is not None:
            header, arrays = answer
            if header["type"] == FAILED:
                raise GazeSplatError.from_dict(header)
            if header["type"] != PICTURE:
                raise BrokenMessage(f"a message of the unknown type {header['type']!r}")
            picture = Picture({name: np.asarray(array) for name, array in arrays.items()}, header["seconds"], sent, header["samples"])
            if header["final"]:
                return picture
            if show is not None:
                show(picture)
        # What it still answers is dropped by the next render.
        try:
            write_message(process.popen.stdin, {"type": CANCEL, "id": asked})
        except OSError as error:
            raise process.death() from error
        return None


def _start(python: Path) -> _Process:
    """Start a worker; GazeSplatError ``no-backend`` when its Python does not start."""
    command = [str(python), "-I", "-X", "utf8", str(BACKEND), "worker"]
    # Ctrl-C in Blender's terminal is for Blender; the worker ends when its stdin does.
    detached: dict = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
    try:
        popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=scrubbed_environment(),
                                 **detached)
    except OSError as error:
        stderr.close()
        raise GazeSplatError("no-backend", f"The backend's Python cannot be started: {python}: {error.strerror}.",
                             "Check the path in the preferences, or set the backend up again.") from error
    process = _Process(popen, stderr, queue.SimpleQueue())
    threading.Thread(target=_read_answers, args=(popen.stdout, process.answers), daemon=True, name="gazesplat-worker").start()
    return process


def _read_answers(stream, answers: queue.SimpleQueue) -> None:
    """Hand over every message of the worker; None when it has ended or writes something else."""
    try:
        while (message := read_message(stream)) is not None:
            answers.put(message)
    except (BrokenMessage, OSError, ValueError) as error:
        log.warning("The render worker cannot be understood: %s", error)
    answers.put(None)


def _wait(process: _Process, wanted: Callable[[Mapping], bool], should_stop: Callable[[], bool],
          limit_s: float = float("inf")) -> tuple[dict, dict] | None:
    """Return the first message that is wanted, None when ``should_stop`` said so; WorkerDiedError when there will be none."""
    waited_s = 0.0
    while not should_stop():
        try:
            message = process.answers.get(timeout=POLL_S)
        except queue.Empty:
            waited_s += POLL_S
            if waited_s > limit_s:
                raise process.death() from None
            continue
        if message is None:
            raise process.death()
        if wanted(message[0]):
            return message
    return None
