# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stage sees of its job: where to read and write, and whom to tell.

Stages need no checks for cancelling: every report raises ``Cancelled`` once the artist asks to stop.
"""
from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from .contract import paths
from .contract.errors import GazeSplatError
from .contract.events import Writer
from .contract.job import JobSpec

# Progress is for eyes: more than this many reports a second only make the file longer.
_REPORTS_PER_SECOND = 20.0


class Cancelled(BaseException):
    """The artist asked to stop. No ``Exception``, so that no library's handler can swallow it."""


@dataclass
class JobContext:
    """One running job; ``spec`` is what was asked, ``folder`` the job folder, ``work`` where to resume from if not in there."""

    folder: Path
    spec: JobSpec
    writer: Writer
    stage_seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)
    work: Path | None = None
    _stage: str = ""
    _stage_share: float = 0.0
    _shares_before: float = 0.0
    _stage_started: float = 0.0
    _reported: float = 0.0

    @property
    def input_path(self) -> Path:
        """The job's own copy of the artist's file."""
        return self.folder / self.spec.input

    @property
    def work_folder(self) -> Path:
        """Where a stage may keep what it can resume from; removed when the job succeeds."""
        folder = self.work or self.folder / paths.WORK
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def result_part_folder(self) -> Path:
        """Where the portrait's files are written; published by rename when the job succeeds."""
        return self.folder / paths.RESULT_PART

    def emit_stage(self, name: str, share: float) -> None:
        """Say that a stage begins, which is ``share`` (0..1) of the whole job's expected time."""
        self.end_stage()
        self._stage, self._stage_share, self._stage_started = name, share, time.monotonic()
        self._reported = 0.0
        self._stop_if(self.writer.emit("stage", name=name, share=share, index=len(self.stage_seconds)))

    def end_stage(self) -> None:
        """Close the current stage's clock; ``emit_stage`` and the end of the job call it."""
        if self._stage:
            spent = time.monotonic() - self._stage_started
            self.stage_seconds[self._stage] = round(self.stage_seconds.get(self._stage, 0.0) + spent, 3)
            self._shares_before = min(1.0, self._shares_before + self._stage_share)
            self._stage = ""

    def progress(self, fraction: float, text: str = "") -> None:
        """Report how much of the current stage is done (0..1), with a short line for the artist."""
        now = time.monotonic()
        if fraction < 1.0 and now - self._reported < 1.0 / _REPORTS_PER_SECOND:
            self._stop_if(self.should_stop())
            return
        self._reported = now
        whole = self._shares_before + self._stage_share * min(max(fraction, 0.0), 1.0)
        self._stop_if(self.writer.emit("progress", stage=self._stage, fraction=round(min(whole, 1.0), 4), text=text))

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Tell the artist of something that was done, but may not be what they want."""
        self.warnings.append({"code": code, "message": message, "hint": hint})
        self._stop_if(self.writer.emit("warning", code=code, message=message, hint=hint))

    def preview(self, path: Path) -> None:
        """Point at a picture that shows the state so far; one outside the job folder is nobody's to show."""
        if path.is_relative_to(self.folder):
            self._stop_if(self.writer.emit("preview", path=path.relative_to(self.folder).as_posix()))

    def should_stop(self) -> bool:
        """Return True when the artist has asked to stop, for loops that report nothing."""
        return self.writer.should_stop()

    def _stop_if(self, stop: bool) -> None:
        if stop:
            raise Cancelled
        if not self.writer.folder_is_there():
            raise folder_gone(self.folder)


def folder_gone(folder: Path) -> GazeSplatError:
    """Return the error for a job whose folder has vanished under it."""
    return GazeSplatError("folder-gone", f"The job's folder is gone: {folder}.",
                          "It was moved, deleted, or lies on a drive that was unplugged. Start the reconstruction again.")
