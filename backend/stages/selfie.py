# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "selfie": one photo becomes a rigged portrait."""
from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.pose import Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera, save_sidecar
from ...gazesplat_addon.splat.arrays import Splats, concatenate
from ...gazesplat_addon.splat.ply import write_ply
from ..context import JobContext
from ..contract.versions import extension_version
from ..eyes.build import build_eyes
from ..model.lift import BUDGET, lift_head
from ..model.refine import fit_colours
from ..model.scan import FaceScan
from ..model.scan_photo import scan_photo
from ..render import Camera, RenderSettings, render
from ..render.likeness import psnr, ssim_map
from .refit import refit_beside

FINEST_LIKENESS_PX = 2800
PREVIEW_SIDE_PX = 480
PREVIEW_YAWS_DEG = (-25.0, 0.0, 25.0)
GREY = 0.5


def run(context: JobContext) -> None:
    """Reconstruct ``context.input_path`` into ``context.result_part_folder``."""
    options = dict(context.spec.options)
    scan = scan_photo(context.input_path, options, context)
    context.emit_stage("Building the eyes", 0.03)
    eyes = build_eyes(scan, options)
    context.emit_stage("Building the head", 0.03)
    head = lift_head(scan, eyes.depth_m, eyes.exclude_mask, int(options.get("budget") or BUDGET[context.spec.quality]))
    splats = concatenate([head.splats, eyes.splats])
    groups = np.concatenate([head.groups, eyes.groups])
    rig = PortraitRig(_source_camera(scan), eyes.rigs, gaze_distance_m=float(options.get("gaze_distance_m", _distance(scan))),
                      provenance=_provenance(context, scan), warnings=list(context.warnings))
    context.emit_stage("Matching colours", 0.12)
    splats = fit_colours(scan, splats, groups, rig, context.progress)
    context.emit_stage("Drawing the preview", 0.05)
    metrics = {"splats": len(splats), "eye_splats": len(eyes.splats), **_likeness(scan, splats, groups, rig)}
    context.emit_stage("Writing", 0.02)
    folder = context.result_part_folder
    write_ply(folder / "portrait.ply", splats)
    save_sidecar(folder, rig, groups)
    _write_png(folder / "preview.png", _preview(scan, splats, groups, rig))
    if options.get("linear_refit", True):
        context.emit_stage("Fitting colours for linear light", 0.38)
        metrics["linear"] = refit_beside(folder / "portrait.ply", folder, context)
    context.end_stage()
    _write_json(folder / "metrics.json", {**metrics, "stage_seconds": context.stage_seconds})
    context.preview(folder / "preview.png")


def _source_camera(scan: FaceScan) -> SourceCamera:
    height, width = scan.image.shape[:2]
    rows = tuple(tuple(float(v) for v in row) for row in scan.portrait_to_camera)
    return SourceCamera(width, height, scan.fx, scan.fy, scan.cx, scan.cy, rows)


def _distance(scan: FaceScan) -> float:
    """The eyes met at the lens: its distance from between them."""
    return float(np.linalg.norm(scan.to_portrait(np.zeros(3))))


def _provenance(context: JobContext, scan: FaceScan) -> dict:
    data = context.input_path.read_bytes()
    return {"source": context.input_path.name, "sha256": hashlib.sha256(data).hexdigest(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"), "gazesplat": extension_version(), "kind": context.spec.kind,
            "seed": context.spec.seed, "quality": context.spec.quality}


def _likeness(scan: FaceScan, splats: Splats, groups: np.ndarray, rig: PortraitRig) -> dict:
    """Compare the portrait, drawn from the photo's own camera, with the photo inside the head mask.

    Drawn finer than the photo and averaged, as a renderer's pixel filter does, and also at one sample a photo pixel.
    """
    posed = pose_splats(splats, groups, rig, Pose())
    inside = scan.head_mask > 0.95
    height, width = scan.image.shape[:2]
    out = {}
    for name, n in (("", int(np.clip(FINEST_LIKENESS_PX // max(height, width), 1, 3))), ("at_photo_pixels_", 1)):
        frame = render(posed, _camera(scan).scaled(n), RenderSettings())
        rgb, alpha = (cv2.resize(x, (width, height), interpolation=cv2.INTER_AREA) for x in (frame.rgb, frame.alpha))
        over = rgb + (1.0 - alpha[..., None]) * scan.image
        error = ((over - scan.image) ** 2).mean(-1)
        out |= {f"{name}psnr_db": round(psnr(float(error[inside].mean())), 2),
                f"{name}ssim": round(float(ssim_map(over, scan.image)[inside].mean()), 4)}
    return out | {"alpha_inside": round(float(alpha[inside].mean()), 4)}


def _camera(scan: FaceScan, yaw_deg: float = 0.0, scale: float = 1.0) -> Camera:
    """The photo's camera, swung about the head by ``yaw_deg`` and scaled."""
    height, width = scan.image.shape[:2]
    a = np.radians(yaw_deg)
    swing = np.eye(4)
    swing[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return Camera(round(width * scale), round(height * scale), scan.fx * scale, scan.fy * scale, scan.cx * scale, scan.cy * scale,
                  scan.portrait_to_camera @ swing)


def _preview(scan: FaceScan, splats: Splats, groups: np.ndarray, rig: PortraitRig) -> np.ndarray:
    scale = PREVIEW_SIDE_PX / max(scan.image.shape[:2])
    posed = pose_splats(splats, groups, rig, Pose())
    tiles = []
    for yaw in PREVIEW_YAWS_DEG:
        frame = render(posed, _camera(scan, yaw, 2.0 * scale), RenderSettings())
        picture = frame.rgb + (1.0 - frame.alpha[..., None]) * GREY
        tiles.append(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return np.hstack(tiles)


def _write_png(path: Path, picture: np.ndarray) -> None:
    ok, data = cv2.imencode(".png", np.round(np.clip(picture[..., ::-1], 0.0, 1.0) * 255.0).astype(np.uint8))
    if not ok:
        raise ValueError(f"{path.name} could not be encoded")
    _replace(path, data.tobytes())


def _write_json(path: Path, data: dict) -> None:
    _replace(path, json.dumps(data, indent=1).encode("utf-8"))


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
