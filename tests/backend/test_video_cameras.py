# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras round a head: what is met in space, which cameras are believed, and how a wrong one is found out."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gazesplat.backend.context import Cancelled
from gazesplat.backend.model import mask
from gazesplat.backend.model.face_model import face_model
from gazesplat.backend.video import gates, sfm
from gazesplat.backend.video.clip import FACE, SFM_HEAD, Frames
from gazesplat.backend.video.face_poses import face_poses
from gazesplat.backend.video.masks import NECK_SHARE, filled_in_time, outline_mask
from gazesplat.backend.video.poses import Poses, triangulate

WIDTH, HEIGHT, FOCAL = 540, 720, 780.0
YAWS = np.linspace(-35.0, 35.0, 15)


@pytest.fixture
def truth():
    """A canonical face (centimetres) seen by cameras on an arc, 65 cm away."""
    placed = np.tile(np.eye(4), (len(YAWS), 1, 1))
    placed[:, :3, :3] = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("y", YAWS[:, None], degrees=True).as_matrix()
    placed[:, :3, 3] = [0.0, 0.0, 65.0]
    return Poses(np.arange(len(YAWS)), placed, (FOCAL, WIDTH / 2, HEIGHT / 2, -0.05), np.zeros((0, 3)), np.zeros((0, 3), np.uint8), FACE)


@pytest.fixture
def shape():
    return np.concatenate([face_model().vertices, face_model().vertices[:10] + [0.0, 0.0, 0.3]])


def frames_of(tmp_path, landmarks):
    count = len(landmarks)
    full = np.concatenate([landmarks, np.zeros((*landmarks.shape[:2], 1))], axis=-1)
    return Frames(tmp_path, tuple(f"{i:04d}.png" for i in range(count)), WIDTH, HEIGHT, np.arange(count), np.arange(count) / 15.0,
                  np.ones(count), np.ones(count), full)


def test_landmarks_are_met_where_they_are(truth, shape):
    seen = truth.project(shape)
    seen[3] = np.nan
    seen[5, :40] += 60.0
    face = triangulate(truth, seen)
    assert np.abs(face.points - shape).max() < 0.02
    assert np.isnan(face.errors_px[3]) and face.median_px < 0.01


def test_a_similarity_moves_cameras_and_points_together(truth, shape):
    turn = Rotation.from_rotvec([0.3, -0.2, 0.9]).as_matrix()
    moved = truth.moved(0.01, turn, np.array([0.1, 0.2, -0.3]))
    assert np.allclose(moved.project(0.01 * shape @ turn.T + [0.1, 0.2, -0.3]), truth.project(shape), atol=1e-6)


def test_gates_believe_true_cameras_and_find_wrong_ones(tmp_path, truth, shape):
    frames = frames_of(tmp_path, truth.project(shape))
    face = triangulate(truth, frames.landmarks_px)
    assert gates.doubts(truth, face, frames, 0, ordered=True) == []
    still = Poses(truth.which, np.tile(truth.world_to_camera[7], (15, 1, 1)), *[getattr(truth, n) for n in ("lens", "points", "colours")],
                  SFM_HEAD)
    found = gates.doubts(still, triangulate(still, frames.landmarks_px), frames, 1000, ordered=True)
    assert found and "landmarks" in found[0]
    assert gates.parallax_deg(truth, face) > 50.0


def test_a_jump_in_the_cameras_way_is_found(tmp_path, truth, shape):
    frames = frames_of(tmp_path, truth.project(shape))
    face = triangulate(truth, frames.landmarks_px)
    truth.world_to_camera[4, :3, 3] += [40.0, 0.0, 0.0]
    assert "jumps" in gates.doubts(truth, face, frames, 0, ordered=True)[0]
    assert not gates.doubts(truth, face, frames, 0, ordered=False)


def test_the_face_alone_gives_poses(tmp_path, truth, shape):
    """Exact landmarks of a turning canonical face: turns come out within a degree although the focal length is a guess."""
    flat = Poses(truth.which, truth.world_to_camera, (*truth.lens[:3], 0.0), truth.points, truth.colours, FACE)
    found = face_poses(frames_of(tmp_path, flat.project(shape)))
    turn = np.einsum("kij,lij->kl", found.world_to_camera[:, :3, :3], found.world_to_camera[[7], :3, :3])[:, 0]
    assert np.abs(np.degrees(np.arccos(np.clip((turn - 1.0) / 2.0, -1.0, 1.0))) - np.abs(YAWS - YAWS[7])).max() < 1.0


def test_missing_faces_are_filled_in_time(tmp_path, truth, shape):
    landmarks = truth.project(shape)
    landmarks[6:8] = np.nan
    frames = frames_of(tmp_path, landmarks)
    filled = filled_in_time(frames)
    assert np.isfinite(filled).all()
    assert np.abs(filled[6, :, :2] - truth.project(shape)[6]).max() < 12.0


def test_a_view_without_a_face_gets_the_outline_of_its_head():
    """The head's points fill its middle; its rim, half as far out again, is found by its colour."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:160, :200] + 0.5
    head = np.hypot(rows - 80.0, columns - 100.0) < 48.0
    picture = np.where(head[..., None], [150, 110, 90], [60, 90, 120]) + rng.normal(0.0, 12.0, (160, 200, 3))
    angle, away = rng.uniform(0.0, 2.0 * np.pi, 500), 40.0 * np.sqrt(rng.uniform(size=500))
    points = np.column_stack([100.0 + away * np.cos(angle), 80.0 + away * np.sin(angle)])
    cut = outline_mask(np.clip(picture, 0, 255).astype(np.uint8), points) > 0.5
    assert (cut & head).sum() / (cut | head).sum() > 0.93
    assert not outline_mask(np.zeros((160, 200, 3), np.uint8), points[:2]).any()


@pytest.mark.parametrize("yaw", [-55.0, -20.0, 0.0, 55.0])
def test_a_turned_head_keeps_its_brow_lips_and_neck_and_loses_its_shoulders(yaw):
    """From the side the line from ears to chin is tilted: what was below it took the brow's half of a profile away."""
    turn, focal, width, height = Rotation.from_euler("y", yaw, degrees=True).as_matrix(), 700.0, 640, 640

    def seen(points):
        placed = np.asarray(points, float) @ turn.T * [1.0, -1.0, -1.0] + [0.0, 0.0, 60.0]
        return placed[:, :2] / placed[:, 2:] * focal + [width / 2, height / 2]

    face = seen(np.concatenate([face_model().vertices, np.zeros((10, 3))]))
    silhouette = mask._silhouette((height, width), face) > 0
    for x, y in (face[[1, 13, 10, 152]] * 0.96 + 0.04 * face[6]).astype(int):
        assert silhouette[y, x]
    below = mask._below_neck((height, width), face, NECK_SHARE)
    assert not (below & silhouette).any()
    neck, brow, crown = [[0.0, -13.0, -3.0], [0.0, -14.0, 0.0]], [[9.0, 6.0, 1.0], [-9.0, 6.0, 1.0]], [[0.0, 9.0, 6.0], [0.0, 4.0, -13.0]]
    for x, y in seen(neck + brow + crown).astype(int):
        assert not below[y, x]
    shoulders = [below[y, x] for x, y in seen([[17.0, -18.0, -4.0], [-17.0, -18.0, -4.0]]).astype(int)]
    assert any(shoulders) and (all(shoulders) or abs(yaw) > 30.0)      # of a profile the farther one is hidden


def test_cancelling_ends_the_child(tmp_path, monkeypatch):
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(sfm, "_CHILD", slow)
    started = []
    popen = sfm.subprocess.Popen

    def remembered(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    def stop(fraction, text=""):
        raise Cancelled

    monkeypatch.setattr(sfm.subprocess, "Popen", remembered)
    (tmp_path / "request.json").write_text("{}")
    with pytest.raises(Cancelled):
        sfm._run_child(tmp_path / "request.json", SimpleNamespace(progress=stop))
    assert started[0].poll() is not None
