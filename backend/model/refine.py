# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours fitted through the rasteriser, so that the blur of overlapping splats is undone before anyone sees it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.lids import smoothstep
from ...gazesplat_addon.rig.pose import Pose, PosedSplats, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats
from ..render import Camera, RenderSettings, render
from ..render.numba_training import backward, forward
from .lift import edge_safe_photo
from .scan import FaceScan

ITERATIONS = 9
RELAXATION = 1.6            # SIRT converges below 2
LARGEST_SIDE_PX = 1400      # the photo is enlarged up to threefold, or to this: a portrait is shown larger than its photo
MOST_CHANGE = 0.25
DAMPING = 0.15              # of the median weight: splats that hardly show learn little
# A globe's splats beside a lid or a reflection make up for errors of what lies over them: they may hardly change, or there are glaring
# lines and black holes when the eye turns. Beside is within this many iris radii.
MOST_BESIDE, MOST_UNDER_LIGHT = 0.05, 0.03
BESIDE_IRIS_RADII = 0.08
# Skin under lashes was restored, not seen: it may hardly change, or it would glow when the lid comes down.
_MOST_CHANGE_OF = {parts.HIGHLIGHT: 0.0, parts.UPPER_LID: 0.008, parts.UPPER_LASH: 0.12, parts.UPPER_SHADE: 0.25}


def fit_colours(scan: FaceScan, splats: Splats, groups: np.ndarray, rig: PortraitRig, report: Callable[[float, str], None]) -> Splats:
    """Return the splats with colours that reproduce the photo from its own camera (SIRT on the compositing weights).

    The weights do not depend on colours, so each step moves a splat by the weighted mean of the residual it covers.
    """
    height, width = scan.image.shape[:2]
    scale = float(np.clip(LARGEST_SIDE_PX / max(height, width), 1.0, 3.0))
    size = (round(width * scale), round(height * scale))
    # At the rim the photo shows background too, which must not come along.
    target = cv2.resize(edge_safe_photo(scan), size, interpolation=cv2.INTER_CUBIC)
    inside = cv2.resize(scan.head_mask, size, interpolation=cv2.INTER_LINEAR)[..., None] ** 2
    camera = Camera(size[0], size[1], scan.fx * size[0] / width, scan.fy * size[1] / height, scan.cx * size[0] / width,
                    scan.cy * size[1] / height, scan.portrait_to_camera)
    posed = pose_splats(splats, groups, rig, Pose())
    first = posed.colours.copy()
    limit = np.full((len(splats), 1), MOST_CHANGE, np.float32)
    for part, most in _MOST_CHANGE_OF.items():
        limit[(groups != parts.HEAD) & (groups % 10 == part)] = most
    # Lashes, and the films over them, show what lies under them; they may learn its brightness, but an iris' blue would shut
    # with the lid as a line, and hues that even out in the photo's pixels would show as coloured strands in a close-up.
    lashes = ((groups != parts.HEAD) & np.isin(groups % 10, (parts.UPPER_LASH, parts.UPPER_SHADE)))[:, None]
    limit = np.minimum(limit, _globe_limit(posed, camera, rig))
    gain = None
    for step in range(ITERATIONS):
        report(step / ITERATIONS, "Matching colours to the photo")
        frame, tape = forward(posed, camera, RenderSettings())
        if gain is None:
            weight = backward(tape, np.broadcast_to(inside, (*inside.shape[:2], 3))).colours[:, :1]
            shown = weight[weight > 0]
            gain = RELAXATION / (weight + DAMPING * (np.median(shown) if len(shown) else 1.0))
        residual = (target * frame.alpha[..., None] - frame.rgb) * inside
        change = posed.colours + gain * backward(tape, residual).colours - first
        change = np.where(lashes, change.mean(1, keepdims=True), change)
        posed = replace(posed, colours=np.clip(first + np.clip(change, -limit, limit), 0.0, 1.0).astype(np.float32))
    return replace(splats, colours=posed.colours)


def _globe_limit(posed: PosedSplats, camera: Camera, rig: PortraitRig) -> np.ndarray:
    """Return how much splats (N, 1) may change: those of a globe that lie beside or under something else hardly, all others freely."""
    limit = np.full((len(posed.means), 1), np.inf, np.float32)
    for side, eye in rig.eyes.items():
        lids = [parts.code(side, part) for part in parts.LID_PARTS]
        mattes = render(posed, camera, RenderSettings(), mattes={"lids": lids, "light": [parts.code(side, parts.HIGHLIGHT)]}).mattes
        iris = camera.w2c[:3] @ np.append(eye.iris_centre_m, 1.0)
        sigma = BESIDE_IRIS_RADII * eye.iris_radius_m / iris[2] * camera.fx
        own = parts.is_part(posed.groups, side, parts.GLOBE_PARTS)
        at = posed.means[own] @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        x, y = at[:, 0] / at[:, 2] * camera.fx + camera.cx, at[:, 1] / at[:, 2] * camera.fy + camera.cy
        x, y = ((v - 0.5).astype(np.float32)[None] for v in (x, y))
        for matte, most, (low, high) in ((mattes["lids"], MOST_BESIDE, (0.05, 0.35)), (mattes["light"], MOST_UNDER_LIGHT, (0.02, 0.1))):
            share = cv2.remap(cv2.GaussianBlur(matte, (0, 0), sigma), x, y, cv2.INTER_LINEAR)[0]
            limit[own, 0] = np.minimum(limit[own, 0], MOST_CHANGE + (most - MOST_CHANGE) * smoothstep(low, high, share))
    return limit
