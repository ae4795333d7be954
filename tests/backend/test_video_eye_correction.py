# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait that came from a clip keeps what its eyes are built again from: as an artist draws them, on the head as it was trained."""
from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.job import JobSpec, write_job
from gazesplat.backend.eyes.geometry import from_eye
from gazesplat.backend.model.landmarks import FaceReader
from gazesplat.backend.model.scan import EyeRuler
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.run import DONE, FAILED, run_job
from gazesplat.backend.video import eye_fit
from gazesplat.backend.video.clip import Cameras, Clip, Frames, write_png
from gazesplat.backend.video.eye_scan import as_seen
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.rig import eye_marks, lids, parts
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.rig.still import frozen
from gazesplat.gazesplat_addon.splat.files import read_splats

pytest.importorskip("torch", reason="the video part of the backend's environment is not installed")

from gazesplat.backend.stages import video

SAMPLE = Path(__file__).resolve().parents[2] / "gazesplat_addon" / "sample"
WIDTH, HEIGHT, FOCAL = 330, 420, 1100.0
YAWS_DEG = (-24.0, -10.0, 0.0, 12.0, 26.0)
UP_PX = 2.0


def camera_at(yaw_deg: float) -> Camera:
    """60 cm before the face, an iris ten pixels wide."""
    turn, (s, c) = np.eye(4), (np.sin(np.radians(yaw_deg)), np.cos(np.radians(yaw_deg)))
    turn[:3, :3], turn[:3, 3] = [[c, s, 0.0], [0.0, 0.0, -1.0], [-s, c, 0.0]], [0.0, 0.02, 0.6]
    return Camera(WIDTH, HEIGHT, FOCAL, FOCAL, 0.5 * WIDTH, 0.5 * HEIGHT, turn)


def filmed(head, folder: Path) -> Clip:
    """The sample from five sides, as a clip with its masks and cameras."""
    names = tuple(f"{n}.png" for n in range(len(YAWS_DEG)))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    cameras = [camera_at(yaw) for yaw in YAWS_DEG]
    for name, camera in zip(names, cameras, strict=True):
        frame = render(as_seen(head, camera), camera, RenderSettings())
        picture = np.clip(frame.rgb + 0.4 * (1.0 - frame.alpha[..., None]), 0.0, 1.0)
        write_png(folder / "images" / name, np.round(255.0 * picture).astype(np.uint8))
        write_png(folder / "masks" / name, np.round(255.0 * frame.alpha.clip(0.0, 1.0)).astype(np.uint8))
    count, ones = len(names), np.ones(len(names))
    frames = Frames(folder, names, WIDTH, HEIGHT, np.arange(count), np.arange(count) / 10.0, ones, ones, np.zeros((count, 478, 3)))
    with FaceReader() as reader:
        pixels = frames.image(YAWS_DEG.index(0.0))
        face = reader.refine(pixels, reader.find(pixels)[0])
    frames.landmarks_px[:] = face.points_px
    middle = 0.5 * WIDTH, 0.5 * HEIGHT
    return Clip(frames, Cameras(FOCAL, FOCAL, *middle, np.array([one.w2c for one in cameras]), np.zeros((0, 3), np.float32),
                                np.zeros((0, 3), np.uint8), np.full((478, 3), np.nan), EyeRuler(), "face"))


@pytest.fixture(scope="module")
def few_steps():
    """Enough of the fit to bend lids and move globes, and cheap."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eye_fit, "SHAPE_STEPS", 30)
        patch.setattr(eye_fit, "COLOUR_STEPS", 10)
        yield patch


@pytest.fixture(scope="module")
def made(few_steps, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait as a video job leaves it; what training would take minutes for is the sample's own splats, made plain."""
    splats = read_splats(SAMPLE / "portrait.spz")
    rig, groups = load_sidecar(SAMPLE, len(splats))
    head = frozen(splats, groups, rig, Pose(), np.eye(4))
    head = replace(head, sh_rest=np.zeros((len(head), 3, 3), np.float32))      # colours that depend on the side, as trained ones do
    clip = filmed(head, tmp_path_factory.mktemp("clip"))

    def trained(clip, side_px, settings, context):
        return video.TrainedHead(head, [], type("Trained", (), {"psnr_db": 30.0}), settings, side_px)

    job = tmp_path_factory.mktemp("made")
    (job / paths.INPUT).mkdir()
    (job / paths.INPUT / "clip.mp4").write_bytes(b"a clip")
    write_job(job, JobSpec(id="made", kind="video", input=f"{paths.INPUT}/clip.mp4", quality="draft", options={"linear_refit": False},
                           device="cpu"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video, "filmed_clip", lambda *_: clip)
        patch.setattr(video, "train_head", trained)
        events = []
        assert run_job(job, log_name="log", echo=events.append) == DONE, events[-1]
    return job / paths.RESULT


def rebuilt(made: Path, folder: Path, eyes: dict) -> Path:
    job = create_job(folder, result.EYES, made / result.PHOTO, options={"eyes": eyes, "linear_refit": False})
    assert run_job(job, log_name="log") == DONE, (job / paths.EVENTS).read_text()
    return job / paths.RESULT


def loaded(folder: Path):
    splats = read_splats(folder / result.PLY)
    rig, groups = load_sidecar(folder, len(splats), splats.means)
    return splats, groups, rig


def beside_margin_px(points: np.ndarray, eye) -> np.ndarray:
    """Return how far points (N, 2) of the frame lie from the rig's upper margin there."""
    camera, x = camera_at(0.0), np.linspace(eye.inner_x_m, eye.outer_x_m, 400)
    y = lids.margins(eye, x, 0.0, 0.0, 0.0).upper_rest
    places = from_eye(eye, np.stack([x, y, lids.lid_height(eye, x, y)], 1)) @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    pixels = places[:, :2] / places[:, 2:] * FOCAL + [camera.cx, camera.cy]
    return np.linalg.norm(points[:, None] - pixels[None], axis=2).min(1)


def seen(folder: Path, yaw_deg: float = 0.0) -> np.ndarray:
    splats, groups, rig = loaded(folder)
    camera = camera_at(yaw_deg)
    frame = render(pose_splats(splats, groups, rig, Pose(), camera.position), camera, RenderSettings())
    return frame.rgb + 0.4 * (1.0 - frame.alpha[..., None])


@pytest.fixture(scope="module")
def unchanged(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rebuilt(made, tmp_path_factory.mktemp("unchanged"), {})


def test_marks_lie_on_the_frame_that_is_kept(made: Path) -> None:
    marks, camera = eye_marks.load_marks(made).marks, camera_at(0.0)
    _, _, rig = loaded(made)
    for side, eye in rig.eyes.items():
        p = camera.w2c[:3] @ np.append(eye.iris_centre_m, 1.0)
        assert np.linalg.norm(p[:2] / p[2] * FOCAL + [0.5 * WIDTH, 0.5 * HEIGHT] - marks[side].iris[:2]) < 2.0
    sizes = {name: (made / name).stat().st_size for name in (result.PHOTO, result.SCAN, result.FRAMES)}
    assert sizes[result.PHOTO] < 300_000 and sizes[result.SCAN] < 60_000 and sizes[result.FRAMES] < 1_500_000, sizes


def test_unchanged_marks_give_the_same_portrait(made: Path, unchanged: Path) -> None:
    (old, old_groups, old_rig), (new, new_groups, new_rig) = loaded(made), loaded(unchanged)
    np.testing.assert_array_equal(old_groups, new_groups)
    for name in ("means", "scales", "colours", "opacities", "sh_rest"):
        np.testing.assert_allclose(getattr(new, name), getattr(old, name), atol=1e-2, err_msg=name)
    assert new_rig.camera == old_rig.camera and new_rig.provenance == old_rig.provenance
    # Fits that start a rounding apart end a little apart: 8 bits hardly show it, and in few pixels.
    apart = np.abs(seen(unchanged) - seen(made)).max(-1)
    assert apart.max() < 0.03 and (apart > 0.004).mean() < 0.001


def test_a_lid_that_was_moved_moves_and_nothing_beyond_the_eye_does(made: Path, unchanged: Path, tmp_path: Path) -> None:
    found = eye_marks.load_marks(made).marks
    upper = found["left"].upper.copy()
    upper[1:4, 1] -= UP_PX * np.sin(np.pi * np.arange(1, 4) / 4)
    now = rebuilt(made, tmp_path / "up", {"left": {"upper": upper.tolist()}})
    (before, before_groups, old), (after, after_groups, new) = loaded(unchanged), loaded(now)
    assert beside_margin_px(upper, new.eyes["left"]).max() < 0.4            # a lid that was drawn lies as drawn
    assert beside_margin_px(upper, old.eyes["left"]).max() > 0.8 * UP_PX
    assert new.eyes["right"].upper_m == pytest.approx(old.eyes["right"].upper_m, abs=1e-5)
    assert "eyes" in new.provenance and new.camera == old.camera and new.neck_pivot_m == old.neck_pivot_m
    assert new.gaze_distance_m == old.gaze_distance_m
    # The picture changes round this eye alone, from before and from the side, and the head's splats stay but for those under the lids.
    for yaw in (0.0, 20.0):
        change = np.abs(seen(now, yaw_deg=yaw) - seen(unchanged, yaw_deg=yaw)).max(-1) > 0.02
        rows, columns = np.nonzero(change)
        camera = camera_at(yaw)
        p = camera.w2c[:3] @ np.append(new.eyes["left"].iris_centre_m, 1.0)
        middle = p[:2] / p[2] * FOCAL + [camera.cx, camera.cy]
        assert change.sum() > 20
        assert np.hypot(columns - middle[0], rows - middle[1]).max() < 0.028 * FOCAL / p[2]
    heads = [splats.means[groups == parts.HEAD] for splats, groups in ((before, before_groups), (after, after_groups))]
    places = [set(map(bytes, np.round(head, 5).view(np.uint8).reshape(len(head), -1))) for head in heads]
    assert len(places[0] ^ places[1]) < 0.01 * len(heads[0])
    # And back again: the head's own splats were not lost on the way.
    back = rebuilt(now, tmp_path / "back", {"left": {"upper": found["left"].upper.tolist()}})
    assert np.count_nonzero(loaded(back)[1] == parts.HEAD) == len(heads[0])
    assert np.abs(seen(back) - seen(unchanged)).mean() < 0.002


@pytest.mark.parametrize(("spoil", "code"), [
    (lambda folder: (folder / result.FRAMES).unlink(), "no-scan"),
    (lambda folder: (folder / result.FRAMES).write_bytes(b"nothing"), "bad-scan"),
    (lambda folder: change(folder, version=np.int32(9)), "scan-newer"),
    (lambda folder: change(folder, masks=np.zeros(5, np.uint8)), "bad-scan"),
    (lambda folder: change(folder, w2c=np.zeros((5, 4, 4))), "bad-scan"),
    (lambda folder: change(folder, under_means=np.full((3, 3), np.nan, np.float32)), "bad-scan"),
    (lambda folder: (folder / result.SCAN).write_text(
        json.dumps(json.loads((folder / result.SCAN).read_text()) | {"kind": "refit"})), "bad-scan")])
def test_damaged_folders_are_refused(made: Path, tmp_path: Path, spoil, code: str) -> None:
    shutil.copytree(made, tmp_path / "portrait")
    spoil(tmp_path / "portrait")
    job = create_job(tmp_path / "jobs", result.EYES, tmp_path / "portrait" / result.PHOTO)
    assert run_job(job, log_name="log") == FAILED
    assert f'"{code}"' in (job / paths.EVENTS).read_text()


def change(folder: Path, **arrays: np.ndarray) -> None:
    with np.load(folder / result.FRAMES) as file:
        kept = dict(file)
    np.savez_compressed(folder / result.FRAMES, **{**kept, **arrays})
