# SPDX-License-Identifier: GPL-3.0-or-later
"""A walk all round a head: its face is seen in a few pictures, some are misread, and a statue's eyes are never open."""
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model.camera import PUPIL_DISTANCE_M
from gazesplat.backend.model.face_model import face_model
from gazesplat.backend.model.landmarks import FaceReader
from gazesplat.backend.model.scan import EyeRuler
from gazesplat.backend.video import cameras, gates
from gazesplat.backend.video.clip import IMAGES, MASKS, SFM_SCENE, Frames, write_png
from gazesplat.backend.video.metric import IRISES, to_portrait_frame
from gazesplat.backend.video.poses import Poses, triangulate
from gazesplat.backend.video.upright import is_confirmed, read_any_way_up, turned_points
from tests.faces import RecordingContext, astronaut

SIDE, FOCAL, AWAY_CM, COUNT = 200, 300.0, 60.0, 20
SHAPE = np.concatenate([face_model().vertices, face_model().vertices[[159] * 5 + [386] * 5]])


@pytest.fixture
def walk(tmp_path):
    """Frames of a ring of cameras (canonical centimetres), landmarks in the five that see the face, masks there, and the cameras."""
    yaws = np.linspace(-180.0, 180.0, COUNT, endpoint=False)
    placed = np.tile(np.eye(4), (COUNT, 1, 1))
    placed[:, :3, :3] = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("y", yaws[:, None], degrees=True).as_matrix()
    placed[:, :3, 3] = [0.0, 0.0, AWAY_CM]
    rng = np.random.default_rng(0)
    head = rng.normal(size=(400, 3))
    head = head / np.linalg.norm(head, axis=1, keepdims=True) * [8.0, 11.0, 10.0] + [0.0, 2.0, -4.0]
    wall = np.column_stack([rng.uniform(-4, 4, 50), rng.uniform(-4, 4, 50), np.full(50, -90.0)])
    poses = Poses(np.arange(COUNT), placed, (FOCAL, SIDE / 2, SIDE / 2, 0.0), np.concatenate([head, wall]), np.zeros((450, 3), np.uint8),
                  SFM_SCENE)
    landmarks = np.concatenate([poses.project(SHAPE), poses.depths(SHAPE)[..., None]], axis=-1)
    landmarks[np.abs(yaws) > 40.0] = np.nan
    for kind in (IMAGES, MASKS):
        (tmp_path / kind).mkdir()
    names, near = tuple(f"{i:04d}.png" for i in range(COUNT)), np.hypot(*(np.mgrid[:SIDE, :SIDE] - SIDE / 2)) < 65
    for name in names:
        write_png(tmp_path / IMAGES / name, np.full((SIDE, SIDE, 3), 90, np.uint8))
        write_png(tmp_path / MASKS / name, near.astype(np.uint8) * 255)
    ones = np.ones(COUNT)
    return Frames(tmp_path, names, SIDE, SIDE, np.arange(COUNT), np.arange(COUNT) / 5.0, ones, 0.0 * ones, landmarks), poses


def found(frames, poses, work, monkeypatch, context):
    """Cameras of frames for which structure from motion answers ``poses``."""
    monkeypatch.setattr(cameras, "run_sfm", lambda *arguments: poses)
    return cameras.find_cameras(frames, frames.with_face, work, EyeRuler(), context, ruler_given=False, ordered=False)


def test_a_statue_is_believed_and_sized_by_its_eyes_distance(walk, tmp_path, monkeypatch):
    frames, poses = walk
    told = RecordingContext()
    clip = found(frames, poses, tmp_path / "work", monkeypatch, told)
    assert len(clip.frames) == COUNT and clip.cameras.source == SFM_SCENE and told.codes == ["size-guessed"]
    apart = np.linalg.norm(np.subtract(*clip.cameras.face_points[list(IRISES.values())]))
    assert apart == pytest.approx(PUPIL_DISTANCE_M)
    # A few masks from the front bound no depth; the wall behind the head is not the head's.
    assert 380 <= len(clip.cameras.points) <= 400
    from_behind = clip.frames.mask(0)
    assert from_behind[SIDE // 2, SIDE // 2] > 0.9 and from_behind[5, 5] < 0.1


def test_one_misread_face_neither_refuses_the_cameras_nor_gives_a_mask(walk, tmp_path, monkeypatch):
    frames, poses = walk
    landmarks = frames.landmarks_px.copy()
    which = np.flatnonzero(frames.with_face)[0]
    landmarks[which, :, 0] = 180.0 - 0.3 * landmarks[which, :, 0]
    clip = found(replace(frames, landmarks_px=landmarks), poses, tmp_path / "work", monkeypatch, RecordingContext())
    assert not clip.frames.with_face[which] and clip.frames.with_face.sum() == 4
    assert np.linalg.norm(clip.cameras.face_points[33] - clip.cameras.face_points[263]) == pytest.approx(0.063 * 8.9 / 6.0, rel=0.3)


def test_cameras_that_every_face_contradicts_are_refused_with_both_reasons(walk, tmp_path, monkeypatch):
    frames, poses = walk
    wrong = replace(poses, world_to_camera=np.roll(poses.world_to_camera, 1, axis=0) @ np.diag([1.0, 1.0, -1.0, 1.0]))
    few = frames.landmarks_px.copy()
    few[np.flatnonzero(frames.with_face)[4:]] = np.nan
    with pytest.raises(GazeSplatError) as refusal:
        found(replace(frames, landmarks_px=few), wrong, tmp_path / "work", monkeypatch, RecordingContext())
    assert refusal.value.code == "no-cameras"
    assert "points lie on the head" in refusal.value.message and "too few frames show the face" in refusal.value.message


def test_faces_all_from_the_front_do_not_hide_the_walk_round_the_head(walk, tmp_path, monkeypatch):
    """Six faces of twenty frames, from one side only: the other frames have the parallax."""
    frames, poses = walk
    middle = COUNT // 2
    placed = poses.world_to_camera.copy()
    placed[middle - 3:middle + 3] = placed[middle]
    placed[middle - 3:middle + 3, 0, 3] += np.linspace(-2.0, 2.0, 6)
    poses = replace(poses, world_to_camera=placed)
    landmarks = np.full((COUNT, 478, 3), np.nan)
    seen = np.concatenate([poses.project(SHAPE), poses.depths(SHAPE)[..., None]], axis=-1)
    landmarks[middle - 3:middle + 3] = seen[middle - 3:middle + 3]
    clip = found(replace(frames, landmarks_px=landmarks), poses, tmp_path / "work", monkeypatch, RecordingContext())
    assert len(clip.frames) == COUNT
    assert gates.parallax_deg(replace(poses, which=poses.which), triangulate(poses, landmarks)) > 90.0


def test_irises_that_are_open_give_the_size(walk, monkeypatch):
    frames, poses = walk
    depth = poses.depths(SHAPE[list(IRISES.values())])
    monkeypatch.setattr("gazesplat.backend.video.metric.find_eyes", lambda image, landmarks: {
        side: SimpleNamespace(radius_px=0.5 * 1.2 * FOCAL / depth[COUNT // 2, k]) for k, side in enumerate(IRISES)})
    seen = replace(frames, eyes_open=np.ones(COUNT))
    *_, points, ruler, measured = to_portrait_frame(poses, triangulate(poses, frames.landmarks_px), seen, EyeRuler(), ruler_given=True)
    assert measured and np.linalg.norm(points[33] - points[263]) == pytest.approx(0.01 * 8.9 * ruler.iris_diameter_m / 0.012, rel=0.02)


def test_a_face_must_be_found_again_upright_and_mirrored():
    picture = astronaut()
    with FaceReader() as reader:
        face = reader.read(picture)[0]
        assert is_confirmed(reader, picture, face)
        assert not is_confirmed(reader, picture, replace(face, points_px=face.points_px + [0.25 * face.size_px, 0.0, 0.0]))
        assert not is_confirmed(reader, picture, replace(face, points_px=face.points_px @ np.diag([1.0, -1.0, 1.0]) + [0.0, 512.0, 0.0]))
        # What is only seen when the picture is turned has to be confirmed, by this reader that sees a face in its third try.
        for again, count in ((None, 0), (face, 1)):
            answers = iter([[], [], [face], []])
            fake = SimpleNamespace(read=lambda turned, answers=answers: next(answers), reread=lambda *how, again=again: again and replace(
                face, points_px=turned_points(face.points_px, -3, (512, 512))))
            assert len(read_any_way_up(fake, picture)) == count
