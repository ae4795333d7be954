# SPDX-License-Identifier: GPL-3.0-or-later
"""dev.py: what it finds, how it repairs a set-up that was interrupted, and how it counts."""
from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def dev(root, tmp_path, monkeypatch):
    """dev.py as a module whose environments and tests lie in a scratch folder."""
    spec = importlib.util.spec_from_file_location("gazesplat_dev", root / "dev.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gazesplat_dev", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.fixture
def bare(dev):
    """An environment that installs nothing."""
    return dev.Environment("bare", "the test", (HERE,), (), "import sys")


def test_every_command_has_help(root):
    told = subprocess.run([sys.executable, root / "dev.py", "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("setup", "test", "demo", "lint", "bench", "gui", "package"):
        assert f"    {command} " in told
        subprocess.run([sys.executable, root / "dev.py", command, "--help"], capture_output=True, check=True)


def test_unknown_python_is_not_found(dev):
    assert dev.find_python("3.99") is None


def test_missing_python_stops_with_a_way_out(dev, bare):
    with pytest.raises(dev.Stop, match=r"3\.99.*Install it"):
        dev.set_up([dataclasses.replace(bare, pythons=("3.99",))], 1)


def test_set_up_is_quick_when_done_and_repaired_when_interrupted(dev, bare, monkeypatch):
    if dev.find_python(HERE) is None:
        pytest.skip(f"no Python {HERE} here can make virtual environments")
    dev.set_up([bare], 1)
    assert bare.python.exists()
    with monkeypatch.context() as here:
        here.setattr(dev, "_make", lambda one: pytest.fail("made again"))
        dev.set_up([bare], 1)
    (bare.folder / "gazesplat-stamp.txt").unlink()
    debris = bare.folder / "half-installed"
    debris.touch()
    dev.set_up([bare], 1)
    assert bare.python.exists()
    assert not debris.exists()


def test_failed_set_up_shows_the_log_and_is_not_taken_for_done(dev, bare):
    if dev.find_python(HERE) is None:
        pytest.skip(f"no Python {HERE} here can make virtual environments")
    broken = dataclasses.replace(bare, proof="raise SystemExit('libEGL.so.1: cannot open shared object file')")
    with pytest.raises(dev.Stop, match=r"apt install libegl1"):
        dev.set_up([broken], 1)
    assert dev._stamp(broken) != dev._wanted_stamp(broken)


def test_pins_decide_whether_an_environment_is_up_to_date(dev, bare, tmp_path):
    pins = tmp_path / "pins.txt"
    pins.write_text("numpy==1\n", "utf-8")
    one = dataclasses.replace(bare, installs=(("-r", str(pins)),))
    before = dev._wanted_stamp(one)
    assert dev._wanted_stamp(one) == before
    pins.write_text("numpy==2\n", "utf-8")
    assert dev._wanted_stamp(one) != before


def test_part_is_added_to_an_environment_and_its_failure_leaves_the_rest(dev, bare):
    if dev.find_python(HERE) is None:
        pytest.skip(f"no Python {HERE} here can make virtual environments")
    part = dataclasses.replace(bare, part="more", proof="raise SystemExit('no network')")
    with pytest.raises(dev.Stop, match="no network"):
        dev.set_up([part, bare], 1)
    assert dev._stamp(bare) == dev._wanted_stamp(bare)
    kept = bare.folder / "kept"
    kept.touch()
    part = dataclasses.replace(part, proof="import sys")
    dev.set_up([part, bare], 1)
    assert kept.exists()
    assert dev._stamp(part) == dev._wanted_stamp(part)


@pytest.mark.skipif(sys.platform == "win32", reason="holds the lock as POSIX does")
def test_a_second_set_up_waits_for_the_first(dev, bare, tmp_path, monkeypatch):
    import fcntl
    installed = []
    monkeypatch.setattr(dev, "_install", installed.append)
    (tmp_path / ".venv").mkdir()
    with ThreadPoolExecutor(1) as pool:
        with (tmp_path / ".venv" / "bare.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            second = pool.submit(dev.set_up, [bare], 1)
            time.sleep(0.5)
            assert not second.done() and not installed
        second.result(timeout=20)
    assert installed == [bare]


def test_it_counts_what_pytest_counts(dev, bare, tmp_path, monkeypatch):
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    (folder / "test_three.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert False\ndef test_c(): pytest.skip('why')\n", "utf-8")
    monkeypatch.setattr(dev.Environment, "python", property(lambda self: Path(sys.executable)))
    assert dev._run_pytest(bare, ["unit", "blender"], "", live=True) == (1, 1, 1)
    assert dev._run_pytest(bare, ["unit"], "test_a", live=False) == (1, 0, 0)
    assert dev._run_pytest(bare, ["unit"], "test_none_of_them", live=False) == (0, 0, 0)
    (folder / "test_three.py").write_text("import os\nos.abort()\n", "utf-8")
    assert dev._run_pytest(bare, ["unit"], "", live=True) == (0, 1, 0)


def test_closing_line_stands_alone(dev, bare, monkeypatch, capsys):
    monkeypatch.setattr(dev, "set_up", lambda environments, jobs: None)
    monkeypatch.setattr(dev, "_run_pytest", lambda one, folders, expression, *, live: (3, 1, 2))
    monkeypatch.setattr(sys, "argv", ["dev.py", "test", "--fast"])
    assert dev.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed, 2 skipped"


def told(names: str, faults: tuple[str, ...] = ()) -> str:
    """What pip-audit prints: capital letters are packages that it could not look up."""
    return json.dumps({"dependencies": [
        {"name": name, "skip_reason": f"{name} was not found"} if name.isupper() else
        {"name": name, "version": "1.0", "vulns": [{"id": fault} for fault in faults if fault.startswith(name)]}
        for name in names.split()]})


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for the auditor's Python")
@pytest.mark.parametrize(("answer", "said", "code", "strict"), [
    (told("a b"), "0 in 2, which is all", 0, 0),
    (told("a b", ("b-2026-1",)), "b 1.0: b-2026-1", 1, 1),
    (told("a B C"), "0 in 1; NOT CHECKED: B, C", 0, 1),
    (told("B C"), "NOT CHECKED, none of the 2 packages could be looked up: B was not found", 0, 1),
    (told(""), "NOT CHECKED, none of the 0", 0, 1),
    ("ERROR no network", "NOT CHECKED, the list cannot be reached", 0, 1),
], ids=["clean", "a fault", "some unknown", "all unknown", "none", "no network"])
def test_the_audit_never_passes_in_silence(dev, monkeypatch, capsys, answer, said, code, strict):
    monkeypatch.setattr(dev, "set_up", lambda environments, jobs: None)
    dev.TOOLS.python.parent.mkdir(parents=True)
    dev.TOOLS.python.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", "utf-8")
    dev.TOOLS.python.chmod(0o755)
    assert (dev._audit(1, must=False), dev._audit(1, must=True)) == (code, strict)
    assert capsys.readouterr().out.count(said) == 2


def test_an_auditor_that_cannot_be_had_is_said(dev, monkeypatch, capsys):
    def refuse(environments, jobs):
        raise dev.Stop("no network")
    monkeypatch.setattr(dev, "set_up", refuse)
    assert (dev._audit(1, must=False), dev._audit(1, must=True)) == (0, 1)
    assert "NOT CHECKED, the auditor could not be installed here" in capsys.readouterr().out
