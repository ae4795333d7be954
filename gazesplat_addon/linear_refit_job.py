# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait that is in the scene gets colours for linear light: what ``portrait.refit_linear(wait=False)`` returns."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import bpy

from ..backend.contract import result
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.job import QUALITIES
from ..backend.contract.refusals import explain_os_error
from . import preferences
from .jobs import environment, registry
from .jobs.folder import create_job
from .jobs.state import CANCELLED, DONE, Job
from .portrait import Portrait
from .reconstruction import Reconstruction
from .scene import store
from .splat.linear_refit import path_beside

Figures = dict[str, dict[str, float]]


class LinearRefitJob(Reconstruction):
    """One refit; the panel shows it as it shows a reconstruction. Its "result" is the same portrait, with the new colours."""

    def __init__(self, job: Job, portrait: Portrait) -> None:
        super().__init__(job)
        self._refitted = portrait
        self._figures: Figures | None = None

    @property
    def photo_name(self) -> str:
        """What the panel calls it."""
        return f"{self._refitted.name}: linear light" if self._refitted.alive else "Linear light"

    @property
    def imported(self) -> bool:
        """True once the portrait has the new colours."""
        return self._figures is not None

    @property
    def figures(self) -> Figures | None:
        """Likeness to the exact picture before and after, in views that were not fitted; None until ``result()``."""
        return self._figures

    def import_result(self, *, name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
        """Put the new colours beside the portrait's files and show them; the job's folder goes. Raises like ``result``."""
        if self._figures is not None:
            return self._refitted
        if self.state == CANCELLED:
            raise GazeSplatError("cancelled", f"The refit of {self._refitted.name} was cancelled.", "Start it again when you like.")
        if self.state != DONE:
            raise self.error or GazeSplatError("not-finished", f"The refit of {self._refitted.name} is {self.state}.",
                                               "Start it again, or wait for it: job.wait().")
        made = self._job.result_folder
        figures = json.loads((made / result.METRICS).read_text("utf-8"))["linear"]
        target = path_beside(_ply_of(self._refitted))
        part = target.with_name(target.name + ".part")
        try:
            shutil.copyfile(made / result.LINEAR, part)
            part.replace(target)
        except OSError as error:
            raise explain_os_error(error, place_chosen=True) or error from error
        self._refitted.reload()
        self._figures = figures
        registry.remove(self._job)
        return self._refitted


def refit(portrait: Portrait, *, wait: bool, quality: str) -> Figures | LinearRefitJob:
    """Start a refit, and wait for it where asked to; see ``Portrait.refit_linear``."""
    if quality not in QUALITIES:
        raise GazeSplatError("bad-value", f"There is no quality {quality!r}.", f"Choose one of {', '.join(QUALITIES)}.")
    python = environment.find_backend_python(preferences.backend_places())
    folder = create_job(preferences.jobs_folder(), result.REFIT, _ply_of(portrait), quality=quality,
                        versions={"blender": bpy.app.version_string})
    job = LinearRefitJob(Job(folder), portrait)
    job.start(python)
    if not wait:
        return job
    try:
        job.wait(tell=print)
    except KeyboardInterrupt:
        job.cancel()
        job.wait()
    job.result()
    return job.figures


def _ply_of(portrait: Portrait) -> Path:
    return portrait.folder / portrait.root[store.ROOT_KEY]["file"]
