# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one program, line by line, so that it can be stopped at any moment and its words become progress."""
from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LISTEN_EVERY_S = 0.2
_GRACE_S = 3.0
# pip obeys its own variables, proxies and certificates among them; these would lead it out of the environment.
_ASTRAY = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON")

_log = logging.getLogger(__name__)


class Child:
    """A running program: iterate over its lines, "" in between while it is silent; then ``code`` is its exit status."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.code = -1
        threading.Thread(target=self._listen, daemon=True).start()

    def __iter__(self) -> Iterator[str]:
        while True:
            try:
                line = self._lines.get(timeout=_LISTEN_EVERY_S)
            except queue.Empty:
                yield ""
                continue
            if line is None:
                self.code = self._process.wait()
                return
            yield line

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)


@contextmanager
def running(command: list[str], *, errors: int | None = subprocess.STDOUT) -> Iterator[Child]:
    """Start a program and give its lines; it is ended when the block is left, however that happens.

    ``errors`` is where its stderr goes: among its lines, or with None where ours goes, which is the job's log.
    """
    _log.info("%s", subprocess.list2cmdline(command))
    environment = {name: value for name, value in os.environ.items() if name.upper() not in _ASTRAY}
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                               encoding="utf-8", errors="replace", env=environment, **hidden)
    try:
        yield Child(process)
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
