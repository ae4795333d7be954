# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's road in Blender, small: scene, motion, frames, clip; and its file on a farm without GazeSplat."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.engine_pictures import backend_python
from tests.portrait_files import write_portrait

FRAMES = 16


def run(script: Path, *arguments: object, profile: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GAZESPLAT")}
    done = subprocess.run([sys.executable, "-P", str(script), *map(str, arguments)], env={**env, "BLENDER_USER_RESOURCES": str(profile)},
                          capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def demo(root, tmp_path_factory) -> Path:
    """What the demo wrote for a made-up portrait."""
    out = tmp_path_factory.mktemp("demo") / "wöhin damit"
    portrait = write_portrait(tmp_path_factory.mktemp("portrait") / "portrait")
    script = root / "docs" / "examples" / "demo_scene.py"
    told = subprocess.run([sys.executable, str(script), "--portrait", str(portrait), "--out", str(out), "--frames", str(FRAMES),
                           "--size", "96", "--engine", "cycles"], capture_output=True, text=True, check=False, timeout=500,
                          env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path_factory.mktemp("profile"))})
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    assert told.stdout.count(" s\n") >= 6, "every step says how long it took"
    return out


@pytest.fixture(scope="module")
def own_demo(root, demo, tmp_path_factory) -> Path:
    """The same by our own engine, which is what the demo takes where nothing is said."""
    backend = backend_python()
    out = tmp_path_factory.mktemp("own")
    script, portrait = root / "docs" / "examples" / "demo_scene.py", write_portrait(tmp_path_factory.mktemp("portrait") / "portrait")
    told = subprocess.run([sys.executable, str(script), "--portrait", str(portrait), "--out", str(out), "--frames", str(FRAMES),
                           "--size", "96"], capture_output=True, text=True, check=False, timeout=500,
                          env={**os.environ, "GAZESPLAT_BACKEND_PYTHON": str(backend),
                               "BLENDER_USER_RESOURCES": str(tmp_path_factory.mktemp("profile"))})
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    return out


def read(path: Path) -> np.ndarray:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1, :, :3] * 255.0


def test_demo_writes_everything(demo):
    assert {path.name for path in demo.iterdir()} == {"portrait.blend", "frames", "clip.mp4", "contact_sheet.png", "eyes_2x.png"}
    assert [path.name for path in sorted((demo / "frames").iterdir())] == [f"{frame:04d}.png" for frame in range(1, FRAMES + 1)]


def test_clip_has_the_frames(demo, clean):
    clip = bpy.data.movieclips.load(str(demo / "clip.mp4"))
    assert clip.frame_duration == FRAMES and tuple(clip.size) == (96, 96) and clip.fps == pytest.approx(24.0)


def test_the_face_is_in_the_picture_and_moves(demo, clean):
    first, left, right = (read(demo / "frames" / f"{frame:04d}.png") for frame in (1, 5, 9))
    head = np.abs(first - first[0, 0]).max(2) > 12.0
    assert 0.3 < head.mean() < 0.9, "the head fills the picture"
    assert 0.7 < np.ptp(np.flatnonzero(head.any(1))) / 96 < 0.98
    assert np.abs(left - right).max() > 40.0


def test_our_own_engine_makes_the_pictures_of_the_node_display(demo, own_demo, clean):
    """Poses of a whole clip, by the twin in the worker and by the node tree in Cycles."""
    assert {path.name for path in own_demo.iterdir()} == {path.name for path in demo.iterdir()}
    for frame in range(1, FRAMES + 1):
        own, display = (read(folder / "frames" / f"{frame:04d}.png") / 255.0 for folder in (own_demo, demo))
        assert -10.0 * np.log10(max(np.mean((own - display) ** 2), 1e-9)) > 50.0, frame


def test_the_file_renders_the_same_without_gazesplat_and_without_scripts(demo, tmp_path, root):
    frames = (1, 5, 11, FRAMES)
    told = json.loads(run(root / "tests" / "e2e" / "render_blend.py", demo / "portrait.blend", tmp_path, *frames,
                          profile=tmp_path / "profile").splitlines()[-1])
    assert told["modules"] == [] and told["addons"] == [] and told["texts"] == []
    assert told["drivers"] >= 10 and told["not_simple"] == []
    assert told["outside_files"] == []
    worst = max(float(np.abs(read(tmp_path / f"{frame:04d}.png") - read(demo / "frames" / f"{frame:04d}.png")).max()) for frame in frames)
    assert worst == 0.0
