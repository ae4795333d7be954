# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a trained scene a portrait: the head alone, eyes from the right frame, settings that fit the machine."""
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, head_splats
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model.scan import EyeRuler, FaceScan
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.train.isolate import Keep, head_of
from gazesplat.backend.train.views import View
from gazesplat.backend.video.clip import Cameras, Clip, Frames, write_png
from gazesplat.backend.video.eye_scan import CORNERS, IRISES, gaze_beside_average, replaced_by_eyes
from gazesplat.gazesplat_addon.rig import parts
from gazesplat.gazesplat_addon.rig.pose import PosedSplats
from gazesplat.gazesplat_addon.splat.arrays import Splats, concatenate
from tests.faces import RecordingContext

torch = pytest.importorskip("torch", reason="the video part of the backend's environment is not installed")

from gazesplat.backend.stages.video import training_settings, with_eyes
from gazesplat.backend.train import device
from gazesplat.backend.train.settings import TrainSettings, preset


def camera_at(yaw_deg: float) -> Camera:
    """A camera 60 cm from the origin that sees the whole synthetic head."""
    camera, a, turn = head_camera(72, 80), np.radians(20.0 - yaw_deg), np.eye(4)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return replace(camera, fx=0.6 * camera.fx, fy=0.6 * camera.fy, w2c=camera.w2c @ turn)


def blobs(places: np.ndarray, opacity: float = 0.9, scale_m: float = 0.004) -> Splats:
    n = len(places)
    return Splats(*(np.asarray(a, np.float32) for a in (
        places, np.full((n, 3), scale_m), np.tile([1.0, 0, 0, 0], (n, 1)), np.full(n, opacity), np.full((n, 3), 0.5), np.zeros((n, 0, 3)))))


def test_only_the_head_is_kept():
    head, _ = head_splats(2500, seed=1)
    head = replace(head, opacities=np.full(len(head), 0.9, np.float32), scales=np.clip(1.5 * head.scales, 0.001, 0.006))
    views = []
    for yaw in (-40.0, -15.0, 15.0, 40.0):
        frame = render(PosedSplats(head.means, head.linear_factors(), head.opacities, head.colours, np.zeros(len(head), np.uint8)),
                       camera_at(yaw), RenderSettings())
        views.append(View(frame.rgb, frame.alpha, camera_at(yaw)))
    extras = {"wall": blobs(np.array([[0.25, 0.3, 0.1], [-0.2, -0.1, 0.15]])), "dust": blobs(np.array([[0.0, -0.1, 0.0]]), opacity=0.03),
              "hidden": blobs(np.array([[0.0, 0.0, 0.0]]), scale_m=0.001), "before": blobs(np.array([[0.0, -0.2, 0.02]]), scale_m=0.002)}
    chin = np.array([0.0, -0.08, -0.09])
    kept = head_of(concatenate([head, *extras.values()]), views, chin, replace(Keep(), neck_below_chin_m=0.02, neck_radius_m=1.0))
    assert not kept[len(head):].any(), dict(zip(extras, kept[len(head):], strict=False))
    below = head.means[:, 2] < chin[2] - 0.02
    assert not kept[:len(head)][below].any()
    seen = ~below & (head.means[:, 1] < -0.03)
    assert kept[:len(head)][seen].mean() > 0.9
    everything = head_of(head, views, None, Keep())
    assert everything[below & (head.means[:, 1] < -0.03)].mean() > 0.7     # without a chin there is no cut


class JobStandIn(RecordingContext):
    """What a portrait's provenance asks a job for."""

    def __init__(self, path):
        super().__init__()
        path.write_bytes(b"a clip")
        self.input_path, self.spec = path, SimpleNamespace(kind="video", seed=0, quality="draft", options={})


def filmed(gazes_deg: np.ndarray, folder) -> Clip:
    """Five frames of a head whose eyes look as given (F, 2): landmarks only, from cameras on an arc."""
    ruler, face = EyeRuler(), np.full((478, 3), np.nan)
    for side, x in (("left", 0.031), ("right", -0.031)):
        face[IRISES[side]] = [x, -ruler.lever_yaw_m, 0.0]
        outer, inner = CORNERS[side]
        face[outer], face[inner] = [1.5 * x, -0.006, 0.0], [0.55 * x, -0.010, 0.0]
    cameras = [replace(camera_at(yaw), width=540, height=720, fx=780.0, fy=780.0, cx=270.0, cy=360.0) for yaw in (-20, -10, 0, 10, 20)]
    seen = np.full((len(cameras), 478, 3), 0.0)
    for i, (camera, (yaw, pitch)) in enumerate(zip(cameras, np.radians(gazes_deg), strict=True)):
        points = face.copy()
        for index in IRISES.values():
            points[index] += ruler.lever_yaw_m * np.array([np.sin(yaw), 0.0, np.sin(pitch)])
        p = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        seen[i, :, :2] = np.nan_to_num(p[:, :2] / p[:, 2:] * 780.0 + [270.0, 360.0])
    n = len(cameras)
    names, ones = tuple(f"{i:04d}.png" for i in range(n)), np.ones(n)
    frames = Frames(folder, names, 540, 720, np.arange(n), np.arange(n) / 10.0, ones, ones, seen)
    return Clip(frames, Cameras(780.0, 780.0, 270.0, 360.0, np.array([c.w2c for c in cameras]), np.zeros((0, 3), np.float32),
                                np.zeros((0, 3), np.uint8), face, ruler, "face"))


def test_a_glance_is_told_from_the_average_gaze(tmp_path):
    gazes = np.array([[0.0, 0.0], [0.0, 0.0], [12.0, -8.0], [0.0, 0.0], [-3.0, 1.0]])
    clip = filmed(gazes, tmp_path)
    assert gaze_beside_average(clip, 2) == pytest.approx((12.0, -8.0), abs=0.6)
    assert gaze_beside_average(clip, 1) == pytest.approx((0.0, 0.0), abs=0.3)
    # An offset that all frames share is how the landmarks lie, not a glance.
    assert gaze_beside_average(filmed(gazes + [4.0, 5.0], tmp_path), 2) == pytest.approx((12.0, -8.0), abs=0.8)


def test_a_head_whose_eyes_are_never_open_comes_without_living_ones(tmp_path):
    clip = filmed(np.zeros((5, 2)), tmp_path)
    clip.frames.landmarks_px[0] = np.nan
    shut = Clip(replace(clip.frames, eyes_open=np.zeros(5)), clip.cameras)
    for kind, shape in (("images", (shut.frames.height, shut.frames.width, 3)), ("masks", (shut.frames.height, shut.frames.width))):
        (tmp_path / kind).mkdir()
        for name in shut.frames.names:
            write_png(tmp_path / kind / name, np.full(shape, 200, np.uint8))
    context = JobStandIn(tmp_path / "clip.mp4")
    head = blobs(np.zeros((3, 3)))
    eyed = with_eyes(shut, head, context)
    scan = eyed.scan
    assert eyed.splats is head and (eyed.groups == parts.HEAD).all() and eyed.rig.eyes == {} and eyed.figures["eye_splats"] == 0
    assert context.codes == ["no-eyes"] and eyed.rig.warnings == context.warnings and eyed.kept is None
    assert scan.image.shape == (shut.frames.height, shut.frames.width, 3) and scan.head_mask.max() > 0.7


def test_built_eyes_replace_what_lies_at_their_surface():
    camera = replace(camera_at(0.0), width=40, height=40, cx=20.0, cy=20.0)
    depth = np.full((40, 40), 0.55, np.float32)
    scan = FaceScan(np.zeros((40, 40, 3), np.float32), np.zeros((478, 3)), {}, camera.fx, camera.fy, camera.cx, camera.cy, camera.w2c,
                    np.ones((40, 40), np.float32), depth, depth, {}, EyeRuler())
    mask = np.zeros((40, 40), bool)
    mask[15:25, 15:25] = True
    places = np.array([[0.0, -0.05, 0.0], [0.0, -0.05, 0.06], [0.0, 0.1, 0.0], [0.0, -0.2, 0.0]])   # at it, beside, behind, before
    assert replaced_by_eyes(blobs(places), scan, mask, depth).tolist() == [True, False, False, False]
    # What built eyes and head both show at the rim stays in both, or one would see between them.
    eyed = replace(scan, eyes={"left": SimpleNamespace(radius_px=3.0)})
    middle, rim = (scan.to_portrait(scan.rays(np.array([x, 20.0])) * 0.55) for x in (21.0, 24.0))
    assert replaced_by_eyes(blobs(np.array([middle, rim])), eyed, mask, depth).tolist() == [True, False]


def test_too_little_gpu_memory_makes_it_smaller_and_says_so():
    tried, told = [], []

    def attempt(side_px: int, settings: TrainSettings) -> str:
        tried.append((side_px, settings.most_splats))
        if len(tried) < 3:
            raise torch.cuda.OutOfMemoryError
        return "a head"

    side_px, settings = preset("cuda", "standard")
    assert device.with_less_memory(attempt, side_px, settings, lambda *words: told.append(words)) == "a head"
    assert tried == [(540, 200_000), (378, 100_000), (264, 50_000)]
    assert [words[0] for words in told] == ["gpu-memory", "gpu-memory"]
    assert "378 pixel" in told[0][1]

    def hopeless(side_px: int, settings: TrainSettings) -> str:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(GazeSplatError) as refusal:
        device.with_less_memory(hopeless, side_px, settings, lambda *words: None)
    assert refusal.value.code == "gpu-memory"


def test_settings_are_those_asked_for_or_refused():
    def asked(**options):
        return training_settings(SimpleNamespace(spec=SimpleNamespace(options=options, device="cpu", quality="standard", seed=4)))

    side_px, settings = asked(num_iters=500, height=180, sh_degree=2)
    assert (side_px, settings.iterations, settings.sh_degree, settings.seed, settings.device) == (180, 500, 2, 4, "cpu")
    assert asked()[0] == 270
    for options in ({"num_iters": 1}, {"height": "540"}, {"sh_degree": 4}, {"num_iters": True}):
        with pytest.raises(GazeSplatError) as refusal:
            asked(**options)
        assert refusal.value.code == "bad-option"
    if not torch.cuda.is_available():
        with pytest.raises(GazeSplatError) as refusal:
            device.resolve("cuda")
        assert refusal.value.code == "no-cuda"
