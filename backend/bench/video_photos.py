# SPDX-License-Identifier: GPL-3.0-or-later
"""The video road against photographs whose cameras are known: a folder of pictures, each NAME.jpg beside its NAME_P.txt.

A NAME_P.txt holds the 3 x 4 projection matrix of its picture, in any world and unit, as multi-view data sets give them. Every eighth
view is kept back from training (not from finding the cameras, which is how such scenes are judged everywhere).
"""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.pose import Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats
from ..render import RenderSettings, render
from ..render.likeness import psnr, ssim_map
from ..stages.portrait_files import write_png
from ..stages.video import train_head, training_settings, with_eyes
from ..train.views import View, clip_views
from ..video.clip import Clip
from .scoring import HEAD_GROWTH_PX
from .video_heads import SUPERSAMPLE, bench_context
from .video_truth import angles_deg, similarity

HELD_OUT_EVERY = 8
_MATRIX = "_P.txt"


def has_matrices(folder: Path) -> bool:
    """Tell whether a folder holds photographs with projection matrices."""
    return any(folder.glob(f"*{_MATRIX}"))


def matrices(folder: Path) -> dict[str, np.ndarray]:
    """Return the projection matrices (3, 4) by the pictures' file names, in their order."""
    places = {path.name.removesuffix(_MATRIX): path for path in folder.glob(f"*{_MATRIX}")}
    pictures = sorted(path for path in folder.iterdir() if path.stem in places and path.suffix != ".txt")
    return {path.name: np.loadtxt(places[path.stem]) for path in pictures}


def camera_of(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the rotation (3, 3) world to camera, the centre (3,) and the focal length in pixels of a projection matrix (3, 4)."""
    matrix = matrix * np.sign(np.linalg.det(matrix[:, :3]))
    lens, rotation = cv2.RQDecomp3x3(matrix[:, :3])[1:3]
    signs = np.diag(np.sign(np.diag(lens)))
    lens, rotation = lens @ signs, signs @ rotation
    return rotation, -np.linalg.solve(matrix[:, :3], matrix[:, 3]), float(lens[0, 0] / lens[2, 2])


def camera_figures(clip: Clip, true: list[np.ndarray], picture_scale: float) -> dict:
    """Return errors of the found cameras after the best similarity; centres as a share of their usual distance from the ring's middle.

    ``true`` holds a matrix for each frame, ``picture_scale`` is the frames' size over the pictures'.
    """
    turns, centres, focals = (np.array(column) for column in zip(*(camera_of(m) for m in true), strict=True))
    scale, turn, shift = similarity(clip.cameras.centres, centres)
    off = np.linalg.norm(scale * clip.cameras.centres @ turn.T + shift - centres, axis=1)
    radius = float(np.median(np.linalg.norm(centres - centres.mean(axis=0), axis=1)))
    left = angles_deg(np.einsum("fij,kj,flk->fil", clip.cameras.world_to_camera[:, :3, :3], turn, turns))
    focal = float(np.median(focals)) * picture_scale
    return {"road": clip.cameras.source, "cameras": len(true),
            "centre_rms_percent": round(100.0 * float(np.sqrt((off ** 2).mean())) / radius, 3),
            "centre_max_percent": round(100.0 * float(off.max()) / radius, 3), "rotation_mean_deg": round(float(left.mean()), 3),
            "rotation_max_deg": round(float(left.max()), 3), "focal_error_percent": round(100.0 * (clip.cameras.fx / focal - 1.0), 2)}


def part_of(clip: Clip, which: np.ndarray) -> Clip:
    """Return the clip's frames at these indices, with their cameras."""
    return Clip(clip.frames.chosen(which), replace(clip.cameras, world_to_camera=clip.cameras.world_to_camera[which]))


def judge(splats: Splats, groups: np.ndarray, rig: PortraitRig, views: list[View], out: Path | None) -> dict:
    """Return mean and worst scores over views that were kept back: inside their masks, grown by 4 pixels, over the picture itself."""
    rows = []
    for number, view in enumerate(views):
        posed = pose_splats(splats, groups, rig, Pose(), view.camera.position)
        drawn = render(posed, view.camera.scaled(SUPERSAMPLE), RenderSettings())
        rgb, alpha = (cv2.resize(x, view.mask.shape[::-1], interpolation=cv2.INTER_AREA) for x in (drawn.rgb, drawn.alpha))
        over = np.clip(rgb + (1.0 - alpha[..., None]) * view.image, 0.0, 1.0)
        inside = cv2.dilate((view.mask > 0.5).astype(np.uint8), np.ones((HEAD_GROWTH_PX,) * 2, np.uint8)) > 0
        sure = cv2.erode((view.mask > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        rows.append({"head_psnr": psnr(float(((over - view.image) ** 2).mean(-1)[inside].mean())),
                     "head_ssim": float(ssim_map(over, view.image)[inside].mean()),
                     "outside_percent": 100.0 * float(alpha[view.mask < 0.1].sum() / max(alpha.sum(), 1e-9)),
                     "holes_percent": 100.0 * float(1.0 - alpha[sure].mean())})
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            write_png(out / f"{number:02d}.png", np.hstack([view.image, rgb + (1.0 - alpha[..., None]) * 0.5]))
    mean = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}
    return mean | {"worst_head_psnr": round(min(row["head_psnr"] for row in rows), 3), "views": len(rows)}


def held_out_figures(clip: Clip, options: dict, quality: str, out: Path | None) -> dict:
    """Train a head from seven of eight frames, give it eyes, and judge it by the others, at the cameras that were found for them."""
    held = np.arange(len(clip.frames)) % HELD_OUT_EVERY == HELD_OUT_EVERY // 2
    learnt, kept_back = (part_of(clip, np.flatnonzero(which)) for which in (~held, held))
    started, cpu = time.monotonic(), time.process_time()
    with bench_context(options, quality) as context:
        side_px, settings = training_settings(context)
        head = train_head(learnt, side_px, settings, context)
        eyed = with_eyes(learnt, head.splats, context)
    seconds, spent = time.monotonic() - started, time.process_time() - cpu
    views, plain = clip_views(kept_back, head.side_px), np.full(len(head.splats), parts.HEAD, np.uint8)
    return {"side_px": head.side_px, "iterations": settings.iterations, "splats": len(eyed.splats), **eyed.figures,
            "wall_s": round(seconds, 1), "cpu_s": round(spent, 1),
            "trained": judge(head.splats, plain, replace(eyed.rig, eyes={}), views, None),
            "rigged": judge(eyed.splats, eyed.groups, eyed.rig, views, out)}


def measure(folder: Path, prepare: Callable[[list[Path]], tuple[Clip, dict]], options: dict, quality: str, out: Path | None, *,
            heads: bool) -> dict:
    """Return a folder's figures; ``prepare`` finds masks and cameras of pictures, and says how long that took."""
    true = matrices(folder)
    names = list(true)
    clip, figures = prepare([folder / name for name in names])
    picture = cv2.imread(str(folder / names[0]))
    scale = min(clip.frames.width, clip.frames.height) / min(picture.shape[:2])
    figures["cameras"] = camera_figures(clip, [true[names[int(i)]] for i in clip.frames.index], scale)
    figures["faces"] = int(clip.frames.with_face.sum())
    if heads:
        figures["head_from_found"] = held_out_figures(clip, options, quality, out)
    return figures
