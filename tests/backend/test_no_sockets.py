# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend reads faces, so it opens no socket: not from Python, and not from a native library.

Jobs run in a child that would not survive one. An audit hook sees Python's sockets everywhere; on
Linux a seccomp filter ends the process at the first ``socket`` system call, whoever makes it,
children included.
"""
from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gazesplat.backend.contract import paths
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import DONE, Job

# Numbers of the system call ``socket`` (asm/unistd.h).
SOCKET_CALLS = {"x86_64": 41, "aarch64": 198}
SECCOMP = sys.platform == "linux" and platform.machine() in SOCKET_CALLS

GUARD = """
import ctypes, os, runpy, sys

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        sys.stderr.write("a socket was opened from Python: " + event + "\\n")
        sys.stderr.flush()
        os._exit(97)

def kill_at_socket_call(number):
    # A BPF program (linux/filter.h): load the call's number; if it is ours, kill the process; else allow.
    class Instruction(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32)]
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]
    lines = (Instruction * 4)(Instruction(0x20, 0, 0, 0), Instruction(0x15, 0, 1, number),
                              Instruction(0x06, 0, 0, 0x80000000), Instruction(0x06, 0, 0, 0x7FFF0000))
    libc = ctypes.CDLL(None, use_errno=True)
    PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(4, lines)), 0, 0):
        sys.exit("no seccomp here: " + os.strerror(ctypes.get_errno()))

call = int(sys.argv.pop(1))
if call:
    kill_at_socket_call(call)
if sys.argv.pop(1) == "hook":
    sys.addaudithook(refuse)
sys.argv.pop(0)
if sys.argv[0] == "-c":
    exec(sys.argv[1])
else:
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_guarded(*command: str | Path, hook: bool = True) -> subprocess.CompletedProcess:
    call = SOCKET_CALLS[platform.machine()] if SECCOMP else 0
    return subprocess.run([sys.executable, "-I", "-c", GUARD, str(call), "hook" if hook else "no", *command],
                          capture_output=True, text=True, check=False, timeout=300)


def run_job_guarded(root: Path, folder: Path) -> Job:
    finished = run_guarded(root / "backend", folder)
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
    import signal

    native = "import ctypes; ctypes.CDLL(None).socket(2, 1, 0)"
    assert run_guarded("-c", native, hook=False).returncode == -signal.SIGSYS
    child = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {native!r}]).returncode)"
    assert run_guarded("-c", child).stdout.strip() == str(-signal.SIGSYS)


def test_job_opens_no_socket(root, tmp_path):
    story = [{"do": "stage", "name": "only"}, {"do": "count", "steps": 3, "seconds": 0.2}]
    run_job_guarded(root, create_job(tmp_path, "dummy", options={"story": story}))


def test_selfie_opens_no_socket(root, tmp_path):
    run_job_guarded(root, create_job(tmp_path, "selfie", root / "docs" / "examples" / "astronaut.png", quality="draft"))


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
