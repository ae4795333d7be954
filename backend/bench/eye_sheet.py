# SPDX-License-Identifier: GPL-3.0-or-later
"""A sheet of one portrait's eyes over gazes and blinks, to be looked at: numbers are blind to most of it.

    bench eye_sheet PORTRAIT_FOLDER --out FILE.png [--view YAW_DEG] [--tile PIXELS]
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.pose import Posable, Pose
from ...gazesplat_addon.rig.sidecar import PortraitRig, load_sidecar
from ...gazesplat_addon.splat.ply import read_ply
from ..render import Camera, RenderSettings, render

YAWS_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)
PITCHES_DEG = (15.0, 0.0, -20.0)
BLINKS = (0.25, 0.5, 0.75, 1.0)
GREY = 0.5
SUPERSAMPLE = 2
# The tile shows both eyes with this much round them, in metres.
HALF_WIDTH_M, HALF_HEIGHT_M = 0.056, 0.023


def main(argv: list[str]) -> int:
    """Write the sheet; returns 0."""
    parser = argparse.ArgumentParser(prog="bench eye_sheet", description=__doc__.splitlines()[0])
    parser.add_argument("portrait", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--view", type=float, default=0.0, help="swing the camera about the head, degrees")
    parser.add_argument("--tile", type=int, default=420, help="width of one picture, pixels")
    arguments = parser.parse_args(argv)
    splats = read_ply(arguments.portrait / "portrait.ply")
    rig, groups = load_sidecar(arguments.portrait, len(splats))
    posable, camera = Posable(splats, groups, rig), eye_camera(rig, arguments.view, arguments.tile)

    def tile(label: str, pose: Pose) -> np.ndarray:
        picture = picture_over_grey(posable, pose, camera)
        return cv2.putText(picture, label, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)

    rows = [np.hstack([tile(f"yaw {yaw:+.0f} pitch {pitch:+.0f}", Pose.both(yaw, pitch)) for yaw in YAWS_DEG]) for pitch in PITCHES_DEG]
    rows.append(np.hstack([tile("rest", Pose())] + [tile(f"blink {blink:.2f}", Pose.both(blink=blink)) for blink in BLINKS]))
    cv2.imwrite(str(arguments.out), np.vstack(rows))
    sys.stdout.write(f"{arguments.out}\n")
    return 0


def picture_over_grey(portrait: Posable, pose: Pose, camera: Camera) -> np.ndarray:
    """Return a posed portrait over grey as a BGR picture (height, width, 3) of bytes."""
    eye_point_m = -camera.w2c[:3, :3].T @ camera.w2c[:3, 3]
    frame = render(portrait.splats(pose, eye_point_m), camera.scaled(SUPERSAMPLE), RenderSettings())
    picture = np.clip(frame.rgb + (1.0 - frame.alpha[..., None]) * GREY, 0.0, 1.0)
    picture = cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.round(picture[..., ::-1] * 255.0).astype(np.uint8))


def eye_camera(rig: PortraitRig, view_deg: float, tile_px: int) -> Camera:
    """Return the photo's camera, swung about the head, cropped to both eyes."""
    middle = np.mean([eye.iris_centre_m for eye in rig.eyes.values()], axis=0)
    return cropped_camera(rig, view_deg, middle, (HALF_WIDTH_M, HALF_HEIGHT_M), tile_px)


def cropped_camera(rig: PortraitRig, view_deg: float, centre_m: np.ndarray, half_size_m: tuple[float, float], width_px: int) -> Camera:
    """Return the photo's camera, swung about the upright axis by ``view_deg``, cropped to ``half_size_m`` about ``centre_m`` (3,)."""
    a = np.radians(view_deg)
    swing = np.eye(4)
    swing[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    w2c = np.array(rig.camera.w2c) @ swing
    middle = w2c[:3] @ np.append(centre_m, 1.0)
    focal = width_px / (2.0 * half_size_m[0]) * middle[2]
    height = round(width_px * half_size_m[1] / half_size_m[0])
    x, y = focal * middle[:2] / middle[2]
    return Camera(width_px, height, focal, focal, width_px / 2 - x, height / 2 - y, w2c)
