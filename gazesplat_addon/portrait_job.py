# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of the backend on a portrait that is in the scene: a refit, other eyes, a filmed performance.

It waits for its turn, is shown, cancelled and found again like a reconstruction. Which portrait it is for lies in the job's folder, so
that another Blender, or the same one after a crash, can finish it.
"""
from __future__ import annotations

import shutil
from pathlib import Path

import bpy

from ..backend.contract import paths, plain_json
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.refusals import explain_os_error
from . import preferences
from .jobs import environment, registry
from .jobs.folder import create_job
from .jobs.state import Job
from .portrait import Portrait
from .reconstruction import Reconstruction
from .scene import store

# In the job's folder: name and folder of the portrait, and what its result is to be brought in with.
FOR = "portrait.json"


class PortraitJob(Reconstruction):
    """One piece of work; its "result" is the same portrait, changed. A kind of it says what it is called and how it is brought in."""

    kind = ""
    label = ""

    def __init__(self, job: Job, portrait: Portrait | None = None) -> None:
        super().__init__(job)
        self._for = _read(job.folder)
        self._worked_on = portrait
        self._outcome: object | None = None

    @classmethod
    def create(cls, portrait: Portrait, source: Path, *, wait: bool, queue: bool, quality: str = "standard", options: dict | None = None,
               settings: dict | None = None) -> PortraitJob:
        """Make the job for a portrait and start it, unless it is to wait for its turn; with ``wait`` its result is brought in.

        ``options`` are the backend's, ``settings`` what ``_bring_in`` gets. Raises GazeSplatError as ``Reconstruction.result`` does.
        """
        python = environment.find_backend_python(preferences.backend_places())
        folder = create_job(preferences.jobs_folder(), cls.kind, source, quality=quality, options=options,
                            versions={"blender": bpy.app.version_string})
        try:
            paths.write_json_atomically(folder / FOR, {"name": portrait.name, "folder": str(portrait.folder), "settings": settings or {}})
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise explain_os_error(error, place_chosen=True) or error from error
        job = cls(Job(folder), portrait)
        if wait or not queue:
            job.start(python)
        if wait:
            job.wait_and_tell()
            job.result()
        return job

    @property
    def photo_name(self) -> str:
        """What the panel calls it."""
        known = self._worked_on is not None and self._worked_on.alive
        return f"{self._worked_on.name if known else self._for['name']}: {self.label}"

    @property
    def imported(self) -> bool:
        """True once the portrait has what was made."""
        return self._outcome is not None

    def import_result(self, *, name: str | None = None, scene: bpy.types.Scene | None = None) -> Portrait:
        """Give the portrait what was made and return it; the job's folder goes. Raises like ``result``, and ``portrait-gone``."""
        if self._outcome is None:
            self.require_done()
            portrait = self._portrait_meant()
            self._outcome = self._bring_in(portrait, self._job.result_folder, **self._for["settings"])
            registry.remove(self._job)
        return self._worked_on

    def dismiss(self) -> None:
        """Nobody wants it any more: it goes, with what was made."""
        self.remove()

    def _bring_in(self, portrait: Portrait, made: Path, **settings: object) -> object:
        """Change the portrait by the files in ``made`` and return what is worth knowing about it."""
        raise NotImplementedError

    def _portrait_meant(self) -> Portrait:
        """Return the portrait, in a file that was opened again the one with the same files (of several, the one of that name)."""
        if self._worked_on is None or not self._worked_on.alive:
            same = [Portrait(root) for root in bpy.data.objects if store.is_root(root) and root.library is None]
            same = [one for one in same if one.rigged and str(one.folder) == self._for["folder"]]
            same.sort(key=lambda one: one.name != self._for["name"])
            if not same:
                raise GazeSplatError("portrait-gone", f"{self._for['name']}, whom this was made for, is not in this file.",
                                     "Open the file with this portrait, and import there.")
            self._worked_on = same[0]
        return self._worked_on


def _read(folder: Path) -> dict:
    """Return what the job's folder says about its portrait; GazeSplatError ``bad-job``."""
    try:
        fields = plain_json.read(folder / FOR)
        return {"name": str(fields["name"]), "folder": str(fields["folder"]), "settings": dict(fields["settings"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GazeSplatError("bad-job", f"{FOR} in {folder.name} cannot be read.", "Start it again.") from error
