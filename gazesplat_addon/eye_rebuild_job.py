# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's eyes on their way to being built again: what ``portrait.rebuild_eyes(wait=False)`` returns."""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import bpy

from ..backend.contract import result
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.refusals import explain_os_error
from . import preferences
from .jobs import environment, registry
from .jobs.folder import create_job
from .jobs.state import CANCELLED, DONE, Job
from .portrait import Portrait
from .reconstruction import Reconstruction
from .rig import eye_marks
from .scene import eye_guides


class EyeRebuildJob(Reconstruction):
    """One rebuild; the panel shows it as it shows a reconstruction. Its "result" is the same portrait, with the new eyes."""

    def __init__(self, job: Job, portrait: Portrait) -> None:
        super().__init__(job)
        self._rebuilt = portrait
        self._imported = False

    @property
    def photo_name(self) -> str:
        """What the panel calls it."""
        return f"{self._rebuilt.name}: eyes" if self._rebuilt.alive else "Eyes"

    @property
    def imported(self) -> bool:
        """True once the portrait has the new eyes."""
        return self._imported

    def import_result(self, *, name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
        """Put the new files in the portrait's folder, show them, remove what was drawn and the job's folder. Raises like ``result``."""
        if self._imported:
            return self._rebuilt
        if self.state == CANCELLED:
            raise GazeSplatError("cancelled", f"The eyes of {self._rebuilt.name} were not built: it was cancelled.",
                                 "Start it again when you like.")
        if self.state != DONE:
            raise self.error or GazeSplatError("not-finished", f"The eyes of {self._rebuilt.name} are {self.state}.",
                                               "Start it again, or wait for it: job.wait().")
        replace_files(self._job.result_folder, self._rebuilt.folder)
        eye_guides.hide(self._rebuilt.root)
        self._rebuilt.reload()
        self._imported = True
        registry.remove(self._job)
        return self._rebuilt


def rebuild(portrait: Portrait, marks: Mapping | None, *, wait: bool) -> Portrait | EyeRebuildJob:
    """Start a rebuild, and wait for it where asked to; see ``Correction.rebuild_eyes``."""
    folder = portrait.folder
    found = eye_marks.load_marks(folder).marks
    if marks is None:
        drawn = eye_guides.read(portrait.root)
        marks = {side: one.as_lists() for side, one in drawn.items()}
    marks = {side: one.as_lists() for side, one in eye_marks.completed(marks, found).items()}
    python = environment.find_backend_python(preferences.backend_places())
    options = {"eyes": marks, "linear_refit": (folder / result.LINEAR).is_file()}
    job = EyeRebuildJob(Job(create_job(preferences.jobs_folder(), result.EYES, folder / result.PHOTO, options=options,
                                       versions={"blender": bpy.app.version_string})), portrait)
    job.start(python)
    if not wait:
        return job
    try:
        job.wait(tell=print)
    except KeyboardInterrupt:
        job.cancel()
        job.wait()
    return job.result()


def replace_files(made: Path, folder: Path) -> None:
    """Copy a result over a portrait's files: all are copied before the first is replaced."""
    parts = []
    try:
        for path in sorted(made.iterdir()):
            parts.append(folder / f"{path.name}.part")
            shutil.copyfile(path, parts[-1])
        for part in parts:
            part.replace(part.with_suffix(""))
    except OSError as error:
        for part in parts:
            part.unlink(missing_ok=True)
        raise explain_os_error(error, place_chosen=True) or error from error
