# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of the head that are followed from frame to frame."""
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from gazesplat.backend.context import Cancelled
from gazesplat.backend.model.face_model import CHIN, FOREHEAD, SIDES
from gazesplat.backend.video.clip import IMAGES, MASKS, Frames, write_png
from gazesplat.backend.video.face_tracks import FEWEST_VIEWS, Tracks, head_tracks

COUNT, SIDE, STEP = 5, 160, 6


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A speckled patch, the head, wanders to the right before a speckled wall that stays."""
    folder, rng = tmp_path_factory.mktemp("tracks"), np.random.default_rng(0)
    wall, head = (cv2.resize(rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
                  for side in (SIDE, 100))
    for kind in (IMAGES, MASKS):
        (folder / kind).mkdir()
    names = tuple(f"{i:04d}.png" for i in range(COUNT))
    for i, name in enumerate(names):
        picture, mask = wall.copy(), np.zeros((SIDE, SIDE), np.uint8)
        picture[30:130, 10 + STEP * i:110 + STEP * i] = head
        mask[30:130, 10 + STEP * i:110 + STEP * i] = 255
        write_png(folder / IMAGES / name, picture)
        write_png(folder / MASKS / name, mask)
    ones = np.ones(COUNT)
    return Frames(folder, names, SIDE, SIDE, np.arange(COUNT), np.arange(COUNT) / 10.0, ones, ones, np.full((COUNT, 478, 3), np.nan))


def test_points_go_with_the_head_and_the_wall_is_left_alone(frames):
    which = np.arange(1, COUNT)
    tracks = head_tracks(frames, which, np.array([2, 0, 3, 1]), lambda: None)
    points = len(tracks.colours)
    assert points > 60 and len(tracks.frame) >= FEWEST_VIEWS * points
    home = tracks.pixels - np.column_stack([STEP * which[tracks.frame], np.zeros(len(tracks.frame))])
    assert ((home > [10.0, 30.0]) & (home < [110.0, 130.0])).all()
    for axis in range(2):
        low, high = np.full(points, np.inf), np.full(points, -np.inf)
        np.minimum.at(low, tracks.point, home[:, axis])
        np.maximum.at(high, tracks.point, home[:, axis])
        assert np.mean(high - low < 1.0) > 0.97
    assert len(np.unique(np.stack([tracks.frame, tracks.point]), axis=1).T) == len(tracks.frame)


def test_the_neck_is_not_followed(frames):
    """It twists where a head turns: what lies below the chin says nothing of how the head is turned."""
    faces = np.zeros((COUNT, 478, 3))
    for index, (x, y) in {FOREHEAD: (60.0, 35.0), SIDES["left"]: (90.0, 55.0), SIDES["right"]: (30.0, 55.0), CHIN: (60.0, 95.0)}.items():
        faces[:, index, :2] = [[x + STEP * i, y] for i in range(COUNT)]
    tracks = head_tracks(replace(frames, landmarks_px=faces), np.arange(COUNT), np.arange(COUNT), lambda: None)
    assert len(tracks.colours) > 30 and tracks.pixels[:, 1].max() < 95.0
    assert head_tracks(frames, np.arange(COUNT), np.arange(COUNT), lambda: None).pixels[:, 1].max() > 105.0


def test_a_point_that_is_seen_too_seldom_goes_with_its_readings():
    tracks = Tracks(np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1]), np.arange(12.0).reshape(6, 2),
                    np.array([[1] * 3, [2] * 3], np.uint8))
    left = tracks.only(np.array([True, True, False, True, True, True]))
    assert left.point.tolist() == [0, 0, 0] and left.frame.tolist() == [0, 1, 2] and left.colours.tolist() == [[2, 2, 2]]
    assert left.pixels.tolist() == tracks.pixels[3:].tolist()


def test_following_can_be_stopped(frames):
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        head_tracks(frames, np.arange(COUNT), np.arange(COUNT), stop)


def test_blank_pictures_have_no_points(frames, tmp_path):
    for kind in (IMAGES, MASKS):
        (tmp_path / kind).mkdir()
    for name in frames.names:
        write_png(tmp_path / IMAGES / name, np.full((SIDE, SIDE, 3), 90, np.uint8))
        write_png(tmp_path / MASKS / name, np.full((SIDE, SIDE), 255, np.uint8))
    blank = Frames(tmp_path, *[getattr(frames, name) for name in
                               ("names", "width", "height", "index", "time_s", "sharpness", "eyes_open", "landmarks_px")])
    tracks = head_tracks(blank, np.arange(COUNT), np.arange(COUNT), lambda: None)
    assert len(tracks.frame) == len(tracks.colours) == 0
