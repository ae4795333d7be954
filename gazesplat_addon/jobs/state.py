# SPDX-License-Identifier: GPL-3.0-or-later
"""One job's life as its folder tells it: queued, running, then done, failed, cancelled or crashed.

Nothing here waits or runs in a thread: ``poll`` is called by a timer, or by hand in background mode.
All that matters is in the folder, so that a job is found again after Blender restarts.
"""
from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from ...backend.contract import paths
from ...backend.contract.errors import GazeSplatError
from ...backend.contract.events import TERMINAL
from ...backend.contract.job import JobSpec, read_job
from ...backend.contract.refusals import explain_os_error
from . import process
from .tail import EventTail, log_tail

QUEUED, RUNNING, DONE, FAILED, CANCELLED, CRASHED = "queued", "running", "done", "failed", "cancelled", "crashed"
ENDED = frozenset({DONE, FAILED, CANCELLED, CRASHED})

# A stage answers the cancel file at its next report; signals follow only if it does not.
INTERRUPT_AFTER_S = 1.5
KILL_AFTER_S = 4.0

# Made in a job's folder by whoever starts it.
CLAIMED = "claimed"
# Before this much is done, and this much time has passed, the time left is a guess.
LEAST_DONE, LEAST_SPENT_S = 0.05, 2.0

# Bytes; with less than this, a terminal event and a log may not have found room.
_SPACE_FOR_LAST_WORDS = 65_536


class Job:
    """A job folder being watched; creating one attaches to whatever state the folder is in.

    Attributes, all for reading, up to date after ``poll``:
    state       one of the constants above
    spec        what was asked
    stage       name of the current stage, "" before the first
    fraction    how much of the whole job is done, 0..1
    text        the backend's last short line
    warnings    the warning events so far
    preview     the latest preview picture, or None
    seconds_left  how long the rest takes if it goes on like this, None while that cannot be told
    error       a GazeSplatError once the state is failed or crashed
    summary     the fields of the ``done`` event
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).resolve()
        self.spec: JobSpec = read_job(self.folder)
        self.state = QUEUED
        self.stage = ""
        self.fraction = 0.0
        self.text = ""
        self.warnings: list[dict] = []
        self.preview: Path | None = None
        self.seconds_left: float | None = None
        self._began_at: float | None = None
        self.error: GazeSplatError | None = None
        self.summary: dict = {}
        self._tail = EventTail(self.folder)
        self._process: subprocess.Popen | None = None
        self._mark = process.read_mark(self.folder)
        self._interrupt_at = self._kill_at = float("inf")
        if self._mark is not None:
            self.state = RUNNING
            if self.cancel_requested:
                self._set_deadlines()
            self.poll()
        elif self.cancel_requested:
            self.state = CANCELLED

    @property
    def result_folder(self) -> Path:
        """Where the portrait is once the state is done."""
        return self.folder / paths.RESULT

    @property
    def cancel_requested(self) -> bool:
        """True once somebody has asked the job to stop."""
        return (self.folder / paths.CANCEL).exists()

    def start(self, python: Path) -> None:
        """Start the backend with its Python; GazeSplatError ``job-already-run`` unless queued."""
        if self.state != QUEUED:
            raise GazeSplatError("job-already-run", f"The job {self.folder.name} was started before.",
                                 "Start a new reconstruction.")
        self._claim()
        self._process = process.start(Path(python), self.folder)
        self._mark = process.read_mark(self.folder)
        self.state = RUNNING

    def _claim(self) -> None:
        """Take the job: of two Blenders that watch one queue, one gets it."""
        try:
            (self.folder / CLAIMED).touch(exist_ok=False)
        except FileExistsError as error:
            raise GazeSplatError("job-already-run", f"The job {self.folder.name} was started by another Blender.",
                                 "Start a new reconstruction.") from error
        except OSError as error:
            raise explain_os_error(error, place_chosen=True) or error from error

    def refuse(self, error: GazeSplatError) -> None:
        """Let a queued job end because it cannot be started."""
        if self.state == QUEUED:
            self.error, self.state = error, FAILED

    def cancel(self) -> None:
        """Ask the job to stop; ``poll`` sees to it that it does, in the end by force."""
        if self.state in ENDED:
            return
        (self.folder / paths.CANCEL).touch()
        self._set_deadlines()
        if self.state == QUEUED:
            self.state = CANCELLED

    def poll(self) -> list[dict]:
        """Take in what the backend has said since the last call and return those events."""
        if self.state != RUNNING:
            return []
        # Look at the process first: what it wrote before it ended is then complete in the file.
        running = self._is_running()
        new = self._tail.read()
        for event in new:
            self._take(event)
        if self.state == RUNNING and not running:
            self._end_without_a_word()
        elif self.state == RUNNING:
            self._press()
        return new

    def wait(self, timeout_s: float = float("inf"), interval_s: float = 0.1) -> str:
        """Poll until the job has ended, or the time is up, and return the state."""
        deadline = time.monotonic() + timeout_s
        self.poll()
        while self.state == RUNNING and time.monotonic() < deadline:
            time.sleep(interval_s)
            self.poll()
        return self.state

    def _is_running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return process.is_running(self._mark)

    def _take(self, event: dict) -> None:
        kind = event["type"]
        if kind == "stage":
            self.stage, self.text = str(event["name"]), ""
        elif kind == "progress":
            self.fraction, self.text = float(event["fraction"]), str(event.get("text", ""))
            self._estimate(float(event["t"]))
        elif kind == "hello":
            self._began_at = float(event["t"])
        elif kind == "warning":
            self.warnings.append(event)
        elif kind == "preview":
            self.preview = self.folder / event["path"]
        elif kind == "failed":
            self.error = GazeSplatError.from_dict(event)
        elif kind == "done":
            self.summary, self.fraction = event, 1.0
        if kind in TERMINAL:
            self.state = {"done": DONE, "failed": FAILED, "cancelled": CANCELLED}[kind]

    def _estimate(self, now: float) -> None:
        """Reckon the time left from the clock of the backend's own events, which may jump: then nothing is said."""
        spent = now - self._began_at if self._began_at is not None else 0.0
        told = spent >= LEAST_SPENT_S and self.fraction >= LEAST_DONE
        self.seconds_left = spent * (1.0 - self.fraction) / self.fraction if told else None

    def _end_without_a_word(self) -> None:
        """The process is gone and left no terminal event: it was killed on request, or it crashed."""
        if self.cancel_requested:
            self.state = CANCELLED
            return
        self.error = self._explain_crash()
        self.state = CRASHED

    def _explain_crash(self) -> GazeSplatError:
        if shutil.disk_usage(self.folder).free < _SPACE_FOR_LAST_WORDS:
            return GazeSplatError("disk-full", "The disk is full: the backend could not even write its last words.",
                                  "Free some space, then start the reconstruction again.")
        last_words = log_tail(self.folder)
        code = self._process.returncode if self._process is not None else None
        how = f" (exit code {code})" if code is not None else ""
        return GazeSplatError("crashed", f"The backend stopped without a word{how}.",
                              f"The end of {self.folder / paths.LOG}:\n{last_words}" if last_words
                              else "It left no log: run the doctor in the preferences.")

    def _set_deadlines(self) -> None:
        now = time.monotonic()
        self._interrupt_at, self._kill_at = now + INTERRUPT_AFTER_S, now + KILL_AFTER_S

    def _press(self) -> None:
        """After a request to stop: interrupt when its time has come, then kill."""
        now = time.monotonic()
        if now >= self._kill_at:
            process.kill(self._mark)
            self._kill_at = now + KILL_AFTER_S
        elif now >= self._interrupt_at:
            process.interrupt(self._mark)
            self._interrupt_at = float("inf")
