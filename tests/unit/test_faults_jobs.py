# SPDX-License-Identifier: GPL-3.0-or-later
"""What can happen to a job while it runs, made to happen: real processes and real signals (docs/faults.md)."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.process_identity import start_mark
from gazesplat.gazesplat_addon.jobs import process, registry, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job
from tests.jobs_at_work import LONG_S, ORPHANS_END_S, PYTHON, SILENT, WORK, at_work, gone, is_clear, storyteller, until

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def tell(tmp_path):
    with storyteller(tmp_path / "jobs") as start:
        yield start


# ---------------------------------------------------------------- the backend is killed
STAGES = 4


@posix
@pytest.mark.parametrize("killed_in", [-1, *range(STAGES)], ids=["before its first word", *(f"stage {n}" for n in range(STAGES))])
def test_backend_killed_at_every_stage(tell, tmp_path, killed_in):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"picture")
    story = [step for n in range(STAGES) for step in (
        {"do": "stage", "name": f"stage {n}", "share": 0.25}, {"do": "write", "path": f"half of {n}"},
        {"do": "sleep", "seconds": 100.0 if n == killed_in else 0.0})]
    job = tell(*story, photo=photo)
    if killed_in >= 0:
        until(lambda: job.poll() is not None and job.stage == f"stage {killed_in}")
        # The write that follows the stage's name.
        until(lambda: (job.folder / paths.RESULT_PART / f"half of {killed_in}").exists())
    os.kill(job._mark.pid, signal.SIGKILL)
    assert job.wait(LONG_S) == state.CRASHED and is_clear(job.error, "crashed")
    assert gone(job._mark.pid)
    assert not (job.folder / paths.RESULT).exists(), "half a result is never published"
    assert (job.folder / job.spec.input).read_bytes() == photo.read_bytes() == b"picture"
    # The next Blender says the same, and nothing is in the way of a new try.
    again = Job(job.folder)
    assert again.state == state.CRASHED and is_clear(again.error, "crashed")
    assert tell(photo=photo).wait(LONG_S) == state.DONE


@posix
def test_killed_job_is_tried_again_and_goes_on_from_its_work(tell):
    """Killed at any moment, also while it is reset: in the end it is done, and what it said before is kept."""
    job = at_work(tell({"do": "stage", "name": "only"}, {"do": "child"}, {"do": "progress", "fraction": 0.5},
                       {"do": "wait-for", "path": "go"}))
    kept = (job.folder / paths.WORK / "child.txt").read_bytes()
    with pytest.raises(GazeSplatError, match="came to nothing"):
        registry.reset(job)
    os.kill(job._mark.pid, signal.SIGKILL)
    assert job.wait(LONG_S) == state.CRASHED
    (job.folder / paths.CANCEL).touch()
    again = registry.reset(job)
    assert again.state == state.QUEUED and (again.folder / paths.WORK / "child.txt").read_bytes() == kept
    assert [file.name for file in again.folder.glob("events*")] == ["events-1.jsonl"]
    (again.folder / "go").touch()
    again.start(PYTHON)
    assert again.wait(LONG_S) == state.DONE
    with pytest.raises(GazeSplatError):
        registry.reset(again)


@posix
def test_killed_between_the_result_and_the_last_word_is_done(tell):
    job = tell()
    assert job.wait(LONG_S) == state.DONE and gone(job._mark.pid)
    events = job.folder / paths.EVENTS
    events.write_bytes(b"".join(events.read_bytes().splitlines(keepends=True)[:-1]))
    again = Job(job.folder)
    assert again.state == state.DONE and again.fraction == 1.0 and not result.missing_files(again.result_folder)
    (again.result_folder / result.PLY).unlink()
    assert Job(job.folder).state == state.CRASHED


@posix
def test_children_of_a_killed_backend_end_too(tell):
    job = at_work(tell({"do": "stage", "name": "only"}, {"do": "child"}, *SILENT))
    child = int((job.folder / paths.WORK / "child.txt").read_text("utf-8"))
    assert start_mark(child)
    os.kill(job._mark.pid, signal.SIGKILL)      # the leader alone, as the system does when memory runs out
    assert job.wait(LONG_S) == state.CRASHED
    assert gone(child)


@posix
def test_stopped_backend_is_ended_when_it_is_cancelled(tell):
    job = at_work(tell(*WORK))
    os.kill(job._mark.pid, signal.SIGSTOP)
    job.cancel()
    assert job.wait(LONG_S, 0.02) == state.CANCELLED and gone(job._mark.pid)

# ---------------------------------------------------------------- Blender is killed
def test_killed_before_it_could_say_which_process_works(tmp_path):
    """Blender dies after it started the backend and before pid.json: the backend signs itself, and is found and stopped."""
    job_folder = create_job(tmp_path, "dummy", options={"story": WORK})
    (job_folder / state.CLAIMED).touch()
    orphan = subprocess.Popen([PYTHON, "-I", process.BACKEND, job_folder], start_new_session=True)
    try:
        found = Job(job_folder)
        until(lambda: found.poll() is not None and found.state == state.RUNNING)
        assert found._mark.pid == orphan.pid
        found.cancel()
        until(lambda: found.poll() is not None and found.state == state.CANCELLED)
        assert orphan.wait(ORPHANS_END_S) is not None
    finally:
        orphan.kill()
        orphan.wait()


def test_killed_between_claim_and_start(tmp_path, monkeypatch):
    job = Job(create_job(tmp_path, "dummy"))
    (job.folder / state.CLAIMED).touch()
    job.start(PYTHON)
    assert job.state == state.QUEUED, "another Blender may be about to start it"
    monkeypatch.setattr(state, "CLAIM_HOLDS_S", 0.0)
    job.start(PYTHON)
    assert job.wait(LONG_S) == state.DONE


RACE = """
import importlib.util, sys, time
from pathlib import Path
root, jobs, at = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
spec = importlib.util.spec_from_file_location("gazesplat", root / "__init__.py", submodule_search_locations=[str(root)])
sys.modules["gazesplat"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["gazesplat"])
from gazesplat.gazesplat_addon.jobs import registry
found = registry.list_jobs(jobs)
while time.time() < at:
    pass
for job in found:
    job.start(Path(sys.executable))
ended = time.monotonic() + 60
while time.monotonic() < ended and any(job.state in ("queued", "running") for job in found):
    for job in found:
        job.poll()
    time.sleep(0.02)
print([job.state for job in found], sum(job._process is not None for job in found))
"""


def test_two_blenders_on_one_jobs_folder(root, tmp_path):
    """Both find the same queue and start all of it at the same moment: each job runs once, and both see it end."""
    count = 5
    for _ in range(count):
        create_job(tmp_path, "dummy", options={"story": [{"do": "stage", "name": "only"}, {"do": "sleep", "seconds": 0.3}]})
    at = time.time() + 2.0
    both = [subprocess.Popen([PYTHON, "-I", "-c", RACE, root, tmp_path, str(at)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [one.communicate(timeout=LONG_S)[0].strip().rpartition(" ") for one in both]
    assert [states for states, _, _ in told] == [str(["done"] * count)] * 2
    assert sum(int(started) for _, _, started in told) == count
    for job in registry.list_jobs(tmp_path):
        kinds = [json.loads(line)["type"] for line in (job.folder / paths.EVENTS).read_text("utf-8").splitlines()]
        assert kinds.count("hello") == kinds.count("done") == 1

# ---------------------------------------------------------------- the extension changes under a job
def test_extension_updated_while_a_job_runs(root, tmp_path):
    """The backend runs from the extension's folder, which an update replaces: what it loads later may be missing or another's."""
    installed = tmp_path / "gazesplat"
    for name in ("__init__.py", "blender_manifest.toml", "backend", "gazesplat_addon"):
        one = root / name
        if one.is_dir():
            shutil.copytree(one, installed / name, ignore=shutil.ignore_patterns("__pycache__", "models", "sample", "bench"))
        else:
            installed.mkdir(exist_ok=True)
            shutil.copy2(one, installed / name)
    for lives_on in (True, False):
        go = tmp_path / f"go {lives_on}"
        story = [{"do": "stage", "name": "only"}, {"do": "wait-for", "path": str(go)}]
        job_folder = create_job(tmp_path / "jobs", "dummy", options={
            "story": story if lives_on else [*story, {"do": "import", "name": "gazesplat.backend.doctor"}]})
        worker = subprocess.Popen([PYTHON, "-I", installed / "backend", job_folder], stderr=subprocess.DEVNULL)
        until(lambda folder=job_folder: (folder / paths.RESULT_PART).exists())
        (installed / "backend" / "doctor.py").unlink(missing_ok=True)
        shutil.copyfile(installed / "blender_manifest.toml", installed / "new")
        (installed / "new").replace(installed / "blender_manifest.toml")
        go.touch()
        worker.wait(LONG_S)
        job = Job(job_folder)
        if lives_on:
            assert job.state == state.DONE, "what is loaded already goes on"
        else:
            assert job.state == state.FAILED and is_clear(job.error, "extension-changed")
