# SPDX-License-Identifier: GPL-3.0-or-later
"""A real clip whose job is killed, with SIGKILL, as its stages begin, and tried again each time (docs/faults.md).

The suite kills it where a child works, and once training is done. GAZESPLAT_EVERY_STAGE=1 kills it in every stage, and
compares what comes out with a job that nobody killed.
"""
from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.process_identity import start_mark
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.video.eye_scan import as_seen
from gazesplat.gazesplat_addon.jobs import process, registry, state
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.jobs.state import Job
from gazesplat.gazesplat_addon.rig.pose import Pose
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.rig.still import frozen
from gazesplat.gazesplat_addon.splat.files import read_splats
from gazesplat.gazesplat_addon.splat.ply import read_ply
from tests.clips import write_clip
from tests.jobs_at_work import ORPHANS_END_S, PYTHON, is_clear, until

pytest.importorskip("torch", reason="the video part of the backend's environment is not installed")
pytest.importorskip("pycolmap", reason="the video part of the backend's environment is not installed")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find what a process has started")

SAMPLE = Path(__file__).resolve().parents[2] / "gazesplat_addon" / "sample"
WIDTH, HEIGHT, FOCAL = 200, 256, 660.0
OPTIONS = {"num_frames": 8, "num_iters": 100, "height": 90, "sh_degree": 0, "linear_refit": False}
LONG_S = 400.0
FRAMES, MASKS, CAMERAS, TRAINING, EYES = ("Choosing frames", "Separating the head", "Finding the cameras", "Training the head",
                                          "Building the eyes")
STAGES = (FRAMES, MASKS, CAMERAS, TRAINING, EYES, "Drawing the preview", "Writing")
# What a stage leaves behind for the next try.
LEAVES = {FRAMES: "frames/frames.npz", MASKS: "frames/masks/0000.png", CAMERAS: "views/cameras.npz", TRAINING: "training.npz"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, filmed on an arc, as small as its face can be read."""
    splats = read_splats(SAMPLE / "portrait.spz")
    rig, groups = load_sidecar(SAMPLE, len(splats))
    head, pictures = frozen(splats, groups, rig, Pose(), np.eye(4)), []
    for yaw in np.radians(np.linspace(-26.0, 26.0, 10)):
        turn, (s, c) = np.eye(4), (np.sin(yaw), np.cos(yaw))
        turn[:3, :3], turn[:3, 3] = [[c, s, 0.0], [0.0, 0.0, -1.0], [-s, c, 0.0]], [0.0, 0.02, 0.6]
        camera = Camera(WIDTH, HEIGHT, FOCAL, FOCAL, 0.5 * WIDTH, 0.5 * HEIGHT, turn)
        frame = render(as_seen(head, camera), camera, RenderSettings())
        picture = np.clip(frame.rgb + 0.45 * (1.0 - frame.alpha[..., None]), 0.0, 1.0)
        pictures.append(np.round(255.0 * picture).astype(np.uint8))
    return write_clip(tmp_path_factory.mktemp("clip") / "head.mp4", pictures, fps=10.0)


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, and those that these have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def killed_in(job: Job, stage: str) -> None:
    """Wait until a stage has begun, where the cameras are sought also its child, and kill the job; nothing of it lives on."""
    pid = job._mark.pid

    def begun() -> bool:
        job.poll()
        assert job.state == state.RUNNING, (job.state, job.stage, job.error)
        return job.stage == stage and (stage != CAMERAS or bool(descendants(pid)))
    until(begun, LONG_S)
    family = {pid} | descendants(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not any(start_mark(one) for one in family), ORPHANS_END_S)
    assert job.wait(LONG_S) == state.CRASHED and job.stage == stage


def left_by(job: Job, stages: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return what these stages have left for the next try: each file's number and time, so that one that is written again differs."""
    found = {name: (job.folder / paths.WORK / name).stat() for stage in stages if (name := LEAVES.get(stage))}
    return {name: (one.st_ino, one.st_mtime_ns) for name, one in found.items()}


def killed_and_tried_again(clip: Path, jobs: Path, stages: tuple[str, ...], prepared: Path) -> Job:
    """Return a job that was killed once in each of the stages, and is done in the end; its ``work/`` before training is copied."""
    job, before = Job(create_job(jobs, "video", clip, quality="draft", device="cpu", options=OPTIONS)), {}
    try:
        for stage in stages:
            job.start(PYTHON)
            killed_in(job, stage)
            assert is_clear(job.error, "crashed") and not (job.folder / paths.RESULT).exists()
            assert (job.folder / job.spec.input).read_bytes() == clip.read_bytes()
            left = left_by(job, STAGES[:STAGES.index(stage)])
            assert before.items() <= left.items(), "what was finished was not done again"
            before = left
            if stage == TRAINING:
                shutil.copytree(job.folder / paths.WORK, prepared)
            assert Job(job.folder).state == state.CRASHED, "the next Blender sees it too"
            job = registry.reset(job)
        job.start(PYTHON)
        assert job.wait(LONG_S) == state.DONE, job.error
    finally:
        process.kill(job._mark)
    assert len(list(job.folder.glob("events-*.jsonl"))) == len(stages)
    assert not result.missing_files(job.result_folder) and not (job.folder / paths.WORK).exists()
    return job


def steps_of(job: Job) -> list[int]:
    """Return the steps of training that the job's last try has told of."""
    lines = (job.folder / paths.EVENTS).read_text("utf-8")
    return [int(step) for step in re.findall(rf'"(\d+) of {OPTIONS["num_iters"]}, loss', lines)]


def is_portrait(folder: Path) -> None:
    splats = read_ply(folder / result.PLY)
    rig, groups = load_sidecar(folder, len(splats), splats.means)
    assert set(rig.eyes) == {"left", "right"} and len(np.unique(groups)) > 10


def test_clip_that_is_killed_goes_on_where_it_was(clip, tmp_path):
    job = killed_and_tried_again(clip, tmp_path / "jobs", (CAMERAS, EYES), tmp_path / "prepared")
    assert steps_of(job) == [], "a head that is trained is not trained again"
    is_portrait(job.result_folder)


@pytest.mark.skipif(os.environ.get("GAZESPLAT_EVERY_STAGE") != "1", reason="takes minutes; GAZESPLAT_EVERY_STAGE=1 runs it")
def test_clip_killed_at_every_stage(clip, tmp_path):
    killed = killed_and_tried_again(clip, tmp_path / "jobs", STAGES, tmp_path / "prepared")
    is_portrait(killed.result_folder)
    # COLMAP does not repeat itself to the digit: the other job goes on from the same cameras, and all else must come out the same.
    whole = Job(create_job(tmp_path / "jobs", "video", clip, quality="draft", device="cpu", options=OPTIONS))
    shutil.copytree(tmp_path / "prepared", whole.folder / paths.WORK)
    whole.start(PYTHON)
    try:
        assert whole.wait(LONG_S) == state.DONE, whole.error
    finally:
        process.kill(whole._mark)
    assert steps_of(whole)[-1] == OPTIONS["num_iters"]
    assert (whole.result_folder / result.PLY).read_bytes() == (killed.result_folder / result.PLY).read_bytes()
