# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the backend, recognises it again after Blender restarts, and ends it with all its children."""
from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ...backend.contract import paths
from ...backend.contract.errors import GazeSplatError
from ...backend.contract.refusals import explain_os_error
from .process_identity import start_mark

BACKEND = Path(__file__).resolve().parents[2] / "backend"

_log = logging.getLogger(__name__)

# Blender's own Python and OpenColorIO settings, or a virtual environment it was started from, would
# lead another Python astray.
_SCRUBBED_PREFIXES = ("PYTHON", "BLENDER", "VIRTUAL_ENV", "CONDA", "__PYVENV", "OCIO")


@dataclass(frozen=True)
class ProcessMark:
    """Which process runs a job: ``pid`` alone is not enough, numbers are given out again."""

    pid: int
    started: str


def start(python: Path, folder: Path) -> subprocess.Popen:
    """Start the backend on a job folder, write ``pid.json`` and return the process.

    Its stdout and stderr go to ``log.txt``. It leads a process group (a session) of its own: Ctrl-C in
    Blender's terminal does not reach it, it survives Blender, and it can be ended with its children.
    """
    command = [str(python), "-I", "-X", "utf8", str(BACKEND), str(folder)]
    detached: dict = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    try:
        with (folder / paths.LOG).open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                                       env=scrubbed_environment(), **detached)
    except OSError as error:
        if error.filename == str(python):
            raise GazeSplatError("no-backend", f"The backend's Python cannot be started: {python}: {error.strerror}.",
                                 "Check the path in the preferences, or set the backend up again.") from error
        raise explain_os_error(error) or error from error
    mark = ProcessMark(process.pid, start_mark(process.pid) or "")
    try:
        paths.write_json_atomically(folder / paths.PID, asdict(mark))
    except OSError as error:
        # Without its mark nobody could find or stop it again.
        kill(mark)
        process.wait()
        raise explain_os_error(error) or error from error
    return process


def scrubbed_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to Blender and its Python."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_SCRUBBED_PREFIXES)}


def read_mark(folder: Path) -> ProcessMark | None:
    """Return who runs, or ran, the job; None if it was never started."""
    try:
        fields = json.loads((folder / paths.PID).read_text("utf-8"))
        return ProcessMark(int(fields["pid"]), str(fields["started"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise GazeSplatError("bad-job", f"{paths.PID} in {folder.name} cannot be read.",
                             "Start the reconstruction again.") from error


def is_running(mark: ProcessMark) -> bool:
    """Return True while the very process of the mark lives."""
    return mark.started != "" and start_mark(mark.pid) == mark.started


def interrupt(mark: ProcessMark) -> None:
    """Ask the process to stop, by the signal of Ctrl-C.

    On Windows the backend has a console of its own, which Ctrl-Break from here may not reach: then
    the grace period passes and ``kill`` follows.
    """
    if not is_running(mark):
        return
    try:
        if sys.platform == "win32":
            os.kill(mark.pid, signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(mark.pid, signal.SIGINT)
    except OSError as error:
        _log.info("process %d could not be interrupted: %s", mark.pid, error)


def kill(mark: ProcessMark) -> None:
    """End the process and everything it started, at once."""
    if not is_running(mark):
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(mark.pid)], capture_output=True, check=False,
                       creationflags=subprocess.CREATE_NO_WINDOW)
        return
    try:
        os.killpg(mark.pid, signal.SIGKILL)
    except ProcessLookupError:
        _log.info("process %d had ended already", mark.pid)
