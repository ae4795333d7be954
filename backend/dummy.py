# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that plays any story, so that the process boundary and the panels are tested without a face.

``options["story"]`` is a list of steps, each ``{"do": NAME, ...}`` with the arguments of the function
of that name below; ``options["portrait"]`` a finished portrait's folder that it hands out as its own.
"""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

from .context import JobContext
from .contract import result
from .contract.errors import GazeSplatError

# A hanging story ends by itself, so that a failed test leaves no process behind for long.
_LONGEST_HANG_S = 120.0


def run(context: JobContext) -> None:
    """Play the story, then write the result."""
    for step in context.spec.options.get("story", []):
        arguments = {name: value for name, value in step.items() if name != "do"}
        _STEPS[step["do"]](context, **arguments)
    portrait = context.spec.options.get("portrait")
    for name in result.FILES:
        if portrait:
            shutil.copyfile(Path(portrait) / name, context.result_part_folder / name)
        else:
            (context.result_part_folder / name).write_text(f"dummy {name}\n", "utf-8")


def _stage(context: JobContext, name: str, share: float = 1.0) -> None:
    context.emit_stage(name, share)


def _progress(context: JobContext, fraction: float, text: str = "") -> None:
    context.progress(fraction, text)


def _count(context: JobContext, steps: int, seconds: float) -> None:
    """Progress from 0 to 1 in so many steps, over so many seconds."""
    for done in range(steps):
        context.progress((done + 1) / steps, f"step {done + 1} of {steps}")
        time.sleep(seconds / steps)


def _warn(context: JobContext, code: str, message: str, hint: str = "") -> None:
    context.warn(code, message, hint)


def _preview(context: JobContext, picture: str) -> None:
    """Show a picture, given as a path, as how far the work is."""
    shown = context.work_folder / "preview.png"
    shutil.copyfile(picture, shown)
    context.preview(shown)


def _fail(context: JobContext, code: str, message: str, hint: str = "") -> None:
    raise GazeSplatError(code, message, hint)


def _noise(context: JobContext, text: str) -> None:
    """Write to both streams the way native libraries do, below Python's buffers."""
    os.write(1, text.encode())
    os.write(2, text.encode())


def _sleep(context: JobContext, seconds: float) -> None:
    time.sleep(seconds)


def _wait_for(context: JobContext, path: str) -> None:
    """Work in silence until a file is there."""
    deadline = time.monotonic() + _LONGEST_HANG_S
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _hang(context: JobContext) -> None:
    """Ignore the cancel file and every polite signal."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    context.progress(0.5, "hanging")
    time.sleep(_LONGEST_HANG_S)


def _child(context: JobContext) -> None:
    """Start a process of its own, as the video stages do, and note its number in work/child.txt."""
    child = subprocess.Popen([sys.executable, "-I", "-c", f"import time; time.sleep({_LONGEST_HANG_S})"])
    (context.work_folder / "child.txt").write_text(str(child.pid), "utf-8")


def _abort(context: JobContext) -> None:
    os.abort()


def _bug(context: JobContext) -> None:
    raise ZeroDivisionError("a bug, as told by the story")


def _exhaust_memory(context: JobContext) -> None:
    raise MemoryError


def _import(context: JobContext, name: str) -> None:
    import_module(name)


def _write(context: JobContext, path: str, size: int = 4096) -> None:
    """Write so many bytes to a path relative to the result, or absolute: /dev/full is a full disk."""
    place = Path(os.path.normpath(context.result_part_folder / path))
    place.parent.mkdir(exist_ok=True)
    with place.open("wb") as file:
        file.write(b"x" * size)


_STEPS = {"stage": _stage, "progress": _progress, "count": _count, "warn": _warn, "preview": _preview, "fail": _fail, "noise": _noise,
          "sleep": _sleep, "wait-for": _wait_for, "hang": _hang, "child": _child, "abort": _abort, "bug": _bug,
          "exhaust-memory": _exhaust_memory, "import": _import, "write": _write}
