# SPDX-License-Identifier: GPL-3.0-or-later
"""What every road to a portrait writes beside its splats: camera, provenance, figures and a preview."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.pose import Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera, save_sidecar
from ...gazesplat_addon.splat.arrays import Splats
from ...gazesplat_addon.splat.ply import write_ply
from ..context import JobContext
from ..contract import result
from ..contract.consent import notes
from ..contract.job import JobSpec
from ..contract.versions import extension_version
from ..model import kept_scan
from ..model.scan import FaceScan
from ..render import Camera, RenderSettings, render
from ..render.likeness import psnr, ssim_map
from .refit import refit_beside

FINEST_LIKENESS_PX = 2800
PREVIEW_SIDE_PX = 480
PREVIEW_YAWS_DEG = (-25.0, 0.0, 25.0)
GREY = 0.5
LINEAR_SHARES = {"selfie": 0.4, "video": 0.06, result.EYES: 0.2, result.GRAFT: 0.3}      # of the job's time

# Writes a splat file's linear refit into a folder and returns figures about it.
Refit = Callable[[Path, Path, JobContext], dict]


def write_portrait(context: JobContext, scan: FaceScan, splats: Splats, groups: np.ndarray, rig: PortraitRig, metrics: dict, *,
                   scan_of: JobSpec | None = None, refit: Refit = refit_beside) -> None:
    """Write a finished portrait's files into the job's result, with the refit for linear light unless it is switched off.

    The scan is of the photo, or of the clip's frame, from which the portrait is shown and judged. With ``scan_of``, the job that
    read it, it is kept beside the portrait, so that its eyes can be built again. ``refit`` makes the colours for linear light.
    """
    context.emit_stage("Drawing the preview", 0.03)
    metrics = {"splats": len(splats), **metrics, **likeness_figures(scan, splats, groups, rig)}
    context.emit_stage("Writing", 0.01)
    folder = context.result_part_folder
    write_ply(folder / result.PLY, splats)
    save_sidecar(folder, rig, groups, splats.means)
    if scan_of is not None:
        write_png(folder / result.PHOTO, scan.image)
        _replace(folder / result.SCAN, kept_scan.to_text(kept_scan.scan_data(scan, scan_of)).encode("utf-8"))
    write_png(folder / result.PREVIEW, preview_picture(scan, splats, groups, rig))
    if context.spec.options.get("linear_refit", True):
        context.emit_stage("Fitting colours for linear light", LINEAR_SHARES[context.spec.kind])
        metrics["linear"] = refit(folder / result.PLY, folder, context)
    context.end_stage()
    write_json(folder / result.METRICS, {**metrics, "stage_seconds": context.stage_seconds})
    context.preview(folder / result.PREVIEW)


def source_camera(scan: FaceScan) -> SourceCamera:
    """Return the scan's camera as the sidecar holds it."""
    height, width = scan.image.shape[:2]
    rows = tuple(tuple(float(v) for v in row) for row in scan.portrait_to_camera)
    return SourceCamera(width, height, scan.fx, scan.fy, scan.cx, scan.cy, rows)


def distance_m(scan: FaceScan) -> float:
    """The eyes met at the lens: its distance from between them."""
    return float(np.linalg.norm(scan.to_portrait(np.zeros(3))))


def provenance(context: JobContext) -> dict:
    """Return where a portrait comes from, as the sidecar holds it."""
    return {"source": context.input_path.name, "sha256": _digest(context.input_path),
            "created": datetime.now(UTC).isoformat(timespec="seconds"), "gazesplat": extension_version(), "kind": context.spec.kind,
            "seed": context.spec.seed, "quality": context.spec.quality, **notes(context.spec.options)}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files in the order of their names; clips are longer than memory."""
    files, whole = sorted(path.iterdir()) if path.is_dir() else [path], hashlib.sha256()
    for one in files:
        with one.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()


def likeness_figures(scan: FaceScan, splats: Splats, groups: np.ndarray, rig: PortraitRig) -> dict:
    """Compare the portrait, drawn from the photo's own camera, with the photo inside the head mask.

    Drawn finer than the photo and averaged, as a renderer's pixel filter does, and also at one sample a photo pixel.
    """
    posed = pose_splats(splats, groups, rig, Pose(), _camera(scan).position)
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


def preview_picture(scan: FaceScan, splats: Splats, groups: np.ndarray, rig: PortraitRig) -> np.ndarray:
    """Return the portrait from three sides over grey, side by side, (H, W, 3) 0..1."""
    scale = PREVIEW_SIDE_PX / max(scan.image.shape[:2])
    tiles = []
    for yaw in PREVIEW_YAWS_DEG:
        camera = _camera(scan, yaw, 2.0 * scale)
        frame = render(pose_splats(splats, groups, rig, Pose(), camera.position), camera, RenderSettings())
        picture = frame.rgb + (1.0 - frame.alpha[..., None]) * GREY
        tiles.append(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return np.hstack(tiles)


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) 0..1 as PNG, by rename."""
    ok, data = cv2.imencode(".png", np.round(np.clip(picture[..., ::-1], 0.0, 1.0) * 255.0).astype(np.uint8))
    if not ok:
        raise ValueError(f"{path.name} could not be encoded")
    _replace(path, data.tobytes())


def write_json(path: Path, data: dict) -> None:
    """Write plain data, by rename."""
    _replace(path, json.dumps(data, indent=1).encode("utf-8"))


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
