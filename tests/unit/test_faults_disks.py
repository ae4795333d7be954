# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are full, read-only or gone while a job runs: real ones (docs/faults.md)."""
from __future__ import annotations

import sys

import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.jobs import registry, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job
from tests import mounts
from tests.jobs_at_work import LONG_S, PYTHON, SILENT, WORK, at_work, gone, is_clear, storyteller, until

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def tell(tmp_path):
    with storyteller(tmp_path / "jobs") as start:
        yield start


def test_disk_that_is_full_in_the_middle(tell, tmp_path):
    with mounts.disk(tmp_path / "disk", 2048) as disk:
        job = tell(*SILENT[:2], {"do": "write", "path": "portrait.ply", "size": 4 << 20}, jobs=disk / "jobs")
        assert job.wait(LONG_S) == state.FAILED and is_clear(job.error, "disk-full")
        assert gone(job._mark.pid) and not (job.folder / paths.RESULT_PART).exists()
        assert Job(job.folder).error.code == "disk-full"
        assert tell(jobs=disk / "jobs").wait(LONG_S) == state.DONE, "what was half written makes room again"


def test_disk_without_room_for_last_words(tell, tmp_path):
    with mounts.disk(tmp_path / "disk", 2048) as disk:
        go, photo = tmp_path / "go", tmp_path / "photo.jpg"
        photo.write_bytes(bytes(4 << 20))
        with pytest.raises(GazeSplatError) as refused:
            create_job(disk / "jobs", "dummy", photo)
        assert is_clear(refused.value, "disk-full") and list((disk / "jobs").iterdir()) == []
        job = at_work(tell(*SILENT[:2], {"do": "wait-for", "path": str(go)}, {"do": "write", "path": "portrait.ply"}, jobs=disk / "jobs"))
        filler = mounts.fill(disk)
        go.touch()
        assert job.wait(LONG_S) in (state.FAILED, state.CRASHED) and is_clear(job.error, "disk-full")
        with pytest.raises(GazeSplatError) as refused:
            tell(jobs=disk / "jobs")
        assert is_clear(refused.value, "disk-full")
        filler.unlink()
        assert Job(job.folder).state in (state.FAILED, state.CRASHED)
        assert tell(jobs=disk / "jobs").wait(LONG_S) == state.DONE


def test_last_words_take_the_room_of_what_could_be_resumed(tell, tmp_path):
    """Not even the last event finds room: then the job's work gives it."""
    with mounts.disk(tmp_path / "disk", 2048) as disk:
        go = tmp_path / "go"
        job = at_work(tell(*SILENT[:2], {"do": "write", "path": "../work/kept", "size": 65536}, {"do": "wait-for", "path": str(go)},
                           {"do": "warn", "code": "long", "message": "x" * 6000}, jobs=disk / "jobs"))
        until((job.folder / paths.WORK / "kept").exists)
        mounts.fill(disk)
        go.touch()
        assert job.wait(LONG_S) == state.FAILED and is_clear(job.error, "disk-full")
        assert not (job.folder / paths.WORK).exists() and Job(job.folder).error.code == "disk-full"


def test_disk_that_becomes_read_only(tell, tmp_path):
    with mounts.disk(tmp_path / "disk", 4096) as disk:
        done, queued = tell(jobs=disk / "jobs"), Job(create_job(disk / "jobs", "dummy"))
        assert done.wait(LONG_S) == state.DONE
        assert gone(done._mark.pid), "its log is open for writing until then"
        mounts.make_read_only(disk)
        for refuse in (lambda: queued.start(PYTHON), lambda: create_job(disk / "jobs", "dummy"), lambda: registry.remove(done)):
            with pytest.raises(GazeSplatError) as refused:
                refuse()
            assert is_clear(refused.value, "no-permission")
        found = registry.list_jobs(disk / "jobs")
        assert sorted(job.state for job in found) == [state.DONE, state.QUEUED]
        registry.mark_imported(done)
        assert registry.waiting_for_import([done]) == [] and not result.missing_files(done.result_folder)
        queued.cancel()
        assert queued.state == state.CANCELLED


@posix
def test_drive_unplugged_during_a_job(tell, tmp_path):
    """The folder's path vanishes, as a network drive's does: the backend notices, nothing goes on in the dark."""
    job = at_work(tell(*WORK))
    away = tmp_path / "elsewhere"
    job.folder.parent.rename(away)
    assert job.wait(LONG_S, 0.02) == state.CRASHED and is_clear(job.error, "folder-gone")
    assert gone(job._mark.pid) and registry.list_jobs(job.folder.parent) == []
    registry.remove(job)
    away.rename(job.folder.parent)
    back = Job(job.folder)
    assert back.state == state.FAILED and is_clear(back.error, "folder-gone")
    registry.remove(back)
    assert not job.folder.exists()


@posix
def test_drive_unplugged_can_be_cancelled_and_may_come_back(tell, tmp_path):
    job, other = at_work(tell(*SILENT)), at_work(tell(*SILENT[:2], {"do": "sleep", "seconds": 2.0}))
    away = tmp_path / "elsewhere"
    job.folder.parent.rename(away)
    job.poll(), other.poll()
    assert (job.state, other.state) == (state.RUNNING, state.RUNNING), "a drive may come back"
    job.cancel()
    assert job.wait(LONG_S, 0.02) == state.CANCELLED and gone(job._mark.pid)
    away.rename(job.folder.parent)
    assert other.wait(LONG_S) == state.DONE
