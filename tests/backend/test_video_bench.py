# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs with projection matrices: what the benchmark reads of them, and what it says of cameras that are right, and wrong."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("torch", reason="the video part of the backend's environment is not installed")

from gazesplat.backend.bench import video_photos

LENS = np.array([[800.0, 0.0, 320.0], [0.0, 800.0, 240.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def ring():
    """Rotations and centres of twelve cameras round a head, in a data set's own unit."""
    turns = Rotation.from_euler("yx", np.column_stack([np.arange(12) * 30.0, np.tile([0.0, 20.0, -10.0], 4)]), degrees=True).as_matrix()
    return turns, -np.einsum("fji,j->fi", turns, [0.0, 0.0, 7.0]) + [3.0, -1.0, 2.0]


@pytest.mark.parametrize("factor", [1.0, -3.7])
def test_a_projection_matrix_is_taken_apart(ring, factor):
    turns, centres = ring
    for turn, centre in zip(turns, centres, strict=True):
        found = video_photos.camera_of(factor * LENS @ np.column_stack([turn, -turn @ centre]))
        assert np.allclose(found[0], turn, atol=1e-9) and np.allclose(found[1], centre, atol=1e-8) and found[2] == pytest.approx(800.0)


def test_found_cameras_are_judged_after_the_best_similarity(ring):
    turns, centres = ring
    true = [LENS @ np.column_stack([turn, -turn @ centre]) for turn, centre in zip(turns, centres, strict=True)]
    world = Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix()
    placed = np.tile(np.eye(4), (12, 1, 1))
    placed[:, :3, :3] = turns @ world.T
    moved = 0.05 * centres @ world.T + [0.1, 0.2, 0.3]
    placed[:, :3, 3] = -np.einsum("fij,fj->fi", placed[:, :3, :3], moved)
    cameras = SimpleNamespace(centres=moved, world_to_camera=placed, fx=404.0, source="sfm-scene")
    figures = video_photos.camera_figures(SimpleNamespace(cameras=cameras), true, 0.5)
    assert figures["centre_max_percent"] < 1e-3 and figures["rotation_max_deg"] < 1e-3 and figures["focal_error_percent"] == 1.0
    placed[5, :3, :3] = Rotation.from_rotvec([0.0, np.radians(2.0), 0.0]).as_matrix() @ placed[5, :3, :3]
    moved[3] += [0.0, 0.0, 0.035]          # a tenth of the ring's radius
    figures = video_photos.camera_figures(SimpleNamespace(cameras=cameras), true, 0.5)
    assert figures["rotation_max_deg"] == pytest.approx(2.0, abs=0.5) and figures["centre_max_percent"] == pytest.approx(10.0, abs=2.0)


def test_pictures_and_matrices_belong_together_by_name(tmp_path):
    for name in ("00002", "00010", "00001"):
        np.savetxt(tmp_path / f"{name}_P.txt", np.full((3, 4), float(name)))
        (tmp_path / f"{name}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "00003.jpg").touch()
    assert video_photos.has_matrices(tmp_path)
    found = {name: matrix[0, 0] for name, matrix in video_photos.matrices(tmp_path).items()}
    assert list(found.items()) == [("00001.jpg", 1), ("00002.jpg", 2), ("00010.jpg", 10)]
