# SPDX-License-Identifier: GPL-3.0-or-later
"""Selfie jobs that end badly, in real job folders: one terminal event with a code, a sentence and a way out, and no result.

What is wrong with a picture itself is tested in test_bad_photos.py; here is what a job meets: disks, permissions, other
versions, an artist who stops it.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from gazesplat.backend.contract import events, paths, result
from gazesplat.backend.run import CANCELLED, DONE, FAILED, run_job
from gazesplat.gazesplat_addon.jobs.folder import create_job
from tests.faces import ASTRONAUT, astronaut, save, two_faces, with_closed_eyes, with_cup

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, list[dict]]]

# Root may read and write everything, unless it gives those rights up before it starts the program:
# capabilities DAC_OVERRIDE and DAC_READ_SEARCH leave the bounding set (linux/capability.h, linux/prctl.h).
WITHOUT_RIGHTS = """
import ctypes, os, sys
if os.geteuid() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    PR_CAPBSET_DROP = 24
    for capability in (1, 2):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            sys.exit("cannot give up rights: " + os.strerror(ctypes.get_errno()))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
permissions_bind = pytest.mark.skipif(sys.platform == "win32" or (sys.platform != "linux" and os.geteuid() == 0),
                                      reason="permissions do not bind this user")


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a job folder in this process, which keeps its signal handlers; returns the exit code and the events."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.getsignal(number) for number in numbers]

    def run_here(folder: Path, echo: Callable[[dict], None] | None = None) -> tuple[int, list[dict]]:
        code = run_job(folder, log_name="log.txt", echo=echo)
        return code, told(folder)

    yield run_here
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def told(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / paths.EVENTS).read_text("utf-8").splitlines()]


def check_refusal(folder: Path, code: str) -> None:
    """One terminal event, the last, with everything an artist needs; nothing half-written in the folder."""
    seen = told(folder)
    assert [event["type"] in events.TERMINAL for event in seen] == [False] * (len(seen) - 1) + [True]
    last = seen[-1]
    assert (last["type"], last["code"]) == ("failed", code)
    assert last["message"].endswith(".") and last["hint"].endswith(".") and "\n" not in last["message"] + last["hint"]
    assert len(last["message"]) < 200 and "Traceback" not in last["message"]
    assert {path.name for path in folder.iterdir()} <= {paths.JOB, paths.INPUT, paths.EVENTS, paths.LOG, paths.PID}


def _text(path: Path) -> Path:
    path.write_text("no picture", "utf-8")
    return path


def _half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    return path


BAD_INPUTS = {
    "photo-unreadable": lambda folder: _text(folder / "photo.jpg"),
    "photo-truncated": lambda folder: _half(save(astronaut(), folder / "photo.jpg")),
    "photo-too-small": lambda folder: save(cv2.resize(astronaut(), (40, 40)), folder / "photo.png"),
    "no-face": lambda folder: save(astronaut()[300:, :], folder / "photo.png"),
    "several-faces": lambda folder: save(two_faces(astronaut()), folder / "photo.png"),
    "face-too-small": lambda folder: save(cv2.resize(astronaut(), (256, 256), interpolation=cv2.INTER_AREA), folder / "photo.png"),
    "face-cut": lambda folder: save(astronaut()[:, 215:], folder / "photo.png"),
    "eyes-closed": lambda folder: save(with_closed_eyes(astronaut()), folder / "photo.png"),
}


@pytest.mark.parametrize("code", BAD_INPUTS)
def test_bad_photo_ends_its_job(code: str, run: Run, tmp_path: Path) -> None:
    folder = create_job(tmp_path / "jobs", "selfie", BAD_INPUTS[code](tmp_path))
    assert run(folder)[0] == FAILED
    check_refusal(folder, code)


def test_photo_that_vanished(run: Run, tmp_path: Path) -> None:
    folder = create_job(tmp_path, "selfie", ASTRONAUT)
    shutil.rmtree(folder / paths.INPUT)
    assert run(folder)[0] == FAILED
    check_refusal(folder, "photo-missing")


def test_profile_view(run: Run, tmp_path: Path) -> None:
    """No free photo shows one: the head's direction is given as that of a head turned by 60 degrees."""
    turned = [[0.5, -0.866, 0.0], [0.0, 0.0, -1.0], [0.866, 0.5, 0.0]]
    folder = create_job(tmp_path, "selfie", ASTRONAUT, options={"head_to_camera": turned})
    assert run(folder)[0] == FAILED
    check_refusal(folder, "profile-view")


def test_job_of_a_newer_protocol(run: Run, tmp_path: Path) -> None:
    folder = create_job(tmp_path, "selfie", ASTRONAUT)
    job = json.loads((folder / paths.JOB).read_text("utf-8"))
    (folder / paths.JOB).write_text(json.dumps({**job, "protocol": 99}), "utf-8")
    assert run(folder)[0] == FAILED
    check_refusal(folder, "protocol-newer")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("name", [result.PLY, result.METRICS])
def test_full_disk(name: str, run: Run, tmp_path: Path) -> None:
    """Whichever file meets the full disk: the job says so, and nothing is left of its result."""
    folder = create_job(tmp_path, "selfie", ASTRONAUT, quality="draft")

    def fill(event: dict) -> None:
        if event["type"] == "stage" and event["name"] == "Writing":
            (folder / paths.RESULT_PART / f"{name}.part").symlink_to("/dev/full")

    assert run(folder, fill)[0] == FAILED
    check_refusal(folder, "disk-full")


@permissions_bind
def test_photo_nobody_may_read(tmp_path: Path) -> None:
    folder = create_job(tmp_path, "selfie", ASTRONAUT)
    (folder / told_input(folder)).chmod(0)
    assert backend_without_rights(folder).returncode == FAILED
    check_refusal(folder, "photo-unreadable")


@permissions_bind
def test_command_line_may_not_read(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    shutil.copyfile(ASTRONAUT, photo)
    photo.chmod(0)
    refused = backend_without_rights("reconstruct", photo, "--out", tmp_path / "out")
    assert refused.returncode == FAILED and refused.stderr.startswith("unreadable-file: "), refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == [photo.name]


@permissions_bind
def test_command_line_may_not_write(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    refused = backend_without_rights("reconstruct", ASTRONAUT, "--out", locked / "out")
    locked.chmod(stat.S_IRWXU)
    assert refused.returncode == FAILED and refused.stderr.startswith("no-permission: "), refused.stderr
    assert list(locked.iterdir()) == []


@permissions_bind
def test_result_that_may_not_be_written(tmp_path: Path) -> None:
    """What an earlier run has left can neither be removed nor written into: the job still says why."""
    folder = create_job(tmp_path, "selfie", ASTRONAUT)
    part = folder / paths.RESULT_PART
    part.mkdir()
    (part / "old").touch()
    part.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = backend_without_rights(folder)
    part.chmod(stat.S_IRWXU)
    shutil.rmtree(part)
    assert done.returncode != DONE
    assert told(folder)[-1].get("code") == "no-permission", done.stderr


@pytest.mark.parametrize("stage", ["Finding the face", "Building the head", "Writing"])
def test_cancelled_in_the_middle_leaves_nothing(stage: str, run: Run, tmp_path: Path) -> None:
    folder = create_job(tmp_path, "selfie", ASTRONAUT, quality="draft")

    def stop(event: dict) -> None:
        if event["type"] == "stage" and event["name"] == stage:
            (folder / paths.CANCEL).touch()

    code, seen = run(folder, stop)
    assert code == CANCELLED
    assert [event["type"] for event in seen if event["type"] in events.TERMINAL] == ["cancelled"]
    assert seen[-1]["type"] == "cancelled"
    assert {path.name for path in folder.iterdir()} == {paths.JOB, paths.INPUT, paths.EVENTS, paths.CANCEL}


def test_good_job_ends_once_and_its_progress_never_falls(run: Run, tmp_path: Path) -> None:
    folder = create_job(tmp_path, "selfie", save(with_cup(astronaut()), tmp_path / "cup.png"), quality="draft")
    code, seen = run(folder)
    assert code == DONE
    assert [event["type"] in events.TERMINAL for event in seen] == [False] * (len(seen) - 1) + [True]
    assert {event["code"] for event in seen if event["type"] == "warning"} == {"occluded", "low-resolution"}
    fractions = [event["fraction"] for event in seen if event["type"] == "progress"]
    assert fractions == sorted(fractions) and len(fractions) > 3
    assert not result.missing_files(folder / paths.RESULT)
    assert {path.name for path in folder.iterdir()} == {paths.JOB, paths.INPUT, paths.EVENTS, paths.RESULT}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measures memory as POSIX does")
def test_12000_by_9000_pixels_become_a_portrait_in_bounded_memory(tmp_path: Path) -> None:
    import resource

    wide = cv2.copyMakeBorder(astronaut(), 0, 0, 85, 86, cv2.BORDER_REFLECT)
    photo = save(cv2.resize(wide, (12000, 9000), interpolation=cv2.INTER_LINEAR), tmp_path / "large.jpg", quality=30)
    folder = create_job(tmp_path / "jobs", "selfie", photo, quality="draft")
    child = subprocess.Popen([sys.executable, "-I", ROOT / "backend", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == DONE, told(folder)[-1]
    assert isinstance(usage, resource.struct_rusage)
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert peak_bytes < 2.0e9
    assert "photo-reduced" in {event["code"] for event in told(folder) if event["type"] == "warning"}


def told_input(folder: Path) -> str:
    return json.loads((folder / paths.JOB).read_text("utf-8"))["input"]


def backend_without_rights(*words: str | Path) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, "-c", WITHOUT_RIGHTS, "-I", ROOT / "backend", *words],
                          capture_output=True, text=True, encoding="utf-8", check=False, timeout=300)
    if "cannot give up rights" in done.stderr:
        pytest.skip(done.stderr.strip())
    return done
