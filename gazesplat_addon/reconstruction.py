# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo on its way to a portrait: what ``gs.reconstruct(..., wait=False)`` returns and the panel shows.

It joins the job in its folder, which knows no Blender, with the scene the portrait ends up in.
"""
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import bpy

from ..backend.contract import paths
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.inputs import kind_of
from . import preferences
from .jobs import environment, registry
from .jobs.folder import create_job
from .jobs.state import CANCELLED, DONE, ENDED, FAILED, QUEUED, RUNNING, Job
from .portrait import Portrait

POLL_INTERVAL_S = 0.1
# Failures that somebody can mend and then begin again.
_OF_THE_MACHINE = frozenset({"disk-full", "no-permission", "out-of-memory", "folder-gone", "extension-changed", "backend-incomplete",
                             "no-backend", "internal", "incomplete-result"})


class Reconstruction:
    """One reconstruction, for reading: everything is up to date after ``poll()``.

    Two handles on the same job may exist; the job's folder holds all that matters.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._portrait: Portrait | None = None
        self._root_uid: int | None = None

    def __repr__(self) -> str:
        return f"<Reconstruction {self.id!r} {self.state} {self.progress:.0%}>"

    def start(self, python: Path) -> None:
        """Start the backend with its Python."""
        self._job.start(python)

    @property
    def id(self) -> str:
        """The name of the job's folder."""
        return self._job.folder.name

    @property
    def folder(self) -> Path:
        """The job's folder: input, events, log and, once done, the result."""
        return self._job.folder

    @property
    def log(self) -> Path:
        """The text file with everything the backend said."""
        return self._job.folder / paths.LOG

    @property
    def photo_name(self) -> str:
        """The photo's file name without its ending."""
        return Path(self._job.spec.input).stem or self._job.spec.kind

    @property
    def state(self) -> str:
        """One of queued, running, done, failed, cancelled, crashed."""
        return self._job.state

    @property
    def ended(self) -> bool:
        """True when nothing more will happen by itself."""
        return self._job.state in ENDED

    @property
    def imported(self) -> bool:
        """True once the portrait has been brought into a scene, by this handle or another."""
        return self._job.state == DONE and self._job not in registry.waiting_for_import([self._job])

    @property
    def progress(self) -> float:
        """How much of the whole is done, 0..1."""
        return self._job.fraction

    @property
    def stage(self) -> str:
        """What the backend is at, in a few words; "" before the first stage."""
        return self._job.stage

    @property
    def text(self) -> str:
        """The backend's last short line."""
        return self._job.text

    @property
    def seconds_spent(self) -> float:
        """How long the backend had worked when it last told how far it is."""
        return self._job.seconds_spent

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if it goes on like this; None while that cannot be told."""
        return self._job.seconds_left if self._job.state == RUNNING else None

    @property
    def preview(self) -> Path | None:
        """A picture of how far it is, once there is one."""
        return self._job.preview

    @property
    def warnings(self) -> list[dict[str, str]]:
        """What the artist should know although it worked: ``code``, ``message`` and ``hint`` each."""
        return [{key: str(event.get(key, "")) for key in ("code", "message", "hint")} for event in self._job.warnings]

    @property
    def error(self) -> GazeSplatError | None:
        """Why it failed or crashed, else None."""
        return self._job.error

    @property
    def stopping(self) -> bool:
        """True between a request to stop and the end."""
        return self._job.cancel_requested and not self.ended

    @property
    def queued(self) -> bool:
        """True while it waits for its turn."""
        return self._job.state == QUEUED

    def begin(self) -> None:
        """Start a queued job; what prevents that becomes its ``error``."""
        try:
            self._job.start(environment.find_backend_python(preferences.backend_places()))
        except GazeSplatError as error:
            self._job.refuse(error)

    @property
    def can_retry(self) -> bool:
        """True for a job that came to nothing and may come to something: what failed because of its picture would fail again."""
        return self.ended and self.state != DONE and (self.state != FAILED or self.error.code in _OF_THE_MACHINE)

    def retry(self) -> None:
        """Let a job that failed, crashed or was cancelled wait for its turn again; raises as ``registry.reset`` does."""
        self._job = registry.reset(self._job)

    def poll(self) -> str:
        """Take in what the backend has said since the last call and return the state; never waits."""
        self._job.poll()
        return self._job.state

    def cancel(self) -> None:
        """Ask the backend to stop; it ends within seconds, by force if need be, while somebody polls."""
        self._job.cancel()

    def wait(self, *, timeout_s: float = float("inf"), tell: Callable[[str], None] | None = None) -> str:
        """Poll until it has ended or the time is up and return the state; ``tell`` gets a line for each news."""
        deadline = time.monotonic() + timeout_s
        told = Newsreader(self)
        while True:
            self.poll()
            for line in told.news() if tell is not None else ():
                tell(line)
            if self.state != RUNNING or time.monotonic() >= deadline:
                return self.state
            time.sleep(POLL_INTERVAL_S)

    def wait_and_tell(self) -> None:
        """Wait as a console does: every news is a line, and Ctrl-C cancels the job."""
        try:
            self.wait(tell=print)
        except KeyboardInterrupt:
            self.cancel()
            self.wait()

    def result(self, *, timeout_s: float = float("inf"), name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
        """Wait for the portrait, bring it into the scene and return it; a second call returns the same one.

        Raises GazeSplatError: what the backend failed with, ``crashed``, ``cancelled``, or ``not-finished``
        when the time is up.
        """
        if self._portrait is None:
            self.wait(timeout_s=timeout_s)
            self._portrait = self.import_result(name=name, scene=scene)
        return self._portrait

    def import_result(self, *, name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
        """Bring a finished portrait into the scene, once more on every call; raises like ``result``."""
        self.require_done()
        portrait = Portrait.load(self._job.result_folder, name=name or self.photo_name, scene=scene)
        self._root_uid = portrait.root.session_uid
        registry.mark_imported(self._job)
        return portrait

    @property
    def in_file(self) -> bool:
        """True while the portrait that this handle brought in last is in the open file: an undo may take it out, a redo bring it back."""
        return self._root_uid is not None and any(one.session_uid == self._root_uid for one in bpy.data.objects)

    def heed_undo(self, *, was_in_file: bool) -> None:
        """Offer the portrait again that an undo or redo has just taken out of the file, and no longer the one that it brought back."""
        if self.in_file:
            registry.mark_imported(self._job)
        elif was_in_file:
            registry.mark_waiting(self._job)

    def require_done(self) -> None:
        """Raise GazeSplatError unless it has succeeded: what it failed with, ``cancelled``, or ``not-finished``."""
        if self.error is not None:
            raise self.error
        if self.state == CANCELLED:
            raise GazeSplatError("cancelled", f"{self.photo_name} was cancelled.", "Start it again when you like.")
        if self.state != DONE:
            raise GazeSplatError("not-finished", f"{self.photo_name} is {self.state} ({self.progress:.0%}).", "Wait for it: job.wait().")

    def dismiss(self) -> None:
        """Nobody wants to see it any more: it goes, unless a finished portrait is in it, which is then offered no longer."""
        if self.state == DONE:
            registry.mark_imported(self._job)
        else:
            self.remove()

    def remove(self) -> None:
        """Delete the job's folder, the portrait's files in it too; GazeSplatError ``job-running`` while it runs."""
        registry.remove(self._job)


class Newsreader:
    """Turns the state of a reconstruction into lines for a console, each once: stages, tens of per cent, warnings."""

    def __init__(self, reconstruction: Reconstruction) -> None:
        self._of = reconstruction
        self._stage = ""
        self._tenth = 0
        self._warnings = 0

    def news(self) -> list[str]:
        """Return the lines that are new since the last call."""
        lines = []
        tenth = int(self._of.progress * 10)
        if self._of.stage != self._stage or tenth > self._tenth:
            self._stage, self._tenth = self._of.stage, tenth
            lines.append(f"{self._of.progress:4.0%}  {self._of.stage}".rstrip())
        for warning in self._of.warnings[self._warnings:]:
            lines.append(f"Warning: {warning['message']} {warning['hint']}".rstrip())
        self._warnings = len(self._of.warnings)
        return lines


def start(photo: Path, *, kind: str | None = None, quality: str, device: str = "auto", seed: int, options: dict,
          queue: bool = False, view: Path | None = None) -> Reconstruction:
    """Start the backend on a copy of a photo or video and return at once; ``kind`` None goes by the file.

    ``view`` is the picture that a job of the kind "graft" takes beside its splats.

    With ``queue`` the job is only made: whoever watches it starts it when its turn has come.

    Raises GazeSplatError when there is no backend, the photo cannot be copied or the job cannot be written.
    """
    python = environment.find_backend_python(preferences.backend_places())
    folder = create_job(preferences.jobs_folder(), kind or kind_of(photo), photo, quality=quality, device=device, seed=seed,
                        options=options, versions={"blender": bpy.app.version_string}, photo=view)
    reconstruction = Reconstruction(Job(folder))
    if not queue:
        reconstruction.start(python)
    return reconstruction
