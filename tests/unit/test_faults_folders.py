# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs folders as they get in years: clocks that were set, odd names, many jobs, files edited by hand (docs/faults.md)."""
from __future__ import annotations

import json
import os
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from gazesplat.backend.contract import paths
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.process_identity import start_mark
from gazesplat.gazesplat_addon.jobs import environment, folder, registry, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job
from tests.jobs_at_work import LONG_S, WORK, at_work, is_clear, storyteller

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def tell(tmp_path):
    with storyteller(tmp_path / "jobs") as start:
        yield start


# ---------------------------------------------------------------- time, numbers, names
def test_clock_that_is_set_while_a_job_runs(tell, monkeypatch):
    """The time left survives a clock that jumps either way; a job of last year is found like any other; cancelling needs no clock."""
    job = at_work(tell(*WORK))
    events, now = [], 1e9
    for step, jump in ((10.0, 0.0), (10.0, -86400.0 * 365), (10.0, 86400.0 * 3650), (10.0, 0.0)):
        now += step + jump
        events.append({"v": 1, "t": now, "type": "progress", "fraction": 0.25, "text": ""})
    watched = Job(create_job(job.folder.parent, "dummy"))
    watched._take({"v": 1, "t": 1e9, "type": "hello"})
    for event in events:
        watched._take(event)
    assert watched.seconds_left == pytest.approx(3 * 20.0, abs=1.0), "two of four intervals can be trusted"

    class LongAgo(datetime):
        @classmethod
        def now(cls, *_):
            return cls(1999, 12, 31, 23, 59, 59)

    monkeypatch.setattr(folder, "datetime", LongAgo)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    old = create_job(job.folder.parent, "dummy")
    for file in (old / paths.JOB, job.folder / paths.PID, job.folder / paths.EVENTS):
        os.utime(file, (4e9, 4e9))
    assert {one.folder.name for one in registry.list_jobs(job.folder.parent)} == {old.name, job.folder.name, watched.folder.name}
    job.cancel()
    assert job.wait(LONG_S, 0.02) == state.CANCELLED


def test_names_that_were_given_out_already(tmp_path, monkeypatch):
    tokens = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(folder.secrets, "token_hex", lambda _: next(tokens))
    monkeypatch.setattr(folder, "datetime", type("Stopped", (), {"now": staticmethod(lambda: datetime(2026, 1, 1))}))
    assert [create_job(tmp_path, "dummy").name[-4:] for _ in range(2)] == ["aaaa", "bbbb"]


def test_two_hundred_jobs_in_a_folder(tmp_path):
    """What looking costs is counted in files opened, which no load on the machine changes."""
    opened, counting = [0], [False]

    def hook(event: str, _arguments: tuple) -> None:
        opened[0] += counting[0] and event in ("open", "os.listdir", "os.scandir")
    sys.addaudithook(hook)
    model = create_job(tmp_path / "model", "dummy")
    ending = {"v": 1, "t": 1.0, "type": "failed", "code": "no-face", "message": "There is no face.", "hint": "Take another."}
    for number in range(200):
        made = tmp_path / "jobs" / f"20260101-{number:06d}-dummy-0000"
        shutil.copytree(model, made)
        paths.write_json_atomically(made / paths.JOB, {**json.loads((made / paths.JOB).read_text("utf-8")), "id": made.name})
        if number % 2:
            paths.write_json_atomically(made / paths.PID, {"pid": 0, "started": ""})
            (made / paths.EVENTS).write_text(json.dumps(ending) + "\n", "utf-8")
    counting[0] = True
    jobs = registry.list_jobs(tmp_path / "jobs")
    listing, opened[0] = opened[0], 0
    for job in jobs:
        job.poll()
    polling, counting[0] = opened[0], False
    assert len(jobs) == 200 and [job.folder.name for job in jobs] == sorted(job.folder.name for job in jobs)
    assert sum(job.state == state.FAILED for job in jobs) == 100
    assert listing <= 200 * 7 and polling <= 100, (listing, polling)


AWKWARD = ["it's \"quoted\" `too` $HOME %PATH%", "line\nbreak", "x" * 200, " ä 写真 🙂 ", "-rf", "semi;colon & pipe|"]


@posix
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_paths(tell, tmp_path, name):
    photo = tmp_path / f"{name}.jpg"
    photo.write_bytes(b"picture")
    job = tell(*WORK[:1], jobs=tmp_path / name / "jobs", photo=photo)
    assert job.wait(LONG_S) == state.DONE, job.error
    assert (job.folder / job.spec.input).read_bytes() == b"picture"
    (again,) = registry.list_jobs(tmp_path / name / "jobs")
    assert again.state == state.DONE
    registry.remove(again)


@posix
def test_a_copied_command_survives_awkward_paths(tmp_path):
    import shlex
    for name in AWKWARD:
        command = environment.set_up_command(tmp_path / name / "python", tmp_path / name, wheels=tmp_path / name)
        words = shlex.split(command)
        assert words[0] == str(tmp_path / name / "python") and words[-1] == str(tmp_path / name)

# ---------------------------------------------------------------- the folder is edited by hand
NEST = "[" * 200_000
EDITS = {
    "job.json is cut": (paths.JOB, b"{\"protocol\": 1, \"id\""), "job.json is empty": (paths.JOB, b""),
    "job.json is nested": (paths.JOB, NEST.encode()), "job.json is a list": (paths.JOB, b"[1]"),
    "job.json is bytes": (paths.JOB, bytes(range(256))), "job.json is huge": (paths.JOB, b" " * (5 << 20)),
    "job.json has a surrogate": (paths.JOB, b'{"protocol": 1, "id": "\\ud800", "kind": "dummy"}'),
    "job.json leads out": (paths.JOB, b'{"protocol": 1, "id": "a", "kind": "selfie", "input": "input/../../../x.jpg"}'),
    "job.json has a NUL": (paths.JOB, b'{"protocol": 1, "id": "a", "kind": "selfie", "input": "a\\u0000b"}'),
    "pid.json is cut": (paths.PID, b'{"pid": 12'), "pid.json is nested": (paths.PID, NEST.encode()),
    "pid.json is infinite": (paths.PID, b'{"pid": Infinity, "started": ""}'), "pid.json is huge": (paths.PID, b'{"pid": 1e999}'),
    "pid.json names everybody": (paths.PID, b'{"pid": -1, "started": "x"}'), "pid.json is a list": (paths.PID, b"[]"),
    "events are bytes": (paths.EVENTS, bytes(range(256)) * 40), "events are nested": (paths.EVENTS, NEST.encode() + b"\n"),
    "events are one line": (paths.EVENTS, b"x" * (3 << 20)), "events are empty": (paths.EVENTS, b""),
    "events lack fields": (
        paths.EVENTS, b'{"v": 1, "t": 0, "type": "progress"}\n{"v": 1, "type": "stage"}\n{"v": 1, "t": 1, "type": "preview"}\n'),
    "events are of other types": (paths.EVENTS, b'{"v": 1, "t": "x", "type": "progress", "fraction": []}\n{"v": true, "type": 7}\n'),
    "events have no numbers": (
        paths.EVENTS, b'{"v": 1, "t": NaN, "type": "progress", "fraction": NaN}\n{"v": 1, "t": 1e999, "type": "hello"}\n'),
    "events show another file": (paths.EVENTS, b'{"v": 1, "t": 0, "type": "preview", "path": "../../secret.png"}\n'),
    "events say done twice": (
        paths.EVENTS, b'{"v": 1, "t": 0, "type": "done"}\n{"v": 1, "t": 0, "type": "failed", "code": "x", "message": "y"}\n'),
    "events are of the future": (paths.EVENTS, b'{"v": 9, "t": 0, "type": "hologram"}\n'),
    "events are a million warnings": (paths.EVENTS, b'{"v": 1, "t": 0, "type": "warning", "code": "a", "message": "b", "n": 1}\n' * 20_000),
}


@pytest.mark.parametrize("edit", EDITS)
def test_job_folder_edited_by_hand(tmp_path, edit):
    good, bad = create_job(tmp_path, "dummy"), create_job(tmp_path, "dummy")
    name, content = EDITS[edit]
    paths.write_json_atomically(bad / paths.PID, {"pid": 0, "started": ""})
    (bad / name).write_bytes(content)
    found = {job.folder: job for job in registry.list_jobs(tmp_path)}
    assert found[good].state == state.QUEUED, "one bad folder hides no good one"
    if name == paths.JOB:
        assert bad not in found
        with pytest.raises(GazeSplatError) as refused:
            Job(bad)
        assert is_clear(refused.value, "bad-job")
        return
    job = found[bad]
    assert job.state == (state.DONE if "twice" in edit else state.FAILED if "future" in edit else state.CRASHED)
    assert job.error is None or job.error.hint
    assert job.preview is None and len(job.warnings) <= 100 and 0.0 <= job.fraction <= 1.0
    assert job.poll() == []
    registry.remove(job)


def test_copy_of_a_running_job_is_not_the_job(tell):
    job = at_work(tell(*WORK))
    copy = shutil.copytree(job.folder, job.folder.with_name("copy of it"))
    found = Job(copy)
    assert found.state == state.CRASHED
    found.cancel()
    job.poll()
    assert job.state == state.RUNNING and start_mark(job._mark.pid)


def test_folders_that_may_not_be_looked_into(tmp_path, monkeypatch):
    """A job of somebody else: Path.exists itself raises there."""
    mine, theirs = create_job(tmp_path, "dummy"), create_job(tmp_path, "dummy")
    stat = Path.stat

    def refuse(self, **options):
        if theirs in self.parents:
            raise PermissionError(13, "Permission denied", str(self))
        return stat(self, **options)
    monkeypatch.setattr(Path, "stat", refuse)
    assert [job.folder for job in registry.list_jobs(tmp_path)] == [mine]
