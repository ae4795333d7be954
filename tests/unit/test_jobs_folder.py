# SPDX-License-Identifier: GPL-3.0-or-later
"""Job folders: how they are made, refused, listed, and where the backend's Python is looked for."""
from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.environment import python_of_venv
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.job import read_job
from gazesplat.gazesplat_addon.jobs import environment, registry, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job


def test_name_tells_when_and_what(tmp_path):
    folder = create_job(tmp_path, "dummy")
    assert re.fullmatch(r"\d{8}-\d{6}-dummy-[0-9a-f]{4}", folder.name)
    job = Job(folder)
    assert job.state == state.QUEUED
    assert job.spec.id == folder.name
    assert set(job.spec.versions) == {"gazesplat"}


def test_missing_photo_leaves_nothing(tmp_path):
    with pytest.raises(GazeSplatError) as refusal:
        create_job(tmp_path / "jobs", "selfie", tmp_path / "none.jpg")
    assert refusal.value.code == "no-file"
    assert list((tmp_path / "jobs").iterdir()) == []


def test_bad_request_leaves_nothing(tmp_path):
    with pytest.raises(GazeSplatError):
        create_job(tmp_path, "selfie", quality="best")
    assert list(tmp_path.iterdir()) == []


def test_jobs_folder_that_is_a_file(tmp_path):
    (tmp_path / "jobs").write_text("a file", "utf-8")
    with pytest.raises(GazeSplatError) as refusal:
        create_job(tmp_path / "jobs", "dummy")
    assert refusal.value.code == "bad-folder"
    assert str(tmp_path / "jobs") in refusal.value.message


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_jobs_folder_without_permission(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(GazeSplatError) as refusal:
        create_job(tmp_path / "locked" / "jobs", "dummy")
    assert refusal.value.code == "no-permission"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system nobody may write to")
def test_jobs_folder_on_a_read_only_file_system():
    with pytest.raises(GazeSplatError) as refusal:
        create_job(Path("/proc/self/jobs"), "dummy")
    assert refusal.value.code in ("no-permission", "bad-folder")


def test_jobs_are_sorted_into_what_to_do_with_them(tmp_path):
    (tmp_path / "notes").mkdir()
    damaged = create_job(tmp_path, "dummy")
    (damaged / paths.JOB).write_text("{", "utf-8")
    queued = Job(create_job(tmp_path, "dummy"))
    finished = Job(create_job(tmp_path, "dummy"))
    finished.start(Path(sys.executable))
    assert finished.wait(60.0) == state.DONE
    failed = Job(create_job(tmp_path, "dummy", options={"story": [{"do": "bug"}]}))
    failed.start(Path(sys.executable))
    assert failed.wait(60.0) == state.FAILED

    jobs = registry.list_jobs(tmp_path)
    assert {job.folder for job in jobs} == {queued.folder, finished.folder, failed.folder}
    assert [job.folder for job in registry.waiting_for_import(jobs)] == [finished.folder]
    assert {job.folder for job in registry.stale(jobs)} == {queued.folder, failed.folder}
    assert registry.running(jobs) == []
    registry.mark_imported(finished)
    assert registry.waiting_for_import(jobs) == []
    assert not result.missing_files(finished.result_folder)
    registry.remove(failed)
    assert not failed.folder.exists()


def test_no_jobs_folder_is_no_jobs(tmp_path):
    assert registry.list_jobs(tmp_path / "none") == []


def test_backend_python_is_what_somebody_said_or_what_was_set_up(tmp_path, monkeypatch):
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    own = python_of_venv(tmp_path / "user" / "backend")
    own.parent.mkdir(parents=True)
    own.touch()
    assert environment.find_backend_python(environment.candidates("", tmp_path / "user")) == own
    said = tmp_path / "other python"
    monkeypatch.setenv(environment.VARIABLE, str(said))
    with pytest.raises(GazeSplatError, match="other python") as refusal:
        environment.find_backend_python(environment.candidates("", tmp_path / "user"))
    assert refusal.value.code == "no-backend"
    said.touch()
    assert environment.find_backend_python(environment.candidates("", tmp_path / "user")) == said
    assert environment.candidates("/set/in/preferences", tmp_path / "user") == [Path("/set/in/preferences")]


def test_hint_without_a_checkout_is_a_click_or_a_command(monkeypatch, tmp_path):
    assert "dev.py setup" in environment.set_up_hint()
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    assert "setup_backend()" in environment.set_up_hint()
    command = environment.set_up_command(Path("/a python"), tmp_path / "b", video=True, wheels=tmp_path)
    assert command.startswith('"/a python" -I ') and f'set-up --folder "{tmp_path / "b"}" --video --wheels "{tmp_path}"' in command


def test_doctor_that_is_no_python(tmp_path):
    with pytest.raises(GazeSplatError) as refusal:
        environment.run_doctor(tmp_path / "none")
    assert refusal.value.code == "no-backend"


def test_a_job_takes_a_picture_beside_its_input(tmp_path):
    head, view = tmp_path / "head.ply", tmp_path / "view.png"
    head.write_bytes(b"splats")
    view.write_bytes(b"pixels")
    folder = create_job(tmp_path / "jobs", "graft", head, photo=view, options={"camera": {"focal_px": 1.0}})
    spec = read_job(folder)
    assert (folder / spec.input).read_bytes() == b"splats"
    assert (folder / spec.options["photo"]).read_bytes() == b"pixels"
    assert spec.options["camera"] == {"focal_px": 1.0}
    with pytest.raises(GazeSplatError):
        create_job(tmp_path / "jobs", "graft", head, photo=tmp_path / "none.png")
