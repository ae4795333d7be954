# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs at work for tests of faults: started as Blender starts them, ended whatever the test does."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.process_identity import start_mark
from gazesplat.gazesplat_addon.jobs import process, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job

PYTHON = Path(sys.executable)
LONG_S = 60.0
ORPHANS_END_S = 10.0
WORK = [{"do": "stage", "name": "Working"}, {"do": "count", "steps": 2000, "seconds": 100.0}]
SILENT = [{"do": "stage", "name": "Working"}, {"do": "progress", "fraction": 0.1}, {"do": "sleep", "seconds": 100.0}]


@contextmanager
def storyteller(jobs_folder: Path) -> Iterator[Callable[..., Job]]:
    """Give a function that starts a job which plays a story; nothing of it outlives the block."""
    started = []

    def start(*story: dict, jobs: Path = jobs_folder, photo: Path | None = None) -> Job:
        job = Job(create_job(jobs, "dummy", photo, options={"story": list(story)}))
        job.start(PYTHON)
        started.append(job._mark)
        return job

    try:
        yield start
    finally:
        for mark in started:
            process.kill(mark)


def until(condition: Callable[[], object], within_s: float = LONG_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def at_work(job: Job) -> Job:
    """Wait until it has told how far it is."""
    def told() -> bool:
        job.poll()
        assert job.state == state.RUNNING, (job.state, job.error)
        return job.fraction > 0.0
    until(told)
    return job


def gone(pid: int) -> bool:
    """Return whether a process of that number has ended within the time that orphans get."""
    until(lambda: start_mark(pid) is None, ORPHANS_END_S)
    return True


def is_clear(error: GazeSplatError, code: str) -> bool:
    """One sentence of that code with a way out, and no Python in it."""
    return error.code == code and error.message.count(". ") == 0 and bool(error.hint) and "Error" not in error.message
