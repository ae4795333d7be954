# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting the backend up from inside Blender: what is promised, what is refused, that Blender's Python stays as it is."""
from __future__ import annotations

import sys
from pathlib import Path

import bpy
import pytest

from tests.fake_wheels import write_wheels

PATIENCE_S = 240.0


@pytest.fixture
def home(clean, room, monkeypatch, tmp_path):
    """The extension's own folder, empty, with nothing said about the backend elsewhere."""
    monkeypatch.delenv("GAZESPLAT_BACKEND_PYTHON", raising=False)
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "user_folder", lambda: tmp_path / "home")
    yield tmp_path / "home"
    room("gazesplat_addon.live_jobs").detach()
    room("gazesplat_addon.backend_status").remember(None)
    room("gazesplat_addon.preferences").stored().wheel_folder = ""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return write_wheels(tmp_path_factory.mktemp("wheels"), "backend.txt", "backend-nodeps.txt")


def test_from_click_to_removal(gs, room, home, wheels):
    setup, live, status = (room(f"gazesplat_addon.{name}") for name in ("backend_setup", "live_jobs", "backend_status"))
    before = sorted(Path(sys.prefix).glob("lib/python3.*/site-packages/*"))
    assert setup.state() == "absent"
    promise = " ".join(setup.promise(video=False))
    assert "MB are downloaded" in promise and str(home) in promise and "Blender and its own Python stay" in promise
    room("gazesplat_addon.preferences").stored().wheel_folder = str(wheels)
    assert bpy.ops.gazesplat.setup_backend() == {"FINISHED"}
    (job,) = live.watched()
    with pytest.raises(gs.GazeSplatError, match="already"):
        gs.setup_backend(wheel_folder=wheels)
    gs_error(gs, gs.remove_backend, "setup-running")
    seen = []
    while not job.ended:
        live.poll()
        seen.append((job.stage, job.progress))
        job.wait(timeout_s=0.1)
    live.poll()
    assert job.state == "done", job.error
    assert job not in live.watched()    # nothing to import, so nothing is left to show
    assert len({stage for stage, _ in seen}) > 2 and [share for _, share in seen] == sorted(share for _, share in seen)
    python = status.python()
    assert python.is_relative_to(home) and setup.state() == "ready" and status.last_report()["ready"]
    assert gs.setup_backend(wheel_folder=wheels) == python    # again: a look, no work
    assert sorted(Path(sys.prefix).glob("lib/python3.*/site-packages/*")) == before
    assert bpy.ops.gazesplat.remove_backend() == {"FINISHED"}
    assert setup.state() == "absent" and not list(home.glob("backend*")) and status.last_report() is None
    assert gs.remove_backend() is False


def gs_error(gs, call, code):
    with pytest.raises(gs.GazeSplatError) as refusal:
        call()
    assert refusal.value.code == code


def test_what_is_refused(gs, room, home, wheels, tmp_path, monkeypatch):
    setup = room("gazesplat_addon.backend_setup")
    assert not bpy.app.online_access
    with pytest.raises(gs.GazeSplatError, match="Allow Online Access") as refusal:
        gs.setup_backend()
    assert refusal.value.code == "offline"
    gs_error(gs, lambda: gs.setup_backend(python=tmp_path / "none", wheel_folder=wheels), "no-python")
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\necho 3.9\n", "utf-8")
    old.chmod(0o755)
    gs_error(gs, lambda: gs.setup_backend(python=old, wheel_folder=wheels), "wrong-python")
    home.parent.joinpath("file").touch()
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "user_folder", lambda: tmp_path / "file" / "home")
    gs_error(gs, lambda: gs.setup_backend(wheel_folder=wheels), "bad-folder")
    assert "set-up --folder" in setup.command() and "--video" in setup.command(video=True)


def test_the_doctors_findings_have_their_fixes(gs, room, home):
    status = room("gazesplat_addon.backend_status")
    numba, torch = ({"status": "missing", "reason": "", "needed_for": need} for need in ("portraits", "training"))
    report = {"packages": {"torch": torch, "numba": numba}, "models": {"face.task": {"status": "damaged"}}}
    assert [(one.text.split(":")[0], one.fix) for one in status.findings(report)] == [
        ("numba", "repair"), ("face.task", "reinstall"), ("What videos need is not set up; photos do without.", "video")]
    torch["status"], torch["reason"] = "broken", "ImportError: no DLL"
    found = status.findings({**report, "models": {}})[1]
    assert (found.text, found.fix) == ("torch: broken (ImportError: no DLL)", "repair")
