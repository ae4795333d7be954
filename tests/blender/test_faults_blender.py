# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender killed while its job runs: the next ones find it, through undo, file load and the extension off and on (docs/faults.md)."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gazesplat.backend.contract.process_identity import start_mark
from tests.portrait_files import write_portrait

LONG_S = 240.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


class OtherBlender:
    """A Blender in a process of its own, heard line by line."""

    def __init__(self, command: str, folder: Path) -> None:
        profile = folder / f"profile {command} {time.monotonic_ns()}"
        script = Path(__file__).with_name("blender_with_jobs.py")
        self.log = profile.with_suffix(".txt")
        self.process = subprocess.Popen(
            [sys.executable, "-I", script, command, folder / "jobs", folder / "go", folder / "made"], stdout=subprocess.PIPE,
            stderr=self.log.open("w", encoding="utf-8"), text=True,
            env={**os.environ, "BLENDER_USER_RESOURCES": str(profile), "GAZESPLAT_BACKEND_PYTHON": sys.executable})

    def hear(self, key: str) -> dict:
        """Return the next line of JSON that has this key; Blender's own words are passed over."""
        for line in self.process.stdout:
            told = json.loads(line) if line.startswith("{") else {}
            if key in told:
                return told
        pytest.fail(f"it ended with {self.process.wait()}: {self.log.read_text('utf-8')[-3000:]}")

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_blender_killed_during_a_job(tmp_path):
    write_portrait(tmp_path / "made", head_count=200)
    blenders = [OtherBlender("start", tmp_path)]
    backend = 0
    try:
        told = blenders[0].hear("pid")
        backend = told["pid"]
        mark = start_mark(backend)
        os.kill(blenders[0].process.pid, signal.SIGKILL)
        blenders[0].process.wait()
        assert start_mark(backend) == mark, "the job goes on without its Blender"
        blenders += [OtherBlender("follow", tmp_path), OtherBlender("follow", tmp_path)]
        for one in blenders[1:]:
            found = one.hear("found")
            assert found["found"] == told["job"] and (found["state"], found["progress"]) == ("running", 0.5)
            assert one.hear("alive_without_extension")["alive_without_extension"]
            one.hear("ready")
        (tmp_path / "go").touch()
        for one in blenders[1:]:
            end = one.hear("outcome")
            assert (end["state"], end["outcome"], end["portraits"], end["after_undo"]) == ("done", ["FINISHED"], ["selfie"], 0), end
            assert (end["imported"], end["imported_after_undo"]) == (True, False), "an undone import is offered again"
            assert one.process.wait(LONG_S) == 0
            assert "Traceback" not in one.log.read_text("utf-8")
        deadline = time.monotonic() + 10.0
        while start_mark(backend) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert start_mark(backend) is None, "no orphan is left"
    finally:
        for one in blenders:
            one.end()
        if backend and start_mark(backend):
            os.killpg(backend, signal.SIGKILL)
