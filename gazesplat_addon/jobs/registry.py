# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in a jobs folder: what runs, what is finished and not yet imported, what may be thrown away."""
from __future__ import annotations

import logging
import shutil
from pathlib import Path

from ...backend.contract import paths
from ...backend.contract.errors import GazeSplatError
from ...backend.contract.refusals import explain_os_error
from .state import CLAIMED, DONE, ENDED, QUEUED, RUNNING, Job

# Left in a job folder by the add-on once its portrait is in a scene.
_IMPORTED = "imported"

_log = logging.getLogger(__name__)


def list_jobs(jobs_folder: Path) -> list[Job]:
    """Return the jobs in the folder, oldest first.

    Folders that are no jobs are passed over; one that cannot be read (damaged, somebody else's, or of a newer
    GazeSplat) is passed over with a line in the log. GazeSplatError ``no-permission`` for a jobs folder that may not be read.
    """
    try:
        folders = sorted(Path(jobs_folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise explain_os_error(error) or GazeSplatError("bad-folder", f"The jobs folder {jobs_folder} cannot be read: {error.strerror}.",
                                                        "Plug its drive in, or choose another.") from error
    found = []
    for folder in folders:
        if not paths.exists(folder / paths.JOB):
            continue
        try:
            found.append(Job(folder))
        except GazeSplatError as error:
            _log.warning("the job %s is passed over: %s", folder.name, error)
    return found


def mark_imported(job: Job) -> None:
    """Remember that the job's portrait is in a scene, or not wanted; in a folder that may not be written to, only while Blender runs."""
    job.imported = True
    try:
        (job.folder / _IMPORTED).touch()
    except OSError as error:
        _log.warning("the job %s cannot be marked as imported: %s", job.folder.name, error)


def mark_waiting(job: Job) -> None:
    """Take ``mark_imported`` back: the portrait left its scene by an undo."""
    job.imported = False
    try:
        (job.folder / _IMPORTED).unlink(missing_ok=True)
    except OSError as error:
        _log.warning("the job %s stays marked as imported: %s", job.folder.name, error)


def running(jobs: list[Job]) -> list[Job]:
    """Return the jobs whose backend still works: attach to these after Blender restarts."""
    return [job for job in jobs if job.state == RUNNING]


def waiting_for_import(jobs: list[Job]) -> list[Job]:
    """Return the finished jobs whose portrait nobody has imported."""
    return [job for job in jobs if job.state == DONE and not (job.imported or paths.exists(job.folder / _IMPORTED))]


def stale(jobs: list[Job]) -> list[Job]:
    """Return the jobs that lead nowhere any more: failed, cancelled, crashed, or never started."""
    return [job for job in jobs if job.state == QUEUED or (job.state in ENDED and job.state != DONE)]


def reset(job: Job) -> Job:
    """Let a job that failed, crashed or was cancelled wait for another start, and return it; what it can resume from stays.

    What it said before is kept beside its new events. Raises GazeSplatError ``job-already-run`` for any other job, ``no-permission``,
    ``bad-folder``.
    """
    if job.state not in ENDED - {DONE}:
        raise GazeSplatError("job-already-run", f"The job {job.folder.name} is {job.state}.",
                             "Only what came to nothing can be tried again.")
    try:
        events = job.folder / paths.EVENTS
        if events.exists():
            earlier = sum(1 for _ in job.folder.glob(f"{events.stem}-*{events.suffix}"))
            events.replace(events.with_stem(f"{events.stem}-{earlier + 1}"))
        # In an order in which a kill in between leaves a job that can be tried again.
        for name in (paths.CANCEL, CLAIMED, paths.PID):
            (job.folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
    return Job(job.folder)


def remove(job: Job) -> None:
    """Delete a job's folder; GazeSplatError ``job-running`` while its backend works."""
    if job.state == RUNNING:
        raise GazeSplatError("job-running", f"The job {job.folder.name} is still running.", "Cancel it first.")
    try:
        shutil.rmtree(job.folder)
    except FileNotFoundError:
        _log.info("the job %s was gone already", job.folder.name)
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
