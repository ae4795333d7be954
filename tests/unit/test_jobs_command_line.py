# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's command line for people without Blender: what it refuses, and that it leaves nothing behind."""
from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def backend(root):
    def run(*words) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-I", root / "backend", *words], capture_output=True, text=True,
                              encoding="utf-8", check=False)
    return run


def test_help_is_an_answer_and_nothing_is_a_mistake(backend):
    asked = backend("--help")
    assert asked.returncode == 0
    for word in ("JOB_FOLDER", "--doctor", "reconstruct", "bench"):
        assert word in asked.stdout
    for words in ((), ("--doctor", "now"), ("--nonsense",), ("a", "b")):
        mistaken = backend(*words)
        assert mistaken.returncode == 2
        assert mistaken.stdout == ""
        assert "JOB_FOLDER" in mistaken.stderr


@pytest.mark.parametrize(("words", "code"), [
    (["no such folder"], "no-job"),
    (["bench", "no_such"], "no-benchmark"),
    (["bench", "../run"], "no-benchmark"),
    (["reconstruct", "nö photo.jpg", "--out", "{new}"], "no-file"),
    (["reconstruct", "{photo}", "--out", "{full}"], "output-exists"),
    (["reconstruct", "{photo}", "--out", "{photo}"], "output-exists"),
    (["reconstruct", "{photo}", "--out", "{photo}/out"], "bad-folder"),
    (["reconstruct", "{photo}", "--out", "{new}", "--seed", "-3"], "bad-job"),
])
def test_refusals_have_codes_and_leave_nothing(backend, tmp_path, words, code):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "portrait.ply").touch()
    (tmp_path / "photo.jpg").write_bytes(b"no picture")
    before = sorted(tmp_path.rglob("*"))
    places = {"new": tmp_path / "new", "full": tmp_path / "full", "photo": tmp_path / "photo.jpg"}
    refused = backend(*(word.format(**places) for word in words))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{code}: "), refused.stderr
    assert "Traceback" not in refused.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_photo_that_cannot_be_used_leaves_nothing(backend, tmp_path):
    """Whatever the stages say of a text file called .jpg: one failed line, no folder."""
    (tmp_path / "photo.jpg").write_text("no picture", "utf-8")
    failed = backend("reconstruct", tmp_path / "photo.jpg", "--out", tmp_path / "out" / "portrait")
    assert failed.returncode == 1
    assert "failed: " in failed.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["photo.jpg"]
