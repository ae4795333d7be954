# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of photos as a farm's job: a task for each, the backend's own command."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gazesplat.backend.batch_job import write_batch
from gazesplat.backend.contract import openjd
from gazesplat.backend.contract.errors import GazeSplatError


@pytest.fixture
def pictures(tmp_path):
    """Two photos, a folder of pictures, and what is neither."""
    folder = tmp_path / "pictures"
    (folder / "turntable").mkdir(parents=True)
    for name in ("anna maria.jpg", "béla.PNG", "turntable/1.jpg", "notes.txt", ".hidden.jpg"):
        (folder / name).write_bytes(b"picture")
    return folder


def command(root, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-I", str(root / "backend"), "batch-job", *map(str, arguments)], capture_output=True, text=True,
                          check=False, encoding="utf-8")


def test_every_picture_is_a_task(root, pictures, tmp_path):
    done = command(root, pictures, "--out", tmp_path / "job", "--quality", "draft")
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "job" / "template.json").read_text("utf-8"))
    (task,) = template["steps"][0]["parameterSpace"]["taskParameterDefinitions"]
    assert task["range"] == ["anna maria.jpg", "béla.PNG", "turntable"]
    assert sorted(one.name for one in (tmp_path / "job" / "inputs").iterdir()) == sorted(task["range"])
    assert (pictures / "notes.txt").is_file(), "the originals stay"


def test_it_runs_the_backends_command(openjd, pictures, tmp_path):
    """With a stand-in for the backend that only says what it was asked."""
    (tmp_path / "says.py").write_text("import sys\nprint('ASKED', sys.argv[1:])\n", "utf-8")
    template = write_batch(pictures, tmp_path / "job", quality="draft", device="cpu", python=sys.executable)
    told = subprocess.run(openjd("run", template, "-p", f"Backend={tmp_path / 'says.py'}"),
                          capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    asked = [line for line in told.stdout.splitlines() if "ASKED" in line]
    assert len(asked) == 3
    assert all("'reconstruct'" in line and "'--quality', 'draft'" in line and "'--device', 'cpu'" in line for line in asked)
    assert sum(f"{tmp_path / 'job' / 'portraits'}/anna maria.jpg" in line for line in asked) == 1


def test_no_pictures_no_folder_and_a_job_that_exists_are_named(pictures, tmp_path):
    asked = {"quality": "draft", "device": "cpu", "python": "python"}
    (tmp_path / "empty").mkdir()
    for folder, out, code in ((tmp_path / "empty", tmp_path / "job", "no-file"), (tmp_path / "gone", tmp_path / "job", "no-file"),
                              (pictures, pictures, "output-exists")):
        with pytest.raises(GazeSplatError) as refused:
            write_batch(folder, out, **asked)
        assert refused.value.code == code
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("names", [["a{{b.jpg"], ["a\nb.jpg"], [], ["x.jpg"] * 1025])
def test_what_a_template_cannot_name_is_refused(names):
    with pytest.raises(GazeSplatError) as refused:
        openjd.check_items(names)
    assert refused.value.code == "bad-input" and refused.value.hint


def test_a_full_disk_is_said(pictures, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "x")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(GazeSplatError) as refused:
        write_batch(pictures, tmp_path / "job", quality="draft", device="cpu", python="python")
    assert refused.value.code == "disk-full"


def test_folder_that_cannot_be_written_is_one_sentence(root):
    """Not even the first event of a job can be written: on Linux, nobody may write to /proc, whoever they are."""
    if not Path("/proc/self/attr").is_dir():
        pytest.skip("needs a folder that nobody may write to")
    job = "/proc/self/attr"
    done = subprocess.run([sys.executable, "-I", str(root / "backend"), str(job)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(("no-permission: ", "bad-folder: "))
