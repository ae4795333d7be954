# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's set-up with tiny wheels and no network: whatever stops it, the next one goes on, and a whole one is left alone."""
from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gazesplat.backend.contract.environment import (
    ABSENT,
    INCOMPLETE,
    MARKER,
    OUTDATED,
    PORTRAITS,
    PYTHONS,
    READY,
    SETUP,
    VIDEO,
    python_of_venv,
    stamp_of,
    state_of,
)
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.setup import pip
from gazesplat.backend.setup.stage import check_python
from gazesplat.gazesplat_addon.jobs import environment
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import CANCELLED, CRASHED, DONE, FAILED, RUNNING, Job
from tests.fake_wheels import write_wheel, write_wheels

PATIENCE_S = 240.0
pytestmark = pytest.mark.skipif("{}.{}".format(*sys.version_info[:2]) not in PYTHONS, reason="the set-up refuses this Python")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """A folder with the wheels and a path that artists have."""
    folder = tmp_path_factory.mktemp("set up ü'")
    write_wheels(folder / "wheels", "backend.txt", "backend-nodeps.txt", "torch.txt", "video.txt")
    return folder


@pytest.fixture(scope="module")
def made(scratch) -> Path:
    """An environment that is whole; tests leave it whole."""
    job = set_up(scratch, scratch / "made")
    assert job.state == DONE, job.error
    return scratch / "made"


def begin(scratch: Path, folder: Path, **options) -> Job:
    given = {"folder": str(folder), "wheels": str(scratch / "wheels"), **options}
    job = Job(create_job(scratch / "jobs", SETUP, options=given))
    job.start(Path(sys.executable))
    return job


def set_up(scratch: Path, folder: Path, **options) -> Job:
    job = begin(scratch, folder, **options)
    job.wait(PATIENCE_S)
    return job


def log(job: Job) -> str:
    return (job.folder / "log.txt").read_text("utf-8")


def reach(job: Job, stage: str) -> None:
    """Wait until the job is at a stage."""
    deadline = time.monotonic() + PATIENCE_S
    while stage not in job.stage and job.state == RUNNING and time.monotonic() < deadline:
        job.poll()
        time.sleep(0.01)
    assert stage in job.stage, log(job)


def test_whatever_stops_it_the_next_one_goes_on(scratch):
    folder = scratch / "story"
    assert state_of(folder, PORTRAITS) == ABSENT

    job = begin(scratch, folder)
    reach(job, "Making the environment")
    os.killpg(job._mark.pid, signal.SIGKILL)
    assert job.wait(PATIENCE_S) == CRASHED and state_of(folder, PORTRAITS) == INCOMPLETE

    numba = next((scratch / "wheels").glob("numba*"))
    hidden = numba.rename(scratch / numba.name)
    job = set_up(scratch, folder)
    assert job.state == FAILED and job.error.code == "wheel-missing" and "numba" in job.error.message
    hidden.rename(numba)

    job = begin(scratch, folder)
    reach(job, "Installing")
    job.cancel()
    assert job.wait(20.0) == CANCELLED and state_of(folder, PORTRAITS) == INCOMPLETE
    assert str(folder) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout

    job = begin(scratch, folder)
    reach(job, "Installing")
    os.killpg(job._mark.pid, signal.SIGKILL)
    assert job.wait(PATIENCE_S) == CRASHED and state_of(folder, PORTRAITS) == INCOMPLETE

    job = set_up(scratch, folder)
    assert job.state == DONE, job.error
    assert state_of(folder, PORTRAITS) == READY and state_of(folder, VIDEO) == ABSENT and job.fraction == 1.0
    assert "-m venv" not in log(job)    # what the first one made is kept
    assert environment.run_doctor(python_of_venv(folder))["ready"]


def test_a_whole_one_is_left_alone(scratch, made):
    job = set_up(scratch, made)
    assert job.state == DONE and "pip install" not in log(job) and "-m venv" not in log(job)


def test_videos_add_to_it(scratch, made):
    assert set_up(scratch, made, video=True).state == DONE
    assert state_of(made, VIDEO) == READY
    stamp_of(made, VIDEO).write_text("older pins", "utf-8")
    assert state_of(made, VIDEO) == OUTDATED and state_of(made, PORTRAITS) == READY


def test_damage_is_found_and_mended(scratch, made):
    site = next(made.glob("lib/python3.*/site-packages"))
    (site / "scipy" / "data.txt").unlink()                                     # a file that is gone
    (site / "numba" / "data.txt").write_text("cut", "utf-8")                   # one cut short
    next(site.glob("plyfile-*.dist-info/RECORD")).unlink()                     # killed while writing
    job = set_up(scratch, made)
    assert job.state == DONE, job.error
    assert (site / "scipy" / "data.txt").stat().st_size == (site / "numba" / "data.txt").stat().st_size == 1000
    assert list(site.glob("plyfile-*.dist-info/RECORD"))
    (site / "numpy" / "data.txt").write_text("y" * 1000, "utf-8")              # same size, other bytes: a repair reads all
    assert set_up(scratch, made, repair=True).state == DONE
    assert (site / "numpy" / "data.txt").read_text("utf-8") == "x" * 1000


def test_a_package_that_does_not_load_is_no_success(scratch, made):
    good = next((scratch / "wheels").glob("plyfile*"))
    kept = good.read_bytes()
    version = good.name.split("-")[1]
    write_wheel(scratch / "wheels", "plyfile", version, body="raise ImportError('no such thing')\n")
    site = next(made.glob("lib/python3.*/site-packages"))
    (site / "plyfile" / "data.txt").unlink()
    job = set_up(scratch, made)
    assert job.error.code == "backend-broken" and "plyfile" in job.error.message and "no such thing" in job.error.message
    assert state_of(made, PORTRAITS) == INCOMPLETE
    good.write_bytes(kept)
    (site / "plyfile" / "data.txt").unlink()
    assert set_up(scratch, made).state == DONE


def test_pips_proxy_is_asked_and_an_unreachable_index_is_said_so(scratch, made, monkeypatch):
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {"PIP_INDEX_URL": "http://index.invalid/simple", "PIP_RETRIES": "1", "PIP_TRUSTED_HOST": "index.invalid",
                        "PIP_FIND_LINKS": "", "no_proxy": "", "PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "",
                        "http_proxy": f"http://127.0.0.1:{server.server_port}"}.items():
        monkeypatch.setenv(name, value)
    site = next(made.glob("lib/python3.*/site-packages"))
    (site / "scipy" / "data.txt").unlink()
    job = set_up(scratch, made, wheels="")
    assert job.state == FAILED and any("index.invalid" in one for one in asked), log(job)
    server.shutdown()
    server.server_close()
    job = set_up(scratch, made, wheels="")
    assert job.error.code == "no-network", log(job)
    monkeypatch.undo()
    assert set_up(scratch, made).state == DONE


def test_folders_that_cannot_be_used(scratch, tmp_path):
    (tmp_path / "file").touch()
    assert set_up(scratch, tmp_path / "file" / "backend").error.code == "bad-folder"
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").touch()
    job = set_up(scratch, tmp_path / "theirs")
    assert job.error.code == "bad-folder" and (tmp_path / "theirs" / "thesis.txt").exists() and not (tmp_path / "theirs" / MARKER).exists()
    assert set_up(scratch, tmp_path / "new", wheels=str(tmp_path)).error.code == "no-wheels"


@pytest.mark.skipif(sys.platform != "linux", reason="no folder is unwritable for everybody here")
def test_an_unwritable_folder(scratch):
    job = set_up(scratch, Path("/sys/gazesplat/backend"))    # not even root may make folders there
    assert job.error.code == "no-permission", log(job)


@pytest.mark.parametrize(("configured", "expected"), [("", True), ("http://index.invalid/simple", False)])
def test_torchs_own_index_is_asked_only_where_pip_has_no_other(configured, expected, monkeypatch, made, tmp_path):
    from gazesplat.backend.contract import machine
    from gazesplat.backend.setup.child import running
    asked = []

    def spy(command, **how):
        asked.append(command)
        return running(command if "config" in command else [sys.executable, "-c", ""], **how)

    monkeypatch.setattr(pip, "running", spy)
    monkeypatch.setattr(machine, "torch_index", lambda kind: "https://torch.invalid/cpu")
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": configured, "PIP_EXTRA_INDEX_URL": ""}.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    pip.install(made, VIDEO, "cpu", None, type("Silent", (), {"progress": lambda *words: None})())
    assert any("https://torch.invalid/cpu" in command for command in asked) == expected


def test_a_python_without_wheels_is_refused(tmp_path):
    with pytest.raises(GazeSplatError, match=r"3\.14.*3\.11 or 3\.13"):
        check_python((3, 14))
    other = tmp_path / "python3.14"
    other.write_text("#!/bin/sh\necho 3.14\n", "utf-8")
    other.chmod(0o755)
    with pytest.raises(GazeSplatError) as refusal:
        environment.check_python(other)
    assert refusal.value.code == "wrong-python"
    for none in (tmp_path / "nothing", Path("/bin/false")):
        with pytest.raises(GazeSplatError) as refusal:
            environment.check_python(none)
        assert refusal.value.code == "no-python"
    environment.check_python(Path(sys.executable))


def test_a_set_up_that_was_cut_off_is_no_backend(tmp_path, monkeypatch):
    monkeypatch.delenv(environment.VARIABLE, raising=False)   # it would count alone
    python = python_of_venv(tmp_path / "backend")
    python.parent.mkdir(parents=True)
    python.touch()
    assert python in environment.candidates("", tmp_path)
    (tmp_path / "backend" / MARKER).touch()
    assert python not in environment.candidates("", tmp_path)


def test_progress_follows_pips_words(tmp_path):
    progress = pip.Progress(expected_mb=100.0, site_packages=tmp_path)
    shares = [progress.fraction()]
    for line in ("Collecting numpy==2.4.6", "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (16.9 MB)",
                 "  Using cached opencv_python_headless-4.13.0.92-cp37-abi3-manylinux_2_28_x86_64.whl (62.0 MB)",
                 "  Downloading numba-0.68.1-cp311-cp311-linux.whl.metadata (2.9 kB)",
                 "Installing collected packages: numpy, Opencv-Python.headless"):
        progress.take(line)
        shares.append(progress.fraction())
    assert shares == sorted(shares) and shares[2] == pytest.approx(0.75 * 0.169) and shares[3] == shares[4] == pytest.approx(0.75 * 0.789)
    (tmp_path / "opencv_python_headless-4.13.0.92.dist-info").mkdir()
    assert progress.fraction() == pytest.approx(0.875)
