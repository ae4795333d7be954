# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes job folders: a dated name, a copy of the input, ``job.json`` last."""
from __future__ import annotations

import secrets
import shutil
from datetime import datetime
from pathlib import Path

from ...backend.contract.errors import GazeSplatError
from ...backend.contract.inputs import copy_input, copy_portrait, copy_splats
from ...backend.contract.job import JobSpec, write_job
from ...backend.contract.refusals import explain_os_error
from ...backend.contract.result import EYES, REFIT
from ...backend.contract.versions import extension_version

_TRIES = 8


def create_job(jobs_folder: Path, kind: str, source: Path | None = None, *, quality: str = "standard",
               device: str = "auto", seed: int = 0, options: dict | None = None, versions: dict | None = None,
               photo: Path | None = None) -> Path:
    """Make a job folder inside ``jobs_folder`` and return it; the job is not started.

    ``source`` is the artist's file, which is copied and never touched. ``versions`` adds to the
    extension's own version; ``photo`` is copied too, and becomes the option of that name. Raises
    GazeSplatError when the input cannot be read or the folder cannot be written; nothing is left
    behind then.
    """
    folder = _make_folder(Path(jobs_folder), kind)
    try:
        copy = {REFIT: copy_splats, EYES: copy_portrait}.get(kind, copy_input)
        relative = copy(Path(source), folder) if source is not None else ""
        spec = JobSpec(id=folder.name, kind=kind, input=relative, quality=quality, device=device, seed=seed,
                       options=(options or {}) | ({"photo": copy_input(photo, folder)} if photo is not None else {}),
                       versions={"gazesplat": extension_version(), **(versions or {})})
        write_job(folder, spec)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise explain_os_error(error, place_chosen=True) or error from error
    except GazeSplatError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _make_folder(jobs_folder: Path, kind: str) -> Path:
    """Make and return a folder such as ``20261121-014500-selfie-7f3a``: sorted by name is sorted by time."""
    try:
        jobs_folder.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(_TRIES)):
            folder = jobs_folder / f"{datetime.now():%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}"
            try:
                folder.mkdir()
                break
            except FileExistsError:     # by chance, or of a day on which the clock stood wrong
                if not left:
                    raise
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
    return folder.resolve()
