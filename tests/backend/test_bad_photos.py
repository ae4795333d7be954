# SPDX-License-Identifier: GPL-3.0-or-later
"""Every bad photo is refused with its own code, one sentence and a way out, and leaves nothing behind."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.inputs import copy_input
from gazesplat.backend.contract.job import JobSpec, write_job
from gazesplat.backend.model.scan_photo import scan_photo
from gazesplat.backend.run import FAILED, run_job
from tests.faces import ASTRONAUT, RecordingContext, astronaut, save, two_faces, with_closed_eyes, with_cup

ROOT = Path(__file__).resolve().parents[2]
LOAD_AND_MEASURE = """
import importlib.util, sys
from pathlib import Path
root = sys.argv[1]
spec = importlib.util.spec_from_file_location("gazesplat", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["gazesplat"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["gazesplat"])
from gazesplat.backend.model.photo import load_photo
height, width, _ = load_photo(Path(sys.argv[2])).pixels.shape
kilobytes = 0
if sys.platform == "linux":
    kilobytes = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(height, width, kilobytes)
"""


def _text_called_jpg(folder: Path) -> Path:
    path = folder / "photo.jpg"
    path.write_text("This is no picture.\n" * 50, encoding="utf-8")
    return path


def _truncated_jpeg(folder: Path) -> Path:
    whole = save(astronaut(), folder / "whole.jpg", quality=90).read_bytes()
    path = folder / "cut.jpg"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _truncated_png(folder: Path) -> Path:
    path = folder / "cut.png"
    path.write_bytes(ASTRONAUT.read_bytes()[:200_000])
    return path


def _empty(folder: Path) -> Path:
    path = folder / "empty.png"
    path.write_bytes(b"")
    return path


def _folder_called_jpg(folder: Path) -> Path:
    path = folder / "folder.jpg"
    path.mkdir()
    return path


def _landscape(folder: Path) -> Path:
    y, x = np.mgrid[0:480, 0:640]
    return save(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8), folder / "landscape.png")


def _smaller(share: float) -> np.ndarray:
    return cv2.resize(astronaut(), None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


BAD = {
    "photo-missing": (lambda f: f / "nowhere.jpg", {}),
    "photo-missing-folder": (_folder_called_jpg, {}),
    "photo-unreadable": (_text_called_jpg, {}),
    "photo-unreadable-empty": (_empty, {}),
    "photo-truncated": (_truncated_jpeg, {}),
    "photo-truncated-png": (_truncated_png, {}),
    "photo-too-small": (lambda f: save(_smaller(40 / 512), f / "40x40.png"), {}),
    "no-face": (_landscape, {}),
    "photo-sideways": (lambda f: save(np.ascontiguousarray(np.rot90(astronaut())), f / "lying.png"), {}),
    "several-faces": (lambda f: save(two_faces(astronaut()), f / "two.png"), {}),
    "face-too-small": (lambda f: save(_smaller(0.5), f / "small.png"), {}),
    "face-cut": (lambda f: save(astronaut()[:, 215:], f / "cut.png"), {}),
    "eyes-closed": (lambda f: save(with_closed_eyes(astronaut()), f / "closed.png"), {}),
    "profile-view": (lambda f: ASTRONAUT, {"head_to_camera": [[0.5, -0.866, 0.0], [0.0, 0.0, -1.0], [0.866, 0.5, 0.0]]}),
    "bad-option": (lambda f: ASTRONAUT, {"focal_px": -3.0}),
    "bad-eye-ruler": (lambda f: ASTRONAUT, {"eye_ruler": {"iris_diameter_m": 11.8}}),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_with_code_sentence_and_way_out(name: str, tmp_path: Path) -> None:
    make, options = BAD[name]
    with pytest.raises(GazeSplatError) as caught:
        scan_photo(make(tmp_path), options, RecordingContext())
    error = caught.value
    assert name.startswith(error.code), error
    assert error.message.endswith(".") and "\n" not in error.message and len(error.message) < 200
    assert error.hint.endswith(".") and "\n" not in error.hint


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    shutil.copyfile(ASTRONAUT, path)
    path.chmod(0)
    with pytest.raises(GazeSplatError) as caught:
        scan_photo(path, {}, RecordingContext())
    assert caught.value.code == "photo-unreadable"


@pytest.mark.parametrize("make", [_truncated_jpeg, _landscape], ids=["truncated", "no face"])
def test_refused_job_leaves_no_result(make: Callable[[Path], Path], tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    write_job(job, JobSpec(id="job", kind="selfie", input=copy_input(make(tmp_path), job)))
    assert run_job(job, log_name="log.txt") == FAILED
    last = json.loads((job / "events.jsonl").read_text("utf-8").splitlines()[-1])
    assert last["type"] == "failed" and last["code"] in ("photo-truncated", "no-face")
    assert sorted(p.name for p in job.iterdir() if p.name.startswith("result")) == []


def test_covered_face_is_told(tmp_path: Path) -> None:
    context = RecordingContext()
    scan_photo(save(with_cup(astronaut()), tmp_path / "cup.png"), {}, context)
    assert "occluded" in context.codes


def test_plain_photo_warns_only_of_its_size(tmp_path: Path) -> None:
    context = RecordingContext()
    folder = tmp_path / "Fotos von Zoë (日本)"
    folder.mkdir()
    scan = scan_photo(Path(shutil.copyfile(ASTRONAUT, folder / "schöne Frau ☆.png")), {}, context)
    assert context.codes == ["low-resolution"]
    assert np.isfinite(scan.depth_m[scan.head_mask > 0.5]).all()


@pytest.mark.slow
def test_12000_by_9000_pixels_fit_into_bounded_memory(tmp_path: Path) -> None:
    picture = cv2.copyMakeBorder(astronaut(), 0, 0, 85, 86, cv2.BORDER_REFLECT)
    path = save(cv2.resize(picture, (12000, 9000), interpolation=cv2.INTER_CUBIC), tmp_path / "large.jpg", quality=70)
    done = subprocess.run([sys.executable, "-c", LOAD_AND_MEASURE, str(ROOT), str(path)], capture_output=True, text=True, check=True)
    height, width, kilobytes = map(int, done.stdout.split())
    assert height * width <= 32e6 and abs(width / height - 12000 / 9000) < 0.01
    assert kilobytes < 500_000
