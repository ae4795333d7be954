# SPDX-License-Identifier: GPL-3.0-or-later
"""A strip of one portrait's head seen from ear to ear, below with other gazes and lids: what docs/video.md shows of a trained head.

    bench turntable PORTRAIT_FOLDER --out FILE.png [--tile PIXELS]
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.pose import Posable, Pose
from ...gazesplat_addon.rig.sidecar import load_sidecar
from ...gazesplat_addon.splat.ply import read_ply
from .eye_sheet import cropped_camera, picture_over_grey

VIEWS_DEG = (70.0, 45.0, 20.0, 0.0, -20.0, -45.0, -70.0)
POSES = (Pose.both(20.0), Pose.both(-20.0, 5.0), Pose.both(blink=1.0), Pose.both(0.0, 20.0), Pose.both(-10.0, -25.0), Pose.both(20.0, 5.0),
         Pose.both(-20.0))
HALF_SIZE_M = (0.13, 0.155)     # a head with its hair and some neck


def main(argv: list[str]) -> int:
    """Write the strip; returns 0."""
    parser = argparse.ArgumentParser(prog="bench turntable", description=__doc__.splitlines()[0])
    parser.add_argument("portrait", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tile", type=int, default=230, help="width of one picture, pixels")
    arguments = parser.parse_args(argv)
    splats = read_ply(arguments.portrait / "portrait.ply")
    rig, groups = load_sidecar(arguments.portrait, len(splats))
    posable = Posable(splats, groups, rig)
    middle = np.percentile(splats.means, (2, 98), axis=0).mean(0)
    cameras = [cropped_camera(rig, view, middle, HALF_SIZE_M, arguments.tile) for view in VIEWS_DEG]
    rows = [np.hstack([picture_over_grey(posable, pose, camera)
                       for pose, camera in zip(poses, cameras, strict=True)])
            for poses in ((Pose(),) * len(cameras), POSES)]
    cv2.imwrite(str(arguments.out), np.vstack(rows))
    sys.stdout.write(f"{arguments.out}\n")
    return 0
