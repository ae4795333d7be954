# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that others of ours start: they end with whoever started them, however that ends (docs/faults.md)."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gazesplat.backend.contract.process_identity import start_mark

ROOT = Path(__file__).resolve().parents[2]
ORPHANS_END_S = 10.0
LOAD = f"""
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("gazesplat", {str(ROOT / "__init__.py")!r}, submodule_search_locations=[{str(ROOT)!r}])
sys.modules["gazesplat"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["gazesplat"])
"""
WORKER = LOAD + """
from pathlib import Path
from gazesplat.gazesplat_addon.engine.worker_client import RenderWorker
worker = RenderWorker()
worker._running(Path(sys.executable), lambda: False)
print(worker.pid, flush=True)
time.sleep(100)
"""
# The request is a pipe that nobody writes to: the child has started, and waits.
SFM = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", sys.argv[1], sys.argv[2]], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(100)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def until(condition: Callable[[], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def child_of_a_killed_parent(*words: str | Path, ready: Callable[[int], object]) -> int:
    """Start a program that prints its child's number, kill it once the child is ready, and return that number."""
    parent = subprocess.Popen([sys.executable, "-I", "-c", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    child = int(parent.stdout.readline())
    until(lambda: ready(child), 60.0)
    assert start_mark(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    return child


def assert_gone(child: int) -> None:
    try:
        until(lambda: start_mark(child) is None, ORPHANS_END_S)
    finally:
        if start_mark(child):
            os.kill(child, signal.SIGKILL)


def test_render_worker_ends_with_a_killed_blender():
    assert_gone(child_of_a_killed_parent(WORKER, ready=lambda child: True))


def test_structure_from_motion_ends_with_a_killed_backend(tmp_path):
    pytest.importorskip("pycolmap", reason="needs the video road's packages")
    request = tmp_path / "request.json"
    os.mkfifo(request)

    def imported(child: int) -> bool:
        maps = Path(f"/proc/{child}/maps")
        return not maps.exists() or "pycolmap" in maps.read_text("utf-8")
    assert_gone(child_of_a_killed_parent(SFM, ROOT / "backend" / "video" / "sfm_child.py", request, ready=imported))
