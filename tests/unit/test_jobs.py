# SPDX-License-Identifier: GPL-3.0-or-later
"""The process boundary with real child processes: the dummy backend plays stories, the add-on's end watches."""
from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.process_identity import start_mark
from gazesplat.gazesplat_addon.jobs import process, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job

PYTHON = Path(sys.executable)
LONG_S = 60.0

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def tell(tmp_path):
    """Start a job that plays a story; whatever still runs afterwards is ended."""
    started = []

    def start(*story: dict, **options) -> Job:
        job = Job(create_job(tmp_path / "jobs", "dummy", options={"story": list(story), **options}))
        started.append(job)
        job.start(PYTHON)
        return job

    yield start
    for job in started:
        process.kill(process.read_mark(job.folder))
        job.wait(LONG_S)


def wait_for_event(job: Job, kind: str) -> None:
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        if any(event["type"] == kind for event in job.poll()):
            return
        assert job.state == state.RUNNING, (job.state, job.error)
        time.sleep(0.02)
    pytest.fail(f"no {kind} event within {LONG_S} s")


def terminal_events(job: Job) -> list[str]:
    lines = (job.folder / paths.EVENTS).read_text("utf-8").splitlines()
    kinds = [json.loads(line)["type"] for line in lines]
    assert not set(kinds[:-1]) & {"done", "failed", "cancelled"}
    return [kind for kind in kinds if kind in ("done", "failed", "cancelled")]


def test_done(tell):
    job = tell({"do": "stage", "name": "first", "share": 0.25}, {"do": "progress", "fraction": 1.0},
               {"do": "stage", "name": "second", "share": 0.75}, {"do": "progress", "fraction": 1 / 3, "text": "noch länger"},
               {"do": "warn", "code": "dark", "message": "The picture is dark."},
               {"do": "noise", "text": "W0000 native library\n"})
    fractions = []
    while job.state == state.RUNNING:
        fractions += [event["fraction"] for event in job.poll() if event["type"] == "progress"]
        time.sleep(0.02)
    assert job.state == state.DONE, job.error
    assert fractions == [0.25, 0.5]
    assert (job.stage, job.text, job.fraction) == ("second", "noch länger", 1.0)
    assert [one["code"] for one in job.warnings] == ["dark"]
    assert set(job.summary["stage_seconds"]) == {"first", "second"}
    assert sorted(one.name for one in job.result_folder.iterdir()) == sorted(result.FILES)
    assert not (job.folder / paths.RESULT_PART).exists()
    assert not (job.folder / paths.WORK).exists()
    assert (job.folder / paths.LOG).read_text("utf-8").count("native library") == 2
    assert terminal_events(job) == ["done"]


@pytest.mark.parametrize(("step", "code"), [
    ({"do": "fail", "code": "no-face", "message": "There is no face.", "hint": "Take another picture."}, "no-face"),
    ({"do": "bug"}, "internal"),
    ({"do": "exhaust-memory"}, "out-of-memory"),
    ({"do": "import", "name": "no_such_package"}, "backend-incomplete"),
    pytest.param({"do": "write", "path": "/dev/full"}, "disk-full",
                 marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")),
    pytest.param({"do": "write", "path": "/proc/sys/kernel/ostype"}, "no-permission",
                 marks=pytest.mark.skipif(not Path("/proc/sys/kernel/ostype").exists(), reason="no /proc here")),
])
def test_failure_has_a_code_and_a_way_out(tell, step, code):
    job = tell({"do": "stage", "name": "only"}, {"do": "write", "path": "portrait.ply"}, step)
    assert job.wait(LONG_S) == state.FAILED
    assert job.error.code == code
    assert job.error.message.endswith(".")
    assert job.error.hint
    assert terminal_events(job) == ["failed"]
    assert not (job.folder / paths.RESULT).exists()
    assert not (job.folder / paths.RESULT_PART).exists()
    log = (job.folder / paths.LOG).read_text("utf-8")
    assert "Traceback" in log
    if code == "internal":
        assert "Traceback" not in str(job.error)
        assert str(job.folder / paths.LOG) in job.error.hint


def test_result_with_a_file_missing_is_not_published(tell, tmp_path):
    (tmp_path / "portrait").mkdir()
    job = tell(portrait=str(tmp_path / "portrait"))
    assert job.wait(LONG_S) == state.FAILED
    assert not (job.folder / paths.RESULT).exists()


def test_crash_shows_the_end_of_the_log(tell):
    job = tell({"do": "stage", "name": "only"}, {"do": "noise", "text": "last words\n"}, {"do": "abort"})
    assert job.wait(LONG_S) == state.CRASHED
    assert job.error.code == "crashed"
    assert "last words" in job.error.hint
    assert Job(job.folder).state == state.CRASHED


def test_crash_on_a_full_disk_says_so(tell, monkeypatch):
    monkeypatch.setattr(state.shutil, "disk_usage", lambda folder: state.shutil._ntuple_diskusage(1, 1, 0))
    job = tell({"do": "stage", "name": "only"}, {"do": "abort"})
    assert job.wait(LONG_S) == state.CRASHED
    assert job.error.code == "disk-full"


def test_process_that_cannot_be_marked_does_not_run_on(tmp_path, monkeypatch):
    job = Job(create_job(tmp_path, "dummy", options={"story": [{"do": "sleep", "seconds": 100.0}]}))
    started = []

    def refuse(path: Path, fields: dict) -> None:
        started.append(fields["pid"])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(process.paths, "write_json_atomically", refuse)
    with pytest.raises(GazeSplatError) as refusal:
        job.start(PYTHON)
    assert refusal.value.code == "disk-full"
    assert start_mark(started[0]) is None


def test_cancel_is_answered_at_the_next_report(tell):
    job = tell({"do": "stage", "name": "only"}, {"do": "count", "steps": 1000, "seconds": 100.0})
    wait_for_event(job, "progress")
    asked = time.monotonic()
    job.cancel()
    assert job.wait(LONG_S, 0.02) == state.CANCELLED
    assert time.monotonic() - asked < state.KILL_AFTER_S
    assert terminal_events(job) == ["cancelled"]
    assert not (job.folder / paths.RESULT_PART).exists()
    assert Job(job.folder).state == state.CANCELLED


@posix
def test_cancel_interrupts_a_silent_stage(tell):
    job = tell({"do": "stage", "name": "only"}, {"do": "sleep", "seconds": 100.0})
    wait_for_event(job, "stage")
    job.cancel()
    assert job.wait(LONG_S, 0.02) == state.CANCELLED
    assert terminal_events(job) == ["cancelled"]


def test_hanging_backend_is_killed_with_its_children(tell):
    job = tell({"do": "stage", "name": "only"}, {"do": "child"}, {"do": "hang"})
    wait_for_event(job, "progress")
    child = int((job.folder / paths.WORK / "child.txt").read_text("utf-8"))
    child_mark = start_mark(child)
    assert child_mark is not None
    asked = time.monotonic()
    job.cancel()
    assert job.wait(LONG_S, 0.02) == state.CANCELLED
    assert time.monotonic() - asked < state.KILL_AFTER_S + 3.0
    assert terminal_events(job) == []
    assert not (job.folder / paths.RESULT).exists()
    deadline = time.monotonic() + 10.0
    while start_mark(child) == child_mark and time.monotonic() < deadline:
        time.sleep(0.05)
    assert start_mark(child) != child_mark


def test_queued_job_is_cancelled_at_once(tmp_path):
    job = Job(create_job(tmp_path, "dummy"))
    job.cancel()
    assert job.state == state.CANCELLED
    with pytest.raises(GazeSplatError, match="started before"):
        job.start(PYTHON)


def test_reattached_job_goes_on(tell):
    first = tell({"do": "stage", "name": "only"}, {"do": "count", "steps": 10, "seconds": 1.0})
    wait_for_event(first, "progress")
    second = Job(first.folder)
    assert second.state == state.RUNNING
    assert second.stage == "only"
    assert second.wait(LONG_S) == state.DONE
    assert first.wait(LONG_S) == state.DONE


def test_reattached_job_can_be_cancelled(tell):
    first = tell({"do": "stage", "name": "only"}, {"do": "hang"})
    wait_for_event(first, "progress")
    first.cancel()
    second = Job(first.folder)
    assert second.cancel_requested
    assert second.wait(LONG_S, 0.02) == state.CANCELLED


def test_another_process_with_the_same_number_is_not_ours(tell):
    job = tell({"do": "stage", "name": "only"}, {"do": "noise", "text": "gone\n"}, {"do": "abort"})
    job.wait(LONG_S)
    stranger = {"pid": os.getpid(), "started": "long ago"}
    paths.write_json_atomically(job.folder / paths.PID, stranger)
    process.kill(process.read_mark(job.folder))
    assert Job(job.folder).state == state.CRASHED


def test_torn_line_is_read_when_it_is_whole(tmp_path):
    job = Job(create_job(tmp_path, "dummy"))
    me = os.getpid()
    paths.write_json_atomically(job.folder / paths.PID, {"pid": me, "started": start_mark(me)})
    line = json.dumps({"v": 1, "t": 0.0, "type": "progress", "stage": "s", "fraction": 0.5, "text": "ä"}, ensure_ascii=False)
    torn = line.encode()[:-4]
    with (job.folder / paths.EVENTS).open("wb") as file:
        file.write(torn)
    watched = Job(job.folder)
    assert (watched.state, watched.fraction) == (state.RUNNING, 0.0)
    with (job.folder / paths.EVENTS).open("ab") as file:
        file.write(line.encode()[-4:] + b"\n")
    assert [event["text"] for event in watched.poll()] == ["ä"]
    assert watched.poll() == []


def test_newer_protocol_is_refused_on_both_sides(tmp_path):
    folder = create_job(tmp_path, "dummy")
    fields = json.loads((folder / paths.JOB).read_text("utf-8"))
    paths.write_json_atomically(folder / paths.JOB, {**fields, "protocol": 99})
    with pytest.raises(GazeSplatError) as refusal:
        Job(folder)
    assert refusal.value.code == "protocol-newer"
    subprocess.run([PYTHON, "-I", process.BACKEND, folder], check=False, capture_output=True)
    last = json.loads((folder / paths.EVENTS).read_text("utf-8").splitlines()[-1])
    assert (last["type"], last["code"]) == ("failed", "protocol-newer")


def test_job_runs_once(tell):
    job = tell()
    job.wait(LONG_S)
    again = subprocess.run([PYTHON, "-I", process.BACKEND, job.folder], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "job-already-run" in again.stderr
    assert terminal_events(job) == ["done"]


def test_path_with_spaces_and_other_letters(tmp_path):
    photo = tmp_path / "mein Foto ß 写真.jpg"
    photo.write_bytes(b"picture")
    job = Job(create_job(tmp_path / "Aufträge für Åsa", "dummy", photo))
    job.start(PYTHON)
    assert job.wait(LONG_S) == state.DONE, job.error
    assert (job.folder / job.spec.input).read_bytes() == b"picture"
    assert photo.read_bytes() == b"picture"


def test_python_that_is_none(tmp_path):
    job = Job(create_job(tmp_path, "dummy"))
    with pytest.raises(GazeSplatError) as refusal:
        job.start(tmp_path / "no python")
    assert refusal.value.code == "no-backend"
    assert job.state == state.QUEUED


def test_environment_is_scrubbed(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("BLENDER_USER_RESOURCES", "/elsewhere")
    monkeypatch.setenv("GAZESPLAT_KEPT", "1")
    names = process.scrubbed_environment()
    assert "PYTHONPATH" not in names
    assert "BLENDER_USER_RESOURCES" not in names
    assert names["GAZESPLAT_KEPT"] == "1"
