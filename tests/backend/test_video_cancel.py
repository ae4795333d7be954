# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever asks the video road to stop is heard at its next report, in structure from motion and in training; and it goes on from there."""
from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, head_splats
from gazesplat.backend.context import Cancelled, JobContext
from gazesplat.backend.contract import paths
from gazesplat.backend.contract.events import Writer
from gazesplat.backend.contract.job import JobSpec
from gazesplat.backend.model.scan import EyeRuler
from gazesplat.backend.render import RenderSettings, render
from gazesplat.backend.video import sfm
from gazesplat.backend.video.clip import IMAGES, MASKS, Cameras, Clip, Frames, write_png
from gazesplat.gazesplat_addon.rig.pose import PosedSplats

pytest.importorskip("torch", reason="the video part of the backend's environment is not installed")

from gazesplat.backend.stages.video import CHECKPOINT, train_head
from gazesplat.backend.train.settings import TrainSettings

STEPS = 40


def job(folder, echo=None):
    """A job folder and its context; every event goes to ``echo``."""
    folder.mkdir()
    writer = Writer(folder, echo)
    return writer, JobContext(folder, JobSpec(id="job", kind="video", input="clip"), writer)


def test_structure_from_motion_that_hears_no_signal_is_ended(tmp_path, monkeypatch):
    """The child asks for the cancelling itself, so that it certainly runs by then; it would go on for a minute."""
    child, reports = tmp_path / "child.py", []
    child.write_text("import pathlib, signal, sys, time\n"
                     "for one in (signal.SIGTERM, signal.SIGINT):\n    signal.signal(one, signal.SIG_IGN)\n"
                     f"pathlib.Path(sys.argv[1]).parent.joinpath({paths.CANCEL!r}).touch()\ntime.sleep(60)\n")
    monkeypatch.setattr(sfm, "_CHILD", child)
    started, popen = [], sfm.subprocess.Popen
    monkeypatch.setattr(sfm.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    writer, context = job(tmp_path / "job")

    class Counted(JobContext):
        def progress(self, fraction, text=""):
            reports.append((self.folder / paths.CANCEL).exists())
            super().progress(fraction, text)

    context.__class__ = Counted
    (context.folder / "request.json").write_text("{}")
    with closing(writer), pytest.raises(Cancelled):
        sfm._run_child(context.folder / "request.json", context)
    assert started[0].poll() is not None
    assert sum(reports) <= 1       # not one report more than the one that saw it; they come every tenth of a second


@pytest.fixture
def clip(tmp_path):
    """Eight views of a synthetic head, as the first half of the road leaves them."""
    head, _ = head_splats(1500, seed=2)
    head = replace(head, opacities=np.full(len(head), 0.95, np.float32), scales=np.clip(1.5 * head.scales, 0.001, 0.006))
    posed = PosedSplats(head.means, head.linear_factors(), head.opacities, head.colours, np.zeros(len(head), np.uint8))
    folder, placed, lens = tmp_path / "views", [], head_camera(72, 80)
    for kind in (IMAGES, MASKS):
        (folder / kind).mkdir(parents=True)
    names = tuple(f"{i:04d}.png" for i in range(8))
    for name, yaw in zip(names, np.radians(np.linspace(-45.0, 45.0, 8) + 20.0), strict=True):
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        placed.append(lens.w2c @ turn)
        drawn = render(posed, replace(lens, fx=0.7 * lens.fx, fy=0.7 * lens.fy, w2c=placed[-1]), RenderSettings())
        write_png(folder / IMAGES / name, np.round(255.0 * np.clip(drawn.rgb, 0.0, 1.0)).astype(np.uint8))
        write_png(folder / MASKS / name, np.round(255.0 * drawn.alpha).astype(np.uint8))
    ones, unknown = np.ones(8), np.full((8, 478, 3), np.nan)
    frames = Frames(folder, names, 72, 80, np.arange(8), np.arange(8) / 5.0, ones, ones, unknown)
    cameras = Cameras(0.7 * lens.fx, 0.7 * lens.fy, lens.cx, lens.cy, np.array(placed), np.zeros((0, 3), np.float32),
                      np.zeros((0, 3), np.uint8), np.full((478, 3), np.nan), EyeRuler(), "sfm-scene")
    return Clip(frames, cameras)


def test_training_stops_at_its_next_step_and_goes_on_from_there(clip, tmp_path):
    settings, steps = TrainSettings(STEPS, first_splats=600, most_splats=900, checkpoint_every_s=0.0), {"first": [], "second": []}
    work = tmp_path / "work"

    def heard(run, event, cancel=None):
        step = re.match(r"(\d+) of", event.get("text", ""))
        if step:
            steps[run].append(int(step[1]))
            if cancel is not None and steps[run][-1] >= 12:
                cancel.touch()

    folder = tmp_path / "first"
    writer, context = job(folder, lambda event: heard("first", event, folder / paths.CANCEL))
    context.work = work
    with closing(writer), pytest.raises(Cancelled):
        train_head(clip, 72, settings, context)
    # The report that made the file is the last one: cancelling took no step more.
    assert 12 <= steps["first"][-1] < STEPS and (work / CHECKPOINT).is_file()
    writer, context = job(tmp_path / "second", lambda event: heard("second", event))
    context.work = work
    with closing(writer):
        head = train_head(clip, 72, settings, context)
    assert steps["second"][0] > steps["first"][-1] and steps["second"][-1] == STEPS and len(head.splats) > 40
