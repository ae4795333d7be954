# SPDX-License-Identifier: GPL-3.0-or-later
"""One job's life as its folder tells it: queued, running, then done, failed, cancelled or crashed.

Nothing here waits or runs in a thread: ``poll`` is called by a timer, or by hand in background mode.
All that matters is in the folder, so that a job is found again after Blender restarts.
"""
from __future__ import annotations

import logging
import shutil
import subprocess
import time
from pathlib import Path

from ...backend.contract import paths, result
from ...backend.contract.errors import GazeSplatError
from ...backend.contract.events import TERMINAL, UNREADABLE
from ...backend.contract.job import JobSpec, read_job
from ...backend.contract.refusals import explain_os_error
from . import process
from .tail import EventTail, log_tail

QUEUED, RUNNING, DONE, FAILED, CANCELLED, CRASHED = "queued", "running", "done", "failed", "cancelled", "crashed"
ENDED = frozenset({DONE, FAILED, CANCELLED, CRASHED})

# A stage answers the cancel file at its next report; signals follow only if it does not.
INTERRUPT_AFTER_S = 1.5
KILL_AFTER_S = 4.0

# Made in a job's folder by whoever starts it. A Blender that has claimed a job and not started it for so long is gone.
CLAIMED = "claimed"
CLAIM_HOLDS_S = 10.0
# A clock that goes back, or on by more than this between two events, has been set.
_LONGEST_SILENCE_S = 600.0
# As many warnings as anybody reads; a damaged file of events has a million.
_MOST_WARNINGS = 100
# Before this much is done, and this much time has passed, the time left is a guess.
LEAST_DONE, LEAST_SPENT_S = 0.05, 2.0

# Bytes; with less than this, a terminal event and a log may not have found room.
_SPACE_FOR_LAST_WORDS = 65_536

_NOBODY = process.ProcessMark(0, "")
_log = logging.getLogger(__name__)


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
    seconds_spent how long it had worked when it last told how far it is
    seconds_left  how long the rest takes if it goes on like this, None while that cannot be told
    error       a GazeSplatError once the state is failed or crashed
    summary     the fields of the ``done`` event
    imported    True once this program has brought the result into a scene
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
        self.seconds_spent = 0.0
        self.seconds_left: float | None = None
        self._began_at: float | None = None
        self._told_at: float | None = None
        self.error: GazeSplatError | None = None
        self.summary: dict = {}
        self.imported = False
        self._tail = EventTail(self.folder)
        self._process: subprocess.Popen | None = None
        self._mark: process.ProcessMark | None = None
        self._seen_alive = False
        self._claim_seen_at: float | None = None
        self._cancel_asked = False
        self._interrupt_at = self._kill_at = float("inf")
        self.poll()

    @property
    def result_folder(self) -> Path:
        """Where the portrait is once the state is done."""
        return self.folder / paths.RESULT

    @property
    def cancel_requested(self) -> bool:
        """True once somebody has asked the job to stop."""
        return self._cancel_asked or paths.exists(self.folder / paths.CANCEL)

    def start(self, python: Path) -> None:
        """Start the backend with its Python; GazeSplatError ``job-already-run`` unless queued.

        Where another Blender was faster this one follows: ``poll`` tells what happens there.
        """
        if self.state != QUEUED:
            raise GazeSplatError("job-already-run", f"The job {self.folder.name} was started before.",
                                 "Start a new reconstruction.")
        if self._claim():
            self._process, self._mark = process.start(Path(python), self.folder)
            self.state = RUNNING

    def _claim(self) -> bool:
        """Take the job and return whether it is ours: of two Blenders that watch one queue, one gets it."""
        try:
            (self.folder / CLAIMED).touch(exist_ok=False)
        except FileExistsError:
            now = time.monotonic()
            self._claim_seen_at = self._claim_seen_at or now
            # Whoever claimed it may have died before it began. If it lives and is slow, the backend itself sees to it
            # that only one works: events.jsonl is made once.
            return now - self._claim_seen_at > CLAIM_HOLDS_S
        except OSError as error:
            raise explain_os_error(error, place_chosen=True) or error from error
        return True

    def _follow(self) -> None:
        """Take note of the process that works, whoever started it; nothing before there is one."""
        try:
            mark = process.read_mark(self.folder)
        except GazeSplatError as error:
            _log.warning("%s", error)
            mark = _NOBODY
        if mark is not None:
            # A copied or renamed folder says who works on the original.
            self._mark = mark if self.spec.id == self.folder.name else _NOBODY
            self.state = RUNNING
            if self.cancel_requested:
                self._set_deadlines()
        elif self.cancel_requested:
            self.state = CANCELLED

    def refuse(self, error: GazeSplatError) -> None:
        """Let a queued job end because it cannot be started."""
        if self.state == QUEUED:
            self.error, self.state = error, FAILED

    def cancel(self) -> None:
        """Ask the job to stop; ``poll`` sees to it that it does, in the end by force."""
        if self.state in ENDED:
            return
        self._cancel_asked = True
        self._set_deadlines()
        try:
            (self.folder / paths.CANCEL).touch()
        except OSError as error:    # then only signals can tell the backend
            _log.warning("the job %s is stopped by force: %s", self.folder.name, error)
            self._interrupt_at = 0.0
        if self.state == QUEUED:
            self.state = CANCELLED

    def poll(self) -> list[dict]:
        """Take in what the backend has said since the last call and return those events."""
        if self.state == QUEUED:
            self._follow()
        if self.state != RUNNING:
            return []
        # Look at the process first: what it wrote before it ended is then complete in the file.
        running = self._is_running()
        self._seen_alive |= running
        new = self._news(whole=not running)
        if self.state == RUNNING and not running:
            self._end_without_a_word()
        elif self.state == RUNNING:
            self._press()
        return new

    def _news(self, *, whole: bool) -> list[dict]:
        """Take in the next events, or all there are, up to the one that ends the job."""
        new: list[dict] = []
        try:
            while self.state == RUNNING and (some := self._tail.read()):
                new += some
                for event in some:
                    self._take(event)
                if not whole:
                    break
        except GazeSplatError as error:     # written by a newer GazeSplat
            self.error, self.state = error, FAILED
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
        if self.state in ENDED:
            return
        if kind == "stage":
            self.stage, self.text = str(event["name"]), ""
        elif kind == "progress":
            self.fraction, self.text = min(max(float(event["fraction"]), 0.0), 1.0), str(event.get("text", ""))
            self._estimate(float(event["t"]))
        elif kind == "hello":
            self._began_at = self._told_at = float(event["t"])
        elif kind == "warning":
            if len(self.warnings) < _MOST_WARNINGS and not (event == UNREADABLE and event in self.warnings):
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
        """Reckon the time spent and left from the clock of the backend's own events; where that was set, the gap counts as nothing."""
        if self._began_at is not None and not 0.0 <= now - self._told_at <= _LONGEST_SILENCE_S:
            self._began_at += now - self._told_at
        self._told_at = now
        self.seconds_spent = now - self._began_at if self._began_at is not None else 0.0
        told = self.seconds_spent >= LEAST_SPENT_S and self.fraction >= LEAST_DONE
        self.seconds_left = self.seconds_spent * (1.0 - self.fraction) / self.fraction if told else None

    def _end_without_a_word(self) -> None:
        """The process is gone and left no terminal event: it was killed on request, or it crashed."""
        if self._seen_alive:
            process.end_remains(self._mark)
        if paths.exists(self.result_folder) and not result.missing_files(self.result_folder, self.spec.kind):
            self.fraction, self.state = 1.0, DONE     # killed after all was done, before it could say so
            return
        if self.cancel_requested:
            self.state = CANCELLED
            return
        self.error = self._explain_crash()
        self.state = CRASHED

    def _explain_crash(self) -> GazeSplatError:
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError:
            return GazeSplatError("folder-gone", f"The job's folder is gone: {self.folder}.",
                                  "If it is on a drive that was unplugged, plug it in and start Blender again: the job is found as it is. "
                                  "Otherwise start the reconstruction again.")
        if free < _SPACE_FOR_LAST_WORDS:
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
