# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up head of any number of splats, and a camera that it fills: what renderers are timed and tested on."""
from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.pose import PosedSplats
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats, concatenate, quaternions_of
from ...gazesplat_addon.splat.harmonics import colours as seen_colours
from ..render import Camera

_MADE_UP_EYES = Path(__file__).resolve().parents[2] / "tests" / "synthetic.py"
_FORWARD_M = 0.075                                  # the made-up eyes look out of a head whose middle is this far behind them
HEAD_SEMI_AXES_M = np.array([0.075, 0.095, 0.12])   # half width, depth and height of an adult head, rounded
HEAD_DISTANCE_M = 0.6
HAIR = 5                                            # a group code that no portrait uses


def head_splats(count: int, seed: int = 0, sh_degree: int = 0) -> tuple[Splats, np.ndarray]:
    """Return an ellipsoid of flat skin, long thin hair and two irises, and the group codes (count,)."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hair = directions[:, 2] > 0.35
    means = directions * HEAD_SEMI_AXES_M * (1.0 + rng.normal(0.0, 0.01, (count, 1)))
    normals = directions / HEAD_SEMI_AXES_M
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    along = rng.normal(size=(count, 3))
    along[hair] = [0.0, 0.0, -1.0] + rng.normal(0.0, 0.2, (np.count_nonzero(hair), 3))
    along -= np.sum(along * normals, axis=1, keepdims=True) * normals
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    axes = np.stack([along, np.cross(normals, along), normals], axis=2)
    # A sphere of the mean radius, shared out evenly, sets the size; splats of trained heads spread like this.
    size = np.sqrt(4.0 * np.pi * np.mean(HEAD_SEMI_AXES_M) ** 2 / max(count, 1))
    scales = size * np.exp(rng.normal([-0.1, -0.4, -1.8], 0.5, (count, 3)))
    scales[hair] *= [3.0, 0.5, 1.0]
    opacities = np.clip(rng.beta(1.2, 0.8, count), 0.006, 0.999)
    colours = [0.78, 0.58, 0.47] + 0.08 * np.sin(18.0 * directions) + rng.normal(0.0, 0.05, (count, 3))
    colours[hair] = [0.16, 0.10, 0.07] + rng.normal(0.0, 0.08, (np.count_nonzero(hair), 1))
    groups = np.where(hair, HAIR, parts.HEAD)
    for side, x in (("left", 0.032), ("right", -0.032)):
        eye = (np.hypot(means[:, 0] - x, means[:, 2]) < 0.006) & (means[:, 1] < 0.0)
        groups[eye] = parts.code(side, parts.IRIS)
        colours[eye] = [0.2, 0.35, 0.5]
    rest = rng.normal(0.0, 0.05, (count, (sh_degree + 1) ** 2 - 1, 3))
    arrays = (means, scales, quaternions_of(axes), opacities, np.clip(colours, 0.0, 1.0), rest)
    return Splats(*(array.astype(np.float32) for array in arrays)), groups


def synthetic_head(count: int, seed: int = 0, sh_degree: int = 0) -> PosedSplats:
    """Return ``head_splats`` as a rasteriser takes them, seen from the front."""
    splats, groups = head_splats(count, seed, sh_degree)
    colours = seen_colours(splats, splats.means, np.array([0.0, -HEAD_DISTANCE_M, 0.0]))
    return PosedSplats(splats.means, splats.linear_factors(), splats.opacities, colours, groups)


def head_portrait(count: int, sh_degree: int = 0) -> tuple[Splats, np.ndarray, PortraitRig]:
    """Return a head of ``count`` splats and the tests' made-up eyes, which add 8,000: splats, groups (N,) uint8, rig."""
    spec = importlib.util.spec_from_file_location("gazesplat_made_up_eyes", _MADE_UP_EYES)
    made_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made_up)
    eyes, eye_groups, rig = made_up.synthetic_portrait(head_count=1, sh_degree=sh_degree)
    head, _ = head_splats(count, sh_degree=sh_degree)
    head = Splats(head.means + np.float32([0.0, _FORWARD_M, 0.0]), head.scales, head.rotations, head.opacities, head.colours, head.sh_rest)
    return concatenate([head, eyes]), np.concatenate([np.full(count, parts.HEAD), eye_groups]).astype(np.uint8), rig


def portrait_camera(width: int, height: int) -> Camera:
    """Return a camera before ``head_portrait`` whose frame height the head fills."""
    distance_m = HEAD_DISTANCE_M + _FORWARD_M
    focal = 0.97 * height * distance_m / (2.0 * HEAD_SEMI_AXES_M[2])
    w2c = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, HEAD_DISTANCE_M], [0.0, 0.0, 0.0, 1.0]])
    return Camera(width, height, focal, focal, width / 2, height / 2, w2c)


def head_camera(width: int, height: int) -> Camera:
    """Return a camera 20 degrees to the side whose frame height the head fills."""
    focal = 0.97 * height * HEAD_DISTANCE_M / (2.0 * HEAD_SEMI_AXES_M[2])
    angle = np.radians(20.0)
    forward = np.array([-np.sin(angle), np.cos(angle), 0.0])
    down = np.array([0.0, 0.0, -1.0])
    w2c = np.eye(4)
    w2c[:3, :3] = np.stack([np.cross(down, forward), down, forward])
    w2c[2, 3] = HEAD_DISTANCE_M
    return Camera(width, height, focal, focal, width / 2, height / 2, w2c)
