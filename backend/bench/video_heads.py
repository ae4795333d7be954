# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads trained from clips, drawn at cameras they were not trained on, against the pictures that were kept back."""
from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.pose import Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats
from ..context import JobContext
from ..contract.events import Writer
from ..contract.job import JobSpec
from ..model.landmarks import FaceReader
from ..model.scan import EyeRuler
from ..render import Camera, RenderSettings, render
from ..stages.video import train_head, training_settings, with_eyes
from ..train.isolate import Keep
from ..video.clip import IMAGES, MASKS, Cameras, Clip, Frames, write_png
from ..video.poses import Poses, triangulate
from .scoring import eye_boxes, score
from .video_truth import Truth, ellipse_mask

SUPERSAMPLE = 2
HEADS = ("found", "true", "ellipses")
# The original's isolation: what shows inside its ellipses 30 % of the time, at opacity 0.05 or more.
ORIGINAL_KEEP = Keep(inside_share=0.30, least_opacity=0.05, least_weight_px=0.0, largest_only=False, neck_below_chin_m=None)


@dataclass(frozen=True)
class Similarity:
    """p -> scale * rotation p + shift, from the portrait frame to the ground truth's world."""

    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def camera_of(self, camera: dict) -> Camera:
        """Return a ground-truth camera in the portrait frame."""
        w2c, moved = np.array(camera["w2c"]), np.eye(4)
        moved[:3, :3] = w2c[:3, :3] @ self.rotation
        moved[:3, 3] = (w2c[:3, :3] @ self.shift + w2c[:3, 3]) / self.scale
        return Camera(camera["w"], camera["h"], camera["fx"], camera["fy"], camera["cx"], camera["cy"], moved)


def similarity(cameras: Cameras, names: list[str], truth: Truth) -> Similarity:
    """Return what lays found cameras on the true ones: rotation from their orientations, scale and shift from their centres."""
    true = np.array([truth.request["gt_train_cameras"][name] for name in names])
    u, _, vt = np.linalg.svd(np.einsum("fji,fjk->ik", true[:, :3, :3], cameras.world_to_camera[:, :3, :3]))
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    centres = -np.einsum("fji,fj->fi", true[:, :3, :3], true[:, :3, 3])
    a, b = cameras.centres @ rotation.T, centres
    spread = (a - a.mean(0)).ravel()
    scale = float(spread @ (b - b.mean(0)).ravel() / (spread @ spread))
    return Similarity(scale, rotation, b.mean(0) - scale * a.mean(0))


@contextmanager
def bench_context(options: dict, quality: str) -> Iterator[JobContext]:
    """Give a job whose stages can be called one by one."""
    folder = Path(tempfile.mkdtemp(prefix="gazesplat-bench-"))
    try:
        with closing(Writer(folder)) as writer:
            (folder / "input").mkdir()
            (folder / "input" / "clip").write_bytes(b"bench")
            spec = JobSpec(id=folder.name, kind="video", input="input/clip", quality=quality, options=options)
            yield JobContext(folder, spec, writer)
    finally:
        shutil.rmtree(folder)


def true_clip(truth: Truth, folder: Path, count: int, *, ellipses: bool = False) -> Clip:
    """Return frames with the true cameras and masks (or the original's ellipses): training judged by itself."""
    for kind in (IMAGES, MASKS):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    frames = truth.frames("frame")
    chosen = [frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))]
    landmarks, names = [], []
    with FaceReader() as reader:
        for frame in chosen:
            picture = np.round(truth.picture(frame) * 255.0).astype(np.uint8)
            faces = reader.find(picture)
            landmarks.append(faces[0].points_px if faces else np.full((478, 3), np.nan))
            mask = _ellipse(landmarks[-1], picture.shape[:2]) if ellipses else truth.head_in(frame)
            names.append(f"{Path(frame['file']).stem}.png")
            write_png(folder / IMAGES / names[-1], picture)
            write_png(folder / MASKS / names[-1], mask.astype(np.uint8) * 255)
    seen, lens = np.array(landmarks), chosen[0]["camera"]
    known = np.isfinite(seen[:, 0, 0])
    w2c = np.array([frame["camera"]["w2c"] for frame in chosen])
    nothing, colourless = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
    poses = Poses(np.flatnonzero(known), w2c[known], (lens["fx"], lens["cx"], lens["cy"], 0.0), nothing, colourless, "")
    face = triangulate(poses, seen[known]).points
    ruler = EyeRuler(**truth.eye_ruler())
    # The truth's world has the portrait frame's axes, and its origin elsewhere.
    origin = face[[468, 473]].mean(0) + [0.0, ruler.lever_yaw_m, 0.0]
    moved = np.eye(4)
    moved[:3, 3] = origin
    index = np.arange(len(chosen))
    return Clip(Frames(folder, tuple(names), lens["w"], lens["h"], index, index / truth.meta["fps"], np.ones(len(chosen)),
                       np.where(known, 1.0, np.nan), seen),
                Cameras(lens["fx"], lens["fy"], lens["cx"], lens["cy"], w2c @ moved, nothing, colourless, face - origin, ruler, "true"))


def _ellipse(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return ellipse_mask(landmarks, shape) if np.isfinite(landmarks[0, 0]) else np.zeros(shape, bool)


def judge(splats: Splats, groups: np.ndarray, rig: PortraitRig, placing: Similarity, truth: Truth, out: Path | None) -> dict:
    """Return mean and worst scores over the held-out cameras; pictures go to ``out`` as RGBA, for the public scorer."""
    rows = []
    for frame in truth.frames("test"):
        picture, classes = truth.picture(frame), truth.class_map(frame)
        camera = placing.camera_of(frame["camera"])
        posed = pose_splats(splats, groups, rig, Pose(), camera.position)
        drawn = render(posed, camera.scaled(SUPERSAMPLE), RenderSettings())
        size = (camera.width, camera.height)
        rgb, alpha = (np.clip(cv2.resize(x, size, interpolation=cv2.INTER_AREA), 0.0, 1.0) for x in (drawn.rgb, drawn.alpha))
        over = rgb + (1.0 - alpha[..., None]) * picture
        found = score(over, picture, picture, classes > 0, eye_boxes(frame, classes.shape))
        head = truth.head_in(frame)
        inner = cv2.erode(head.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        rows.append({"head_psnr": found.head_psnr, "eye_psnr": found.eye_psnr, "head_ssim": found.head_ssim, "eye_ssim": found.eye_ssim,
                     "outside_percent": 100.0 * float(alpha[~head].sum() / alpha.sum()),
                     "holes_percent": 100.0 * float(1.0 - alpha[inner].mean())})
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            colour = np.where(alpha[..., None] > 1e-4, rgb / np.maximum(alpha[..., None], 1e-4), 0.0)
            rgba = np.round(np.clip(np.dstack([colour[..., ::-1], alpha]), 0.0, 1.0) * 255.0).astype(np.uint8)
            cv2.imwrite(str(out / f"{Path(frame['file']).stem}.png"), rgba)
    rounded = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}
    return rounded | {f"worst_{name}": round(min(row[name] for row in rows), 3) for name in ("head_psnr", "eye_psnr")}


def head_figures(truth: Truth, clip: Clip, options: dict, quality: str, heads: str, out: Path | None) -> dict:
    """Train a head from a clip and judge it, with its trained eyes and with built ones; ``heads`` is one of HEADS."""
    started, cpu = time.monotonic(), time.process_time()
    options = {"gaze_distance_m": truth.meta["frames"][0]["gaze_distance_m"], **options}
    with bench_context(options, quality) as context:
        places = zip(clip.frames.names, clip.frames.index, strict=True)
        placing = similarity(clip.cameras, [_original(truth, name, i) for name, i in places], truth)
        side_px, settings = training_settings(context)
        head = train_head(clip, side_px, settings, context, ORIGINAL_KEEP if heads == "ellipses" else Keep())
        eyed = with_eyes(clip, head.splats, context)
    seconds, spent, plain = time.monotonic() - started, time.process_time() - cpu, replace(eyed.rig, eyes={})
    return {"side_px": head.side_px, "iterations": settings.iterations, "splats": len(eyed.splats), **eyed.figures,
            "wall_s": round(seconds, 1), "cpu_s": round(spent, 1),
            "trained": judge(head.splats, np.zeros(len(head.splats), np.uint8), plain, placing, truth, None),
            "rigged": judge(eyed.splats, eyed.groups, eyed.rig, placing, truth, out)}


def _original(truth: Truth, name: str, index: int) -> str:
    """Return the ground truth's name of a chosen frame: the product may have renamed it, but knows its place in the clip."""
    names = truth.files()
    same = [one for one in names if Path(one).stem == Path(name).stem]
    return same[0] if same else names[int(index)]
