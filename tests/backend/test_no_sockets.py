# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend reads faces: it opens no socket, starts no shell, executes nothing that it reads, and writes where it says.

Real jobs run in a child that would not survive it (guarded.py). The one selfie is also stopped in every stage, and what a kill would
leave there on disk is judged.
"""
from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gazesplat.backend.cache_folder import user_cache_folder
from gazesplat.backend.contract import paths
from gazesplat.backend.contract.process_identity import start_mark
from gazesplat.backend.contract.result import missing_files
from gazesplat.gazesplat_addon.jobs import registry
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.process import kill
from gazesplat.gazesplat_addon.jobs.state import CRASHED, DONE, RUNNING, Job

# Numbers of the system call ``socket`` (asm/unistd.h).
SOCKET_CALLS = {"x86_64": 41, "aarch64": 198}
ROOT = Path(__file__).resolve().parents[2]
SECCOMP = sys.platform == "linux" and platform.machine() in SOCKET_CALLS

def guarded(*command: str | Path, hook: bool = True, places: Sequence[Path] = (), root: Path = ROOT) -> list[str]:
    """Return the command line that runs a program under guard; see guarded.py."""
    call = SOCKET_CALLS[platform.machine()] if SECCOMP else 0
    allowed = os.pathsep.join(str(place.resolve()) for place in places)
    return [sys.executable, "-I", str(Path(__file__).with_name("guarded.py")), str(root), allowed, str(call), "hook" if hook else "no",
            *map(str, command)]


def run_guarded(*command: str | Path, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(guarded(*command, **options), capture_output=True, text=True, check=False, timeout=300)


def run_job_guarded(root: Path, folder: Path) -> Job:
    finished = run_guarded(root / "backend", folder, places=[folder])
    report = finished.stdout + finished.stderr
    assert finished.returncode == 0, report
    # As if Blender had started it: the folder alone tells how it went.
    paths.write_json_atomically(folder / paths.PID, {"pid": 0, "started": ""})
    job = Job(folder)
    assert job.state == DONE, report
    return job


def test_guard_sees_python_sockets():
    finished = run_guarded("-c", "import socket; socket.getaddrinfo('localhost', 1)")
    assert finished.returncode != 0


@pytest.mark.skipif(not SECCOMP, reason="needs Linux on a known processor")
def test_guard_sees_native_sockets_and_children():
    native = "import ctypes; ctypes.CDLL(None).socket(2, 1, 0)"
    assert run_guarded("-c", native, hook=False).returncode == -signal.SIGSYS
    child = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {native!r}]).returncode)"
    assert run_guarded("-c", child).stdout.strip() == str(-signal.SIGSYS)


def test_job_opens_no_socket(root, tmp_path):
    story = [{"do": "stage", "name": "only"}, {"do": "count", "steps": 3, "seconds": 0.2}]
    run_job_guarded(root, create_job(tmp_path, "dummy", options={"story": story}))


@pytest.fixture(scope="module")
def selfie(root, tmp_path_factory) -> tuple[Job, dict[str, Path]]:
    """A real selfie made under guard, and copies of its folder in each stage: what is on disk when the process is killed there."""
    scratch = tmp_path_factory.mktemp("selfie")
    folder = create_job(scratch / "jobs", "selfie", root / "docs" / "examples" / "astronaut.png", quality="draft")
    temporary = scratch / "temporary"
    temporary.mkdir()
    places = [folder, user_cache_folder() / "gazesplat", temporary]
    log = (folder / paths.LOG).open("wb")
    running = subprocess.Popen(guarded(root / "backend", folder, places=places), stdout=log, stderr=log,
                               env={**os.environ, "TMPDIR": str(temporary)})
    watched, copies = Job(folder), {}
    while running.poll() is None:
        watched.poll()
        if watched.state == RUNNING and watched.stage and watched.stage not in copies and hasattr(signal, "SIGSTOP"):
            running.send_signal(signal.SIGSTOP)
            copies[watched.stage] = scratch / f"killed {len(copies)}" / folder.name
            shutil.copytree(folder, copies[watched.stage])
            running.send_signal(signal.SIGCONT)
        time.sleep(0.005)
    assert running.returncode == 0, (folder / paths.LOG).read_text("utf-8")
    watched.poll()
    return watched, copies


def test_selfie_opens_no_socket(selfie):
    """Nor a shell, nor a pickle, and it writes into its folder, the cache of kernels, and the folder for temporary files."""
    assert selfie[0].state == DONE and not missing_files(selfie[0].result_folder)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="POSIX signals")
def test_selfie_killed_at_every_stage(selfie, root):
    done, copies = selfie
    assert len(copies) >= len(done.summary["stage_seconds"]) - 2, "two stages may be too short to be caught"
    photo = (root / "docs" / "examples" / "astronaut.png").read_bytes()
    for stage, folder in copies.items():
        paths.write_json_atomically(folder / paths.PID, {"pid": 0, "started": ""})
        killed = Job(folder)
        assert (killed.state, killed.stage) == (CRASHED, stage) and killed.error.code == "crashed" and "log" in killed.error.hint
        assert not (folder / paths.RESULT).exists() and (folder / killed.spec.input).read_bytes() == photo
        registry.remove(killed)
        assert not folder.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
def test_selfie_killed_by_the_system(root, tmp_path):
    """With SIGKILL, among mediapipe's threads."""
    job = Job(create_job(tmp_path, "selfie", root / "docs" / "examples" / "astronaut.png", quality="draft"))
    job.start(Path(sys.executable))
    try:
        while job.state == RUNNING and job.stage != "Finding the face":
            job.poll()
            time.sleep(0.02)
        os.kill(job._mark.pid, signal.SIGKILL)
        assert job.wait(60.0) == CRASHED and job.error.code == "crashed"
        assert start_mark(job._mark.pid) is None
    finally:
        kill(job._mark)


@pytest.mark.parametrize("deed", [
    "import os; os.system('true')", "import subprocess; subprocess.run('true', shell=True)",
    "import subprocess; subprocess.run(['sh', '-c', 'true'])",
    "import pickle, collections; pickle.loads(pickle.dumps(collections.OrderedDict()))",
    "open('/var/tmp/elsewhere', 'w')", "import os; os.mkdir('/var/tmp/elsewhere')"])
def test_guard_sees_what_it_should(deed, tmp_path):
    finished = run_guarded("-c", deed, places=[tmp_path])
    assert finished.returncode == 97 and not Path("/var/tmp/elsewhere").exists(), finished.stderr


@pytest.mark.parametrize("deed", ["exec('1')", "eval('1')", "compile('1', 'data', 'eval')"])
def test_guard_sees_text_that_our_code_executes(deed, tmp_path):
    ours = tmp_path / "backend" / "ours.py"
    ours.parent.mkdir()
    ours.write_text(deed, "utf-8")
    assert run_guarded(ours, root=tmp_path).returncode == 97
    assert run_guarded(ours).returncode == 0, "others, such as dataclasses, may"


def test_guard_lets_pass_what_it_may(tmp_path):
    deeds = ("import subprocess, sys; subprocess.run([sys.executable, '-c', '']); open(sys.executable); "
             f"open({str(tmp_path / 'a')!r}, 'w').close()")
    finished = run_guarded("-c", deeds, places=[tmp_path])
    assert finished.returncode == 0, finished.stderr


def test_doctor_opens_no_socket(root):
    finished = run_guarded(root / "backend", "--doctor")
    assert finished.returncode == 0, finished.stderr


def test_mediapipe_is_older_than_its_metrics(root):
    text = (root / "backend" / "requirements" / "backend-nodeps.txt").read_text("utf-8")
    pins = re.findall(r"^mediapipe==(\d+)\.(\d+)\.(\d+)$", text, re.MULTILINE)
    assert len(pins) == 1, "exactly one exact pin"
    assert tuple(map(int, pins[0])) < (0, 10, 34)
    for other in (root / "backend" / "requirements").glob("*.txt"):
        if other.name != "backend-nodeps.txt":
            assert not re.search(r"^mediapipe", other.read_text("utf-8"), re.MULTILINE), other.name


def test_installed_mediapipe_is_older_than_its_metrics():
    from importlib.metadata import version

    assert tuple(int(part) for part in version("mediapipe").split(".")[:3]) < (0, 10, 34)
