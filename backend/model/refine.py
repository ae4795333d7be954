# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours fitted through the rasteriser, so that the blur of overlapping splats is undone before anyone sees it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.lids import smoothstep
from ...gazesplat_addon.rig.pose import Pose, PosedSplats, pose_splats
from ...gazesplat_addon.rig.sidecar import EyeRig, PortraitRig
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
# Nor may a lower lid under its lashes, or it would learn the picture of them that it was cleaned of.
MOST_UNDER_LASHES, AMONG_LASHES_IRIS_RADII = 0.05, 0.12
BESIDE_IRIS_RADII = 0.08
FACING, LEAST_FACING = (0.4, 0.7), 0.1     # cosine
# Skin under lashes was restored, not seen: it may hardly change, or it would glow when the lid comes down.
_MOST_CHANGE_OF = {parts.HIGHLIGHT: 0.0, parts.UPPER_LID: 0.008, parts.UPPER_LASH: 0.12, parts.LOWER_LASH: 0.05,
                   parts.UPPER_SHADE: 0.25}
# A sclera's veins were read already: what single splats would learn besides is lashes over it, and noise. All within this distance of
# each other (iris radii) learn alike, and each but a little of its own.
ALIKE_IRIS_RADII, MOST_ALONE = 0.3, 0.03
# Round the iris they make the limbus, which is no noise: most alone, and within which of its radii.
MOST_AT_LIMBUS, LIMBUS_IRIS_RADII = 0.2, (1.2, 1.4)
# A globe's hue was read as well; that of single pixels is noise, which a dark iris that turns would show as blue specks.
MOST_HUE_OF_GLOBE = 0.03
# What the photo hardly shows of a splat, as a share of its footprint: a part that comes out from behind another learns nothing there.
HIDDEN_SHARE = (0.02, 0.12)
LOW_PASS_PX2 = 0.3
# What covers which parts, how much those may change, between which shares of cover that sets in, and within how many iris radii.
_HELD = (("lids", parts.GLOBE_PARTS, MOST_BESIDE, (0.05, 0.35), BESIDE_IRIS_RADII),
         ("light", parts.GLOBE_PARTS, MOST_UNDER_LIGHT, (0.02, 0.1), BESIDE_IRIS_RADII),
         ("lashes", (parts.LOWER_LID,), MOST_UNDER_LASHES, (0.02, 0.08), AMONG_LASHES_IRIS_RADII))
_HUELESS = (parts.UPPER_LASH, parts.LOWER_LASH, parts.UPPER_SHADE)


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
    films = (groups != parts.HEAD) & (groups % 10 == parts.UPPER_SHADE)
    limit[films] *= _facing(posed, films, camera)
    # Lashes, and the films over them, show what lies under them; they may learn its brightness, but an iris' blue would shut
    # with the lid as a line, and hues that even out in the photo's pixels would show as coloured strands in a close-up.
    lashes = ((groups != parts.HEAD) & np.isin(groups % 10, _HUELESS))[:, None]
    limit = np.minimum(limit, _covered_limit(posed, camera, rig))
    globe = ((groups != parts.HEAD) & np.isin(groups % 10, parts.GLOBE_PARTS))[:, None]
    alike = [_alike(posed, groups, side, eye) for side, eye in rig.eyes.items()]
    gain = None
    for step in range(ITERATIONS):
        report(step / ITERATIONS, "Matching colours to the photo")
        frame, tape = forward(posed, camera, RenderSettings())
        if gain is None:
            weight = backward(tape, np.broadcast_to(inside, (*inside.shape[:2], 3))).colours[:, :1]
            shown = weight[weight > 0]
            seen = smoothstep(*HIDDEN_SHARE, weight / np.maximum(_footprint(posed, camera), 1e-6))
            limit = np.where(groups[:, None] == parts.HEAD, limit, limit * seen)
            gain = RELAXATION / (weight + DAMPING * (np.median(shown) if len(shown) else 1.0))
        residual = (target * frame.alpha[..., None] - frame.rgb) * inside
        change = posed.colours + gain * backward(tape, residual).colours - first
        change = np.where(lashes, change.mean(1, keepdims=True), change)
        even = change.mean(1, keepdims=True)
        change = np.where(globe, even + np.clip(change - even, -MOST_HUE_OF_GLOBE, MOST_HUE_OF_GLOBE), change)
        change = np.clip(change, -limit, limit)
        for rows, near, alone in alike:
            own = change[rows]
            # What lies far from all that shows learns what the whole white learns on average.
            shows = weight[rows]
            few = 0.02 * shows.max() + 1e-6
            even = (near @ (own * shows) + few * (own * shows).sum(0) / np.maximum(shows.sum(), 1e-6)) / (near @ shows + few)
            change[rows] = even + np.clip(own - even, -alone, alone)
        posed = replace(posed, colours=np.clip(first + change, 0.0, 1.0).astype(np.float32))
    return replace(splats, colours=posed.colours)


def _alike(posed: PosedSplats, groups: np.ndarray, side: str, eye: EyeRig) -> tuple[np.ndarray, sparse.csr_matrix, np.ndarray]:
    """Return the rows (K,) of a sclera's splats, which lie near which (K, K), and how much each may differ from those near it (K, 1)."""
    rows = np.flatnonzero(groups == parts.code(side, parts.SCLERA))
    tree, radius = cKDTree(posed.means[rows]), ALIKE_IRIS_RADII * eye.iris_radius_m
    near = tree.sparse_distance_matrix(tree, radius, output_type="coo_matrix")
    weights = np.exp(-0.5 * (2.0 * near.data / radius) ** 2).astype(np.float32)
    away = np.linalg.norm(posed.means[rows] - np.asarray(eye.iris_centre_m), axis=1) / eye.iris_radius_m
    alone = MOST_AT_LIMBUS + (MOST_ALONE - MOST_AT_LIMBUS) * smoothstep(*LIMBUS_IRIS_RADII, away)
    return rows, sparse.csr_matrix((weights, (near.row, near.col)), near.shape), alone[:, None]


def _footprint(posed: PosedSplats, camera: Camera) -> np.ndarray:
    """Return the weight (N, 1) that splats would have in the picture with nothing before them, pixels."""
    turn, depth = camera.w2c[:3, :3], posed.means @ camera.w2c[2, :3] + camera.w2c[2, 3]
    across = (turn[:2] @ posed.factors) * np.array([camera.fx, camera.fy])[:, None] / np.maximum(depth, 1e-6)[:, None, None]
    spread = across @ across.transpose(0, 2, 1) + LOW_PASS_PX2 * np.eye(2)
    return (posed.opacities * 2.0 * np.pi * np.sqrt(np.linalg.det(spread)))[:, None].astype(np.float32)


def _facing(posed: PosedSplats, rows: np.ndarray, camera: Camera) -> np.ndarray:
    """Return which share of their change flat splats (n, 1) may make: all that face the camera, few that turn their edge to it.

    From the side one looks along a film at the rim of the lids' sphere, through many of its splats at once: a dark arc would show.
    """
    normal, ray = posed.factors[rows][:, :, 2], posed.means[rows] - camera.position
    cosine = np.abs((normal * ray).sum(1)) / np.maximum(np.linalg.norm(normal, axis=1) * np.linalg.norm(ray, axis=1), 1e-12)
    return np.maximum(smoothstep(*FACING, cosine), LEAST_FACING)[:, None].astype(np.float32)


def _covered_limit(posed: PosedSplats, camera: Camera, rig: PortraitRig) -> np.ndarray:
    """Return how much splats (N, 1) may change: of a globe those beside or under something else hardly, so lower lids under lashes."""
    limit = np.full((len(posed.means), 1), np.inf, np.float32)
    for side, eye in rig.eyes.items():
        # A splat counts to one matte.
        covers = {"lids": [parts.code(side, part) for part in parts.LID_PARTS if part != parts.LOWER_LASH],
                  "light": [parts.code(side, parts.HIGHLIGHT)], "lashes": [parts.code(side, parts.LOWER_LASH)]}
        mattes = render(posed, camera, RenderSettings(), mattes=covers).mattes
        mattes["lids"] = mattes["lids"] + mattes["lashes"]
        iris = camera.w2c[:3] @ np.append(eye.iris_centre_m, 1.0)
        radius_px = eye.iris_radius_m / iris[2] * camera.fx
        for cover, own, most, (low, high), within in _HELD:
            rows = parts.is_part(posed.groups, side, own)
            at = posed.means[rows] @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
            x, y = at[:, 0] / at[:, 2] * camera.fx + camera.cx, at[:, 1] / at[:, 2] * camera.fy + camera.cy
            x, y = ((v - 0.5).astype(np.float32)[None] for v in (x, y))
            share = cv2.remap(cv2.GaussianBlur(mattes[cover], (0, 0), within * radius_px), x, y, cv2.INTER_LINEAR)[0]
            limit[rows, 0] = np.minimum(limit[rows, 0], MOST_CHANGE + (most - MOST_CHANGE) * smoothstep(low, high, share))
    return limit
