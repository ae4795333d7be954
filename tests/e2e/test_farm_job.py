# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as a farm's job: it keeps to the Open Job Description, and two workers without GazeSplat render it as it is seen here."""
from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

import gazesplat as gs
from tests.portrait_files import write_portrait

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script for a program")
FRAMES = 5


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A small portrait that looks about, set up for Cycles and saved."""
    folder = tmp_path_factory.mktemp("shot")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    portrait = gs.load(write_portrait(folder / "portrait", head_count=300), name="Mara")
    scene = portrait.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    for frame, yaw in ((1, -30.0), (FRAMES, 30.0)):
        portrait.gaze = (yaw, 0.0)
        portrait.root.keyframe_insert('["gaze_yaw"]', frame=frame)
    portrait.setup_render(engine="cycles")
    scene.render.resolution_x = scene.render.resolution_y = 48
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"), compress=True)
    return folder / "shot.blend"


@pytest.fixture
def shot(saved) -> bpy.types.Scene:
    bpy.ops.wm.open_mainfile(filepath=str(saved))
    return bpy.context.scene


@pytest.fixture
def blender(tmp_path, root) -> Path:
    """A program that behaves as Blender does on a farm."""
    program = tmp_path / "blender"
    program.write_text(f'#!/bin/sh\nexec env -u GAZESPLAT_BACKEND_PYTHON BLENDER_USER_RESOURCES="{tmp_path / "profile"}" '
                       f'"{sys.executable}" "{root / "tests" / "blender_program.py"}" "$@"\n', "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def started(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "PYTHONUNBUFFERED": "1"})


def ended(process: subprocess.Popen) -> str:
    told = process.communicate(timeout=300)[0]
    assert process.returncode == 0, told[-4000:]
    return told


def pixels(path: Path) -> np.ndarray:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values


def test_two_workers_render_it_as_it_is_seen_here(shot, blender, openjd, tmp_path):
    job = tmp_path / "the job, äöü"
    template = gs.write_farm_job(job, frames_per_task=3, blender=str(blender))
    ended(started(openjd("check", template)))
    workers = [started(openjd("run", template, "--step", "Render", "--tasks", json.dumps([{"Start": start}]))) for start in (1, 4)]
    for worker in workers:
        ended(worker)
    frames = sorted((job / "frames").iterdir())
    assert [frame.name for frame in frames] == [f"frame_{number:04d}.png" for number in range(1, FRAMES + 1)]
    ended(started(openjd("run", template, "--step", "Video")))
    film = bpy.data.movieclips.load(str(job / "frames" / "shot.mp4"))
    assert film.frame_duration == FRAMES and tuple(film.size) == (48, 48)
    shot.frame_set(4)
    shot.render.filepath = str(tmp_path / "here.png")
    bpy.ops.render.render(write_still=True)
    assert np.array_equal(pixels(tmp_path / "here.png"), pixels(frames[3])), "the farm's picture is ours"
    assert np.abs(pixels(frames[0]) - pixels(frames[4])).max() > 0.02, "and it moves"


def test_a_missing_frame_stops_the_film(shot, blender, openjd, tmp_path):
    template = gs.write_farm_job(tmp_path / "job", blender=str(blender))
    (tmp_path / "job" / "frames").mkdir()
    told = started(openjd("run", template, "--step", "Video")).communicate(timeout=300)[0]
    assert "5 frames are missing, the first is frame_0001.png" in told
    assert not list((tmp_path / "job" / "frames").iterdir())


def test_deadline_cloud_takes_the_template(shot, tmp_path):
    """It takes version 2023-09 and names its limits; extensions would have to be enabled."""
    template = json.loads(gs.write_farm_job(tmp_path / "job").read_text("utf-8"))
    assert template["specificationVersion"] == "jobtemplate-2023-09" and "extensions" not in template
    assert {p["name"]: (p["type"], p.get("dataFlow")) for p in template["parameterDefinitions"] if p["type"] == "PATH"} == {
        "SceneFile": ("PATH", "IN"), "OutputFolder": ("PATH", "OUT")}
    assert [(s["name"], s.get("dependencies")) for s in template["steps"]] == [("Render", None), ("Video", [{"dependsOn": "Render"}])]
    assert not any(Path(str(p["default"])).is_absolute() for p in template["parameterDefinitions"]), "the bundle can be moved"
    assert len(json.dumps(template)) < 300_000


def test_a_file_that_is_not_ready_is_refused(shot, tmp_path):
    shot.render.engine = "BLENDER_WORKBENCH"
    with pytest.raises(gs.GazeSplatError, match="does not draw splats") as refused:
        gs.write_farm_job(tmp_path / "job")
    assert refused.value.code == "not-for-farms" and not (tmp_path / "job").exists()
    assert gs.write_farm_job(tmp_path / "job", unchecked=True).is_file()


def test_a_file_never_saved_is_refused(tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with pytest.raises(gs.GazeSplatError) as refused:
        gs.write_farm_job(tmp_path / "job")
    assert refused.value.code == "not-saved"


@pytest.mark.parametrize("asked", [{"start": 9, "end": 3}, {"frames_per_task": 0}])
def test_empty_ranges_are_refused(shot, tmp_path, asked):
    with pytest.raises(gs.GazeSplatError, match="nothing to render"):
        gs.write_farm_job(tmp_path / "job", **asked)


def test_a_place_that_cannot_be_written_is_said(shot, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(gs.GazeSplatError, match="Choose another folder"):
        gs.write_farm_job(tmp_path / "file")
