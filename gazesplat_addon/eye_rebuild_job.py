# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's eyes on their way to being built again: what ``portrait.rebuild_eyes(wait=False)`` returns."""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ..backend.contract import result
from ..backend.contract.refusals import explain_os_error
from .portrait import Portrait
from .portrait_job import PortraitJob
from .rig import eye_marks
from .scene import eye_guides


class EyeRebuildJob(PortraitJob):
    """One rebuild: the new files come into the portrait's folder, what was drawn goes."""

    kind, label = result.EYES, "eyes"

    def _bring_in(self, portrait: Portrait, made: Path) -> Portrait:
        replace_files(made, portrait.folder)
        eye_guides.hide(portrait.root)
        portrait.reload()
        return portrait


def rebuild(portrait: Portrait, marks: Mapping | None, *, wait: bool, queue: bool) -> Portrait | EyeRebuildJob:
    """Start a rebuild, and wait for it where asked to; see ``Correction.rebuild_eyes``."""
    folder = portrait.folder
    found = eye_marks.load_marks(folder).marks
    if marks is None:
        drawn = eye_guides.read(portrait.root)
        marks = {side: one.as_lists() for side, one in drawn.items()}
    marks = {side: one.as_lists() for side, one in eye_marks.completed(marks, found).items()}
    options = {"eyes": marks, "linear_refit": (folder / result.LINEAR).is_file()}
    job = EyeRebuildJob.create(portrait, folder / result.PHOTO, wait=wait, queue=queue, options=options)
    return portrait if wait else job


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
