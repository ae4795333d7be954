# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps an eye on running reconstructions while the artist works: a timer polls them and redraws the sidebar.

In background mode nothing runs by itself: there, whoever started a job calls ``poll``.
"""
from __future__ import annotations

import logging
from collections.abc import Callable

import bpy

from ..backend.contract.errors import GazeSplatError
from . import backend_setup, known_jobs, reconstruction
from .reconstruction import Reconstruction

POLL_EVERY_S = 0.25
# After start-up, so that looking through the jobs folder delays nothing.
ATTACH_AFTER_S = 0.5
_MOST_LOST = 3

_log = logging.getLogger(__name__)

_watched: dict[str, Reconstruction] = {}
_when_done: dict[str, Callable[[str], None]] = {}
# The jobs whose portrait was in the file before the undo or redo that is under way.
_were_in_file: set[str] = set()


def watch(job: Reconstruction, when_done: Callable[[str], None] | None = None) -> None:
    """Show a reconstruction in the panel; ``when_done`` is called once with its id when it has succeeded."""
    _watched[job.id] = job
    if when_done is not None:
        _when_done[job.id] = when_done
    if job.queued:
        _start_next()
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=POLL_EVERY_S, persistent=True)


def watched() -> list[Reconstruction]:
    """Return what the panel shows, oldest first: running, failed, not yet imported, or imported with warnings nobody dismissed."""
    return [job for _, job in sorted(_watched.items()) if not _is_settled(job)]


def find(job_id: str) -> Reconstruction | None:
    """Return the watched reconstruction of that id, or None."""
    return _watched.get(job_id)


def forget(job_id: str) -> None:
    """Show a reconstruction no longer."""
    _watched.pop(job_id, None)
    _when_done.pop(job_id, None)


def poll() -> bool:
    """Take in the news of every watched job; return whether any still runs."""
    for job in list(_watched.values()):
        if not job.ended:
            job.poll()
        if job.state == reconstruction.DONE and job.id in _when_done:
            _when_done.pop(job.id)(job.id)
        if _is_settled(job) and not job.in_file:
            forget(job.id)
    _start_next()
    return any(not job.ended for job in _watched.values())


def before_undo() -> None:
    """Remember whose portraits are in the file."""
    _were_in_file.clear()
    _were_in_file.update(job.id for job in _watched.values() if job.in_file)


def after_undo() -> None:
    """Offer the import again of what it has taken out of the file."""
    for job in _watched.values():
        job.heed_undo(was_in_file=job.id in _were_in_file)


def after_load() -> None:
    """Another file is open, whose undo steps know of no job of the last one."""
    for job in [job for job in _watched.values() if _is_settled(job)]:
        forget(job.id)


def _start_next() -> None:
    """Start the oldest job that waits, if none runs: one at a time leaves the computer usable, and is no slower in all."""
    jobs = [job for _, job in sorted(_watched.items()) if not job.ended]
    if jobs and all(job.queued for job in jobs):
        jobs[0].begin()


def attach() -> None:
    """Find again, soon, what an earlier Blender left running or finished; not in background mode."""
    if not bpy.app.background:
        bpy.app.timers.register(_find_again, first_interval=ATTACH_AFTER_S, persistent=True)


def detach() -> None:
    """Stop watching; the jobs themselves go on."""
    for timer in (_tick, _find_again):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    _watched.clear()
    _when_done.clear()


def _is_settled(job: Reconstruction) -> bool:
    return job.imported and not job.warnings


def _find_again() -> None:
    try:
        jobs = known_jobs.known()
        found = [*jobs, *backend_setup.known()]
    except GazeSplatError as error:
        _log.warning("%s", error)
        return
    # What went wrong while nobody looked is shown until it is dismissed.
    lost = [job.id for job in jobs if job.error is not None][-_MOST_LOST:]
    for job in found:
        waits = job.state in (reconstruction.QUEUED, reconstruction.RUNNING) or (job.state == reconstruction.DONE and not job.imported)
        if waits or job.id in lost:
            watch(job)
    _redraw_sidebars()


def _tick() -> float | None:
    """Poll; the timer ends by itself when nothing runs any more."""
    any_runs = poll()
    _redraw_sidebars()
    return POLL_EVERY_S if any_runs else None


def _redraw_sidebars() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions if area.type == "VIEW_3D" else ():
                if region.type == "UI":
                    region.tag_redraw()
