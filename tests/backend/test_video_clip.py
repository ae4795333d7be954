# SPDX-License-Identifier: GPL-3.0-or-later
"""What the video stages hand to each other survives the disk, so that a killed job resumes."""
from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from gazesplat.backend.model.scan import EyeRuler
from gazesplat.backend.video.clip import FACE, IMAGES, MASKS, Cameras, Frames, write_png


@pytest.fixture
def frames(tmp_path):
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(0, 48, (3, 478, 3))
    landmarks[1] = np.nan
    for folder, shape in ((IMAGES, (24, 48, 3)), (MASKS, (24, 48))):
        (tmp_path / folder).mkdir()
        for name in ("0000.png", "0001.png", "0002.png"):
            write_png(tmp_path / folder / name, rng.integers(0, 256, shape, dtype=np.uint8))
    return Frames(tmp_path, ("0000.png", "0001.png", "0002.png"), 48, 24, np.array([0, 7, 9]), np.array([0.0, 0.23, 0.3]),
                  np.ones(3), np.array([1.0, np.nan, 0.2]), landmarks)


def test_frames_come_back_from_disk(frames):
    frames.save()
    again = Frames.load(frames.folder)
    for field in fields(Frames):
        assert np.array_equal(getattr(again, field.name), getattr(frames, field.name), equal_nan=field.type == "np.ndarray"), field.name
    assert list(again.with_face) == [True, False, True]
    assert again.image(2).shape == (24, 48, 3) and again.mask(2).dtype == np.float32 and again.mask(2).max() <= 1.0


def test_nothing_to_resume_from_is_none(tmp_path):
    assert Frames.load(tmp_path) is None and Cameras.load(tmp_path) is None


def test_chosen_frames_keep_their_pictures(frames):
    some = frames.chosen(np.array([0, 2]))
    assert len(some) == 2 and some.names == ("0000.png", "0002.png") and list(some.index) == [0, 9]
    assert np.array_equal(some.image(1), frames.image(2))


def test_cameras_come_back_from_disk(tmp_path):
    placement = np.tile(np.eye(4), (2, 1, 1))
    placement[:, :3, 3] = [[0.0, 0.0, 0.5], [0.1, 0.0, 0.5]]
    cameras = Cameras(800.0, 800.0, 24.0, 12.0, placement, np.zeros((4, 3), np.float32), np.zeros((4, 3), np.uint8),
                      np.full((478, 3), np.nan), EyeRuler(iris_diameter_m=0.0121), FACE, -0.02)
    cameras.save(tmp_path)
    again = Cameras.load(tmp_path)
    for field in fields(Cameras):
        value = getattr(cameras, field.name)
        if isinstance(value, np.ndarray):
            assert np.array_equal(getattr(again, field.name), value, equal_nan=True), field.name
        else:
            assert getattr(again, field.name) == value, field.name
    assert np.allclose(again.centres, [[0.0, 0.0, -0.5], [-0.1, 0.0, -0.5]])
