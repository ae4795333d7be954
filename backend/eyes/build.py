# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye builder: a face scan in, rigged eyes as splats out."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...gazesplat_addon.rig.sidecar import EyeRig
from ...gazesplat_addon.splat.arrays import Splats, concatenate
from ..model.scan import FaceScan
from .contour import EyeContour
from .corners import build_corners
from .gaze import estimate_rest_gaze
from .geometry import build_rigs
from .globe import build_globe
from .lid_surface import globe_depth, lid_depth
from .margin import build_margin
from .skin import build_lids, covered_pixels


@dataclass(frozen=True)
class EyeBuild:
    """Both eyes of one portrait.

    rigs          EyeRig by side
    contours      what was found in the photo, by side
    splats        Splats of globes, lids and lashes
    groups        (N,) uint8
    exclude_mask  (H, W) bool, photo pixels the head must leave to the eyes
    depth_m       (H, W) float32, the scan's depth with the lids' surface blended in
    """

    rigs: dict[str, EyeRig]
    contours: dict[str, EyeContour]
    splats: Splats
    groups: np.ndarray
    exclude_mask: np.ndarray
    depth_m: np.ndarray


def build_eyes(scan: FaceScan, options: dict) -> EyeBuild:
    """Build both eyes.

    Options: ``rest_gaze_deg`` (yaw, pitch in the head frame; None = estimated: into the lens unless the
    eyes are clearly averted) and ``gaze_distance_m``.
    """
    contours = scan.eyes
    rest = options.get("rest_gaze_deg") or estimate_rest_gaze(scan)
    rigs = build_rigs(scan, contours, tuple(rest) if rest is not None else None, float(options.get("gaze_distance_m", 0.6)))
    layers = []
    exclude = np.zeros(scan.image.shape[:2], bool)
    depth = scan.depth_m.copy()
    for side, contour in contours.items():
        rigs[side], globe = build_globe(scan, contour, rigs[side], side)
        layers += globe + build_lids(scan, contour, rigs[side], side) + build_corners(scan, rigs[side], side)
        layers += build_margin(scan, contour, rigs[side], side)
        covered = covered_pixels(scan, contour, rigs[side])
        exclude |= covered
        rows, columns = np.nonzero(covered)
        depth[rows, columns] = lid_depth(scan, contour, rigs[side], np.stack([columns + 0.5, rows + 0.5], 1))
        rows, columns = np.nonzero(~covered & np.isfinite(depth))
        depth[rows, columns] = np.minimum(depth[rows, columns], globe_depth(scan, rigs[side], np.stack([columns + 0.5, rows + 0.5], 1)))
    return EyeBuild(rigs, contours, concatenate([layer.splats for layer in layers]),
                    np.concatenate([layer.groups for layer in layers]), exclude, depth.astype(np.float32))
