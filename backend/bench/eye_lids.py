# SPDX-License-Identifier: GPL-3.0-or-later
"""One eye from open to shut at sixfold size, portrait by portrait, with the truth below rendered heads.

    bench eye_lids [PORTRAIT_FOLDER ...] [--gt FOLDER] --out FILE.png

Skin and lashes are judged by looking: grain, hue, seams and the line on which lids meet show at this size alone.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.pose import Posable, Pose
from ...gazesplat_addon.rig.sidecar import load_sidecar
from ...gazesplat_addon.splat.ply import read_ply
from ..render import Camera
from .eye_display import portrait_camera
from .eye_sheet import cropped_camera, picture_over_grey
from .eyes import pose_of, reconstruct

BLINKS = (0.0, 0.25, 0.5, 0.75, 1.0)
TILE_PX = (300, 188)
HALF_WIDTH_M = 0.020
SIDE = "right"
PUBLIC_HEADS = 2


def main(argv: list[str]) -> int:
    """Write the sheet; returns 0."""
    parser = argparse.ArgumentParser(prog="bench eye_lids", description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path, nargs="*")
    parser.add_argument("--gt", type=Path, help="rendered heads, as of bench eyes: each is reconstructed, and its truth shown below")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    rows = [portrait_row(folder) for folder in arguments.portraits]
    heads = sorted((arguments.gt / "selfie").glob("*/request.json"))[:PUBLIC_HEADS] if arguments.gt else []
    for request in heads:
        rows.append(truth_rows(request.parent))
    cv2.imwrite(str(arguments.out), np.vstack(rows))
    sys.stdout.write(f"{arguments.out}\n")
    return 0


def portrait_row(folder: Path) -> np.ndarray:
    """Return one eye of a portrait at five blinks, a BGR picture of bytes."""
    splats = read_ply(folder / "portrait.ply")
    rig, groups = load_sidecar(folder, len(splats))
    half = HALF_WIDTH_M, HALF_WIDTH_M * TILE_PX[1] / TILE_PX[0]
    camera = cropped_camera(rig, 0.0, np.array(rig.eyes[SIDE].iris_centre_m), half, TILE_PX[0])
    posable = Posable(splats, groups, rig)
    return np.hstack([picture_over_grey(posable, Pose.both(blink=blink), camera) for blink in BLINKS])


def truth_rows(folder: Path) -> np.ndarray:
    """Return the row of a rendered head, reconstructed from its input, over that of the truth; both from the truth's camera."""
    request = json.loads((folder / "request.json").read_text("utf-8"))
    portrait = reconstruct(folder, request)
    posable = Posable(portrait.splats, portrait.groups, portrait.rig)
    ours, truth = [], []
    for target in _from_open_to_shut(request):
        camera = portrait_camera(target["camera"], portrait.world_from_portrait)
        w2c = np.array(camera.w2c)
        at = w2c[:3] @ np.append(portrait.rig.eyes[SIDE].iris_centre_m, 1.0)
        size = TILE_PX[0] * at[2] / (2.0 * HALF_WIDTH_M * camera.fx)         # pixels of the sheet per pixel of the picture
        corner = np.array([camera.fx, camera.fy]) * at[:2] / at[2] + [camera.cx, camera.cy] - np.array(TILE_PX) / (2.0 * size)
        close = Camera(*TILE_PX, camera.fx * size, camera.fy * size, *((np.array([camera.cx, camera.cy]) - corner) * size), w2c)
        ours.append(picture_over_grey(posable, pose_of(portrait, request, target), close))
        shift = np.array([[1.0 / size, 0.0, corner[0] + 0.5 / size - 0.5], [0.0, 1.0 / size, corner[1] + 0.5 / size - 0.5]])
        seen = cv2.imread(str(folder / target["file"]))
        truth.append(cv2.warpAffine(seen, shift, TILE_PX, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP))
    return np.vstack([np.hstack(ours), np.hstack(truth)])


def _from_open_to_shut(request: dict) -> list[dict]:
    """Return the input as a target, then the blinks of both eyes alike, in order."""
    still = {"file": request["input"], "camera": request["camera"], "gaze": request.get("gaze", [0.0, 0.0]), "blink": {"L": 0.0, "R": 0.0}}
    alike = [t for t in request["targets"] if t["role"] == "blink" and t["blink"]["L"] == t["blink"]["R"]]
    files = [dict(target, file=f"{target['stem']}.png") for target in alike]
    return [still, *sorted(files, key=lambda target: target["blink"]["L"])]
