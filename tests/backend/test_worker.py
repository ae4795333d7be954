# SPDX-License-Identifier: GPL-3.0-or-later
"""The render worker: its frames are the rasteriser's own, to the bit, and it lives and dies as it should."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.worker.frames import joined, moved
from gazesplat.gazesplat_addon.engine.worker_client import HeldSplats, RenderWorker
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import to_json
from tests.synthetic import synthetic_portrait

PYTHON = Path(sys.executable)
MATTES = {"irises": (11, 12, 21, 22), "head": (0,)}
CAMERA = Camera(96, 80, 190.0, 190.0, 48.0, 40.0, np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0.6], [0, 0, 0, 1.0]]))


def held(portrait, digest="a") -> HeldSplats:
    splats, groups, rig = portrait
    arrays = {name: getattr(splats, name) for name in ("means", "scales", "rotations", "opacities", "colours")}
    if splats.sh_degree:
        arrays["sh_rest"] = splats.sh_rest
    return HeldSplats(digest, {**arrays, "groups": groups}, to_json(rig))


def eyes_of(pose: Pose) -> dict:
    return {side: [eye.yaw_deg, eye.pitch_deg, eye.blink, eye.pupil] for side, eye in pose.eyes.items()}


def entry(matrix=None, pose=None, digest="a") -> dict:
    matrix = np.eye(4) if matrix is None else matrix
    return {"digest": digest, "matrix": matrix.ravel().tolist(), "eyes": eyes_of(pose or Pose())}


def request(*entries, camera=CAMERA, **more) -> dict:
    return {"camera": camera.as_dict(), "portraits": list(entries), "depth": True, "mattes": MATTES, **more}


def turned(angle: float, *move: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = move
    return matrix


@pytest.fixture(scope="module")
def portrait():
    return synthetic_portrait(head_count=400, sh_degree=1)


@pytest.fixture(scope="module")
def worker():
    worker = RenderWorker()
    yield worker
    worker.stop()


def assert_same(picture, frame):
    np.testing.assert_array_equal(picture.arrays["rgba"], frame.rgba())
    np.testing.assert_array_equal(picture.arrays["depth"], frame.depth)
    for name, matte in frame.mattes.items():
        np.testing.assert_array_equal(picture.arrays[f"matte:{name}"], matte)


def test_frame_is_the_rasterisers_own(worker, portrait):
    pose = Pose({"left": EyePose(12.0, -5.0, 0.3, 1.4), "right": EyePose(9.0, -5.0, 0.1, 0.8)})
    matrix = turned(0.3, 0.01, 0.02, -0.03)
    own = replace(CAMERA, w2c=CAMERA.w2c @ matrix)
    picture = worker.draw(PYTHON, request(entry(matrix, pose)), {"a": held(portrait)})
    assert_same(picture, render(pose_splats(*portrait, pose, own.position), own, depth=True, mattes=MATTES))


def test_glances_and_blinks_one_after_another_are_as_if_drawn_alone(worker, portrait):
    for yaw_deg, blink, pupil in ((0.0, 0.0, 1.0), (15.0, 0.0, 1.0), (15.0, 1.0, 1.0), (-20.0, 0.4, 1.5), (-20.0, 0.4, 1.5)):
        pose = Pose.both(yaw_deg, 3.0, blink, pupil)
        picture = worker.draw(PYTHON, request(entry(pose=pose)), {"a": held(portrait)})
        frame = render(pose_splats(*portrait, pose, CAMERA.position), CAMERA, depth=True, mattes=MATTES)
        assert_same(picture, frame)
        windows = worker.draw(PYTHON, request(entry(pose=Pose.both()), windows=True), {"a": held(portrait)})
        windows = worker.draw(PYTHON, request(entry(pose=pose), windows=True), {"a": held(portrait)})
        np.testing.assert_allclose(windows.arrays["rgba"], frame.rgba(), atol=1e-5)


def test_two_portraits_are_sorted_together(worker, portrait):
    other = synthetic_portrait(seed=5, head_count=300)
    places = turned(0.0, -0.02, 0.0, 0.0), turned(0.5, 0.03, 0.01, 0.01)
    poses = Pose.both(8.0), Pose.both(-8.0, 0.0, 0.5)
    for pose in (poses[1], Pose.both(3.0)):
        asked = request(entry(places[0], poses[0]), entry(places[1], pose, "b"))
        picture = worker.draw(PYTHON, asked, {"a": held(portrait), "b": held(other, "b")})
        common = replace(CAMERA, w2c=CAMERA.w2c @ places[0])
        between = np.linalg.solve(places[0], places[1])
        first = pose_splats(*portrait, poses[0], common.position)
        second = moved(pose_splats(*other, pose), between)
        assert_same(picture, render(joined([first, second]), common, depth=True, mattes=MATTES))


def test_parallel_camera_crops_and_settings(worker, portrait):
    camera = replace(CAMERA, fx=300.0, fy=300.0, orthographic=True).cropped(20, 10, 50, 40)
    settings = {"alpha_cap": 0.9, "low_pass_px2": 0.5, "supersample": 2}
    picture = worker.draw(PYTHON, request(entry(), camera=camera, settings=settings), {"a": held(portrait)})
    posed = pose_splats(*portrait, Pose(), np.array([0.0, -1e4 - 0.6, 0.0]))
    frame = render(posed, camera, RenderSettings(**settings), depth=True, mattes=MATTES)
    np.testing.assert_allclose(picture.arrays["rgba"], frame.rgba(), atol=1e-5)


def test_nothing_to_draw_is_an_empty_picture(worker):
    picture = worker.draw(PYTHON, request(), {})
    assert picture.arrays["rgba"].shape == (80, 96, 4) and not picture.arrays["rgba"].any()


def test_a_glance_sends_little(worker, portrait):
    worker.draw(PYTHON, request(entry()), {"a": held(portrait)})
    assert worker.draw(PYTHON, request(entry(pose=Pose.both(5.0))), {"a": held(portrait)}).bytes_sent < 4096


def test_killed_worker_starts_again(worker, portrait):
    before = worker.draw(PYTHON, request(entry()), {"a": held(portrait)})
    first = worker.pid
    os.kill(first, signal.SIGKILL)
    after = worker.draw(PYTHON, request(entry()), {"a": held(portrait)})
    assert worker.pid not in (None, first)
    np.testing.assert_array_equal(before.arrays["rgba"], after.arrays["rgba"])


def test_cancelled_frame_does_not_answer_the_next(worker, portrait):
    assert worker.draw(PYTHON, request(entry(pose=Pose.both(20.0))), {"a": held(portrait)}, lambda: True) is None
    picture = worker.draw(PYTHON, request(entry()), {"a": held(portrait)})
    assert_same(picture, render(pose_splats(*portrait, Pose(), CAMERA.position), CAMERA, depth=True, mattes=MATTES))


def test_what_cannot_be_drawn_is_said_after_one_more_try(worker, portrait):
    with pytest.raises(GazeSplatError) as refused:
        worker.draw(PYTHON, request(entry(digest="unknown")), {"a": held(portrait)})
    assert refused.value.code == "worker-died" and "unknown" in str(refused.value)


def test_missing_python_is_no_backend(tmp_path):
    with pytest.raises(GazeSplatError) as refused:
        RenderWorker().draw(tmp_path / "python", request(), {})
    assert refused.value.code == "no-backend"


def test_python_without_packages_is_said_in_one_sentence(tmp_path):
    """The packages of this environment are not those of a bare one that is made from the same Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True, timeout=120)
    bare = tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    with pytest.raises(GazeSplatError) as refused:
        RenderWorker().draw(bare, request(), {})
    assert refused.value.code == "worker-died" and "No module named" in str(refused.value) and "Traceback" not in str(refused.value)


STARTS_AND_DIES = """
import importlib.util, os, signal, sys
sys.path.insert(0, {root!r})
import tests.conftest
from pathlib import Path
from gazesplat.gazesplat_addon.engine.worker_client import RenderWorker
from tests.backend.test_worker import request
worker = RenderWorker()
worker.draw(Path(sys.executable), request(), {{}})
print(worker.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_worker_ends_with_whoever_started_it(root):
    finished = subprocess.run([sys.executable, "-c", STARTS_AND_DIES.format(root=str(root))], capture_output=True, text=True, timeout=120)
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    pid, deadline = int(finished.stdout), time.monotonic() + 20.0
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    if not stat.parent.parent.joinpath("self").exists():
        pytest.skip("needs /proc to look at a process that is not a child")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
