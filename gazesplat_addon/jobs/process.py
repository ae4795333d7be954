# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the backend, recognises it again after Blender restarts, and ends it with all its children."""
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ...backend.contract import paths, plain_json
from ...backend.contract.errors import GazeSplatError
from ...backend.contract.process_identity import ProcessMark, start_mark
from ...backend.contract.refusals import explain_os_error

BACKEND = Path(__file__).resolve().parents[2] / "backend"

_log = logging.getLogger(__name__)

# Blender's own Python and OpenColorIO settings, or a virtual environment it was started from, would
# lead another Python astray.
_NO_PID = 1 << 32      # Windows counts to here, others less far
_SCRUBBED_PREFIXES = ("PYTHON", "BLENDER", "VIRTUAL_ENV", "CONDA", "__PYVENV", "OCIO")


def start(python: Path, folder: Path) -> tuple[subprocess.Popen, ProcessMark]:
    """Start the backend on a job folder, write ``pid.json`` and return the process and its mark.

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
    return process, mark


def scrubbed_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to Blender and its Python."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_SCRUBBED_PREFIXES)}


def read_mark(folder: Path) -> ProcessMark | None:
    """Return who runs, or ran, the job; None if it was never started."""
    try:
        fields = plain_json.read(folder / paths.PID)
        pid, started = fields["pid"], fields["started"]
        if not (isinstance(pid, int) and 0 <= pid < _NO_PID and isinstance(started, str)):
            raise ValueError("it names no process")
        return ProcessMark(pid, started)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
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


def end_remains(mark: ProcessMark) -> None:
    """End what a process that has just been seen to die left running: its group outlives it.

    Only for a process that this program has seen alive: much later the number may lead another group. On Windows
    children are found through their parent, so there is nothing to be found any more.
    """
    if sys.platform != "win32" and mark.pid > 1 and start_mark(mark.pid) is None:
        _kill_group(mark.pid)


def kill(mark: ProcessMark) -> None:
    """End the process and everything it started, at once."""
    if not is_running(mark):
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(mark.pid)], capture_output=True, check=False,
                       creationflags=subprocess.CREATE_NO_WINDOW)
        return
    _kill_group(mark.pid)


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError) as error:
        _log.info("the group of process %d was not ended: %s", leader, error)
