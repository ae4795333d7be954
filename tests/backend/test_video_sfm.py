# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures to metric cameras, whole: a speckled head before a speckled wall, drawn by our rasteriser, filmed from an arc."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import HEAD_SEMI_AXES_M
from gazesplat.backend.bench.video_truth import similarity
from gazesplat.backend.context import Cancelled
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model.face_model import face_model
from gazesplat.backend.model.scan import EyeRuler
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.video import cameras, metric, sfm
from gazesplat.backend.video.clip import IMAGES, MASKS, SFM_SCENE, Frames, write_png
from gazesplat.gazesplat_addon.rig.pose import PosedSplats
from tests.faces import RecordingContext

pytest.importorskip("pycolmap", reason="the video part of the backend's environment is not installed")

WIDTH, HEIGHT, FOCAL, AWAY_M = 240, 300, 330.0, 0.6
YAWS_DEG = np.linspace(-27.0, 27.0, 9)
RULER = EyeRuler()


def speckles(places: np.ndarray, size_m: float, rng: np.random.Generator) -> PosedSplats:
    count = len(places)
    factors = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)) * (size_m * rng.uniform(0.5, 1.5, (count, 1, 1))).astype(np.float32)
    return PosedSplats(places.astype(np.float32), factors, np.full(count, 0.95, np.float32),
                       rng.uniform(0.0, 1.0, (count, 3)).astype(np.float32), np.zeros(count, np.uint8))


def camera_at(yaw_deg: float) -> Camera:
    a = np.radians(yaw_deg)
    about_up = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    rotation = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]) @ about_up
    w2c = np.eye(4)
    w2c[:3, :3], w2c[:3, 3] = rotation, [0.0, 0.01 * np.sin(3.0 * a), AWAY_M + 0.1 * np.sin(5.0 * a)]
    return Camera(WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, w2c)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Frames of the arc with the true masks and landmarks (their z is the depth), and their cameras' world_to_camera."""
    folder, rng = tmp_path_factory.mktemp("filmed"), np.random.default_rng(0)
    directions = rng.normal(size=(9000, 3))
    head = speckles(directions / np.linalg.norm(directions, axis=1, keepdims=True) * HEAD_SEMI_AXES_M, 0.0022, rng)
    wall = speckles(np.column_stack([rng.uniform(-0.7, 0.7, 6000), rng.uniform(0.3, 0.5, 6000), rng.uniform(-0.5, 0.5, 6000)]), 0.006, rng)
    both = PosedSplats(*(np.concatenate([a, b]) for a, b in zip(vars(head).values(), vars(wall).values(), strict=True)))
    vertices = np.concatenate([face_model().vertices, face_model().vertices[[159] * 5 + [386] * 5]]) * 0.01
    face = vertices[:, [0, 2, 1]] * [1.0, -1.0, 1.0] + [0.0, -0.04, -0.02]
    landmarks, placed = [], []
    for kind in (IMAGES, MASKS):
        (folder / kind).mkdir()
    for i, yaw in enumerate(YAWS_DEG):
        camera = camera_at(yaw)
        drawn = {IMAGES: render(both, camera, RenderSettings()).rgb, MASKS: render(head, camera, RenderSettings()).alpha}
        for kind, picture in drawn.items():
            write_png(folder / kind / f"{i:04d}.png", np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
        p = face @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        pixels = p[:, :2] / p[:, 2:] * FOCAL + [WIDTH / 2, HEIGHT / 2] + rng.normal(0.0, 0.3, (len(p), 2))
        landmarks.append(np.column_stack([pixels, p[:, 2]]))
        placed.append(camera.w2c)
    count = len(placed)
    names = tuple(f"{i:04d}.png" for i in range(count))
    ones = np.ones(count)
    times = np.arange(count) / 10.0
    return Frames(folder, names, WIDTH, HEIGHT, np.arange(count), times, ones, ones, np.array(landmarks)), np.array(placed)


@pytest.fixture
def round_irises(monkeypatch):
    """The speckled head has no irises: what would be read of ones that follow the lens, 11.8 mm wide."""
    def find_eyes(image, landmarks):
        return {side: SimpleNamespace(radius_px=0.5 * RULER.iris_diameter_m * FOCAL / landmarks[index, 2])
                for side, index in metric.IRISES.items()}

    monkeypatch.setattr(metric, "find_eyes", find_eyes)


def stop_at(text: str):
    def progress(fraction, said=""):
        if said == text:
            raise Cancelled

    return SimpleNamespace(progress=progress, warn=lambda *words: None)


def test_cameras_are_found_to_scale_also_after_a_kill(filmed, round_irises, tmp_path):
    frames, true = filmed
    known = np.ones(len(frames), bool)
    with pytest.raises(Cancelled):
        cameras.find_cameras(frames, known, tmp_path, RULER, stop_at("Matching features"), ruler_given=True, ordered=True)
    features = tmp_path / "sfm" / "features.db"
    written = features.stat().st_mtime_ns
    clip = cameras.find_cameras(frames, known, tmp_path, RULER, RecordingContext(), ruler_given=True, ordered=True)
    assert features.stat().st_mtime_ns == written      # what was found before the kill is not looked for again
    assert len(clip.frames) == len(frames) and clip.cameras.source != "face"
    centres = -np.einsum("kji,kj->ki", true[:, :3, :3], true[:, :3, 3])
    scale, turn, shift = similarity(clip.cameras.centres, centres)
    off = np.linalg.norm(scale * clip.cameras.centres @ turn.T + shift - centres, axis=1)
    assert off.max() < 0.004 and abs(scale - 1.0) < 0.06 and abs(clip.cameras.fx / FOCAL - 1.0) < 0.05
    # A finished job's views are read again, and no child is started.
    again = cameras.find_cameras(frames, known, tmp_path, RULER, stop_at("Finding features"), ruler_given=True, ordered=True)
    assert np.array_equal(again.cameras.world_to_camera, clip.cameras.world_to_camera)


def test_pictures_without_features_have_no_cameras(filmed, tmp_path):
    frames, _ = filmed
    rng = np.random.default_rng(3)
    blank = Frames(tmp_path, *[getattr(frames, name) for name in ("names", "width", "height", "index", "time_s", "sharpness", "eyes_open")],
                   frames.landmarks_px + np.append(rng.normal(0.0, 6.0, (len(frames), 478, 2)), np.zeros((len(frames), 478, 1)), axis=2))
    for kind, shape in ((IMAGES, (HEIGHT, WIDTH, 3)), (MASKS, (HEIGHT, WIDTH))):
        (tmp_path / kind).mkdir()
        for name in blank.names:
            write_png(tmp_path / kind / name, np.full(shape, 128, np.uint8))
    with pytest.raises(GazeSplatError) as refusal:
        cameras.find_cameras(blank, np.ones(len(blank), bool), tmp_path / "work", RULER, RecordingContext(), ruler_given=True, ordered=True)
    assert refusal.value.code == "no-cameras" and "Film slowly" in refusal.value.hint
    assert sfm.run_sfm(blank, np.arange(len(blank)), SFM_SCENE, tmp_path / "work" / "sfm", stop_at("Finding features")) is None
