# SPDX-License-Identifier: GPL-3.0-or-later
"""A small made-up portrait with every part a real one has: numpy only, seeded, a few thousand splats."""
from __future__ import annotations

import numpy as np

from gazesplat.gazesplat_addon.rig import lids, parts
from gazesplat.gazesplat_addon.rig.sidecar import EyeRig, PortraitRig, SourceCamera
from gazesplat.gazesplat_addon.splat.arrays import Splats, concatenate, quaternions_of

IRIS_RADIUS_M, LEVER_M, PITCH_LEVER_M = 0.0059, 0.0108, 0.0081
HALF_IPD_M = 0.0315
# Log-shading: a little light along the opening, both lids' shadows.
SHADE = ((0.02,) * 3, (-0.15,) * 3, (0.05,) * 3, (-0.1, -0.2, -0.2), (-0.1, -0.2, -0.2), (-0.5, -0.55, -0.6), (-0.2, -0.2, -0.25))


def synthetic_eye(side: str) -> EyeRig:
    """Return a human-sized eye looking straight ahead."""
    sign = 1.0 if side == "left" else -1.0
    centre = np.array([sign * HALF_IPD_M, 0.0, 0.0])
    iris = centre + [0.0, -LEVER_M, 0.0]
    return EyeRig(
        centre_m=tuple(centre), frame=((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)), rest_axis=(0.0, -1.0, 0.0),
        pivot_yaw_m=tuple(centre), pivot_pitch_m=tuple(iris + [0.0, PITCH_LEVER_M, 0.0]), iris_centre_m=tuple(iris),
        iris_radius_m=IRIS_RADIUS_M, pupil_radius_m=0.0022, globe_radius_m=0.012, inner_x_m=-sign * 0.0115, outer_x_m=sign * 0.0135,
        corner_y_m=-0.0008, upper_m=(0.0055, 0.0004, 0.0006, 0.0, 0.0), lower_m=(-0.0042, -0.0003, -0.0002, 0.0, 0.0),
        closing_m=(-0.004, -0.0003, 0.0, 0.0, 0.0), lid_radius_m=0.0132, upper_reach_m=0.014, lower_reach_m=0.0094, shade=SHADE,
        lead_m=0.0008)


def synthetic_portrait(seed: int = 0, head_count: int = 1500, sh_degree: int = 0) -> tuple[Splats, np.ndarray, PortraitRig]:
    """Return splats, groups (N,) and the rig of a coarse head with two complete eyes."""
    rng = np.random.default_rng(seed)
    layers = [(_head(rng, head_count), np.full(head_count, parts.HEAD))]
    eyes = {side: synthetic_eye(side) for side in parts.SIDES}
    for side, eye in eyes.items():
        layers += _eye_layers(eye, side)
    splats = concatenate([splats for splats, _ in layers])
    groups = np.concatenate([np.asarray(g, np.uint8) for _, g in layers])
    if sh_degree:
        count = {1: 3, 2: 8, 3: 15}[sh_degree]
        rest = rng.normal(0.0, 0.05, (len(splats), count, 3)).astype(np.float32)
        splats = Splats(splats.means, splats.scales, splats.rotations, splats.opacities, splats.colours, rest)
    w2c = ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -1.0, 0.0), (0.0, 1.0, 0.0, 0.6), (0.0, 0.0, 0.0, 1.0))
    camera = SourceCamera(256, 256, 500.0, 500.0, 128.0, 128.0, w2c)
    return splats, groups, PortraitRig(camera, eyes, provenance={"source": "synthetic"})


def _splats(points, scales, rotations, colours, opacities) -> Splats:
    n = len(points)
    return Splats(np.asarray(points, np.float32), np.broadcast_to(np.asarray(scales, np.float32), (n, 3)).copy(),
                  np.asarray(rotations, np.float32), np.broadcast_to(np.float32(opacities), n).copy(),
                  np.broadcast_to(np.asarray(colours, np.float32), (n, 3)).copy(), np.zeros((n, 0, 3), np.float32))


def _facing(normals: np.ndarray) -> np.ndarray:
    """Return quaternions whose third axis is the normal (N, 3)."""
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    x = np.cross(np.where(np.abs(normals[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]), normals)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return quaternions_of(np.stack([x, np.cross(normals, x), normals], 2))


def _head(rng: np.random.Generator, count: int) -> Splats:
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radii = np.array([0.075, 0.095, 0.115])
    points = direction * radii + [0.0, 0.075, -0.02]
    size = rng.uniform(0.003, 0.006, (count, 1)) * [1.0, 0.7, 0.1]
    colours = np.array([0.72, 0.55, 0.46]) + 0.05 * np.sin(40.0 * points)
    return _splats(points, size, _facing(direction / radii), colours, 0.9)


def _eye_layers(eye: EyeRig, side: str) -> list[tuple[Splats, np.ndarray]]:
    g, centre, frame = eye.gaze_frame(), np.asarray(eye.centre_m), np.asarray(eye.frame)
    golden = np.pi * (3.0 - np.sqrt(5.0))

    rho = eye.iris_radius_m * np.sqrt((np.arange(400) + 0.5) / 400)
    phi = golden * np.arange(400)
    disc = np.asarray(eye.iris_centre_m) + rho[:, None] * (np.cos(phi)[:, None] * g[:, 0] + np.sin(phi)[:, None] * g[:, 1])
    in_pupil = rho < eye.pupil_radius_m
    colours = np.where(in_pupil[:, None], 0.03, np.array([0.25, 0.4, 0.55]) + 0.08 * np.sin(9.0 * phi)[:, None])
    iris = _splats(disc, [0.0003, 0.0003, 0.00006], _facing(np.broadcast_to(g[:, 2], disc.shape)), colours, 0.99)

    limbus = np.arctan2(eye.iris_radius_m, LEVER_M)
    cosine = np.linspace(np.cos(limbus), np.cos(np.radians(100.0)), 900)
    sine, phi = np.sqrt(1.0 - cosine ** 2), golden * np.arange(900)
    normal = np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], 1) @ g.T
    sclera = _splats(centre + 0.0121 * normal, [0.0005, 0.0005, 0.00006], _facing(normal), [0.85, 0.83, 0.8], 0.99)

    offset = np.stack([np.linspace(-0.0006, 0.0006, 5), np.full(5, 0.0009), np.full(5, 0.0009)], 1) + [0.001, 0.001, 0.0]
    highlight = _splats(np.asarray(eye.iris_centre_m) + offset @ g.T, [0.0002] * 3, _facing(np.broadcast_to(g[:, 2], (5, 3))), 0.97, 0.8)

    width = eye.outer_x_m - eye.inner_x_m
    x = np.linspace(eye.inner_x_m - 0.2 * width, eye.outer_x_m + 0.2 * width, 45)
    m = lids.margins(eye, x, 0.0, 0.0, 0.0)
    layers = [(iris, np.where(in_pupil, parts.code(side, parts.PUPIL), parts.code(side, parts.IRIS))),
              (sclera, np.full(900, parts.code(side, parts.SCLERA))), (highlight, np.full(5, parts.code(side, parts.HIGHLIGHT)))]
    for margin, step, rows, part in ((m.upper_rest, 0.0005, 32, parts.UPPER_LID), (m.lower_rest, -0.0005, 20, parts.LOWER_LID)):
        y = margin[None] + step * (np.arange(rows) + 0.3)[:, None]
        xx = np.broadcast_to(x, y.shape).ravel()
        z = lids.lid_height(eye, xx, y.ravel())
        points = centre + np.stack([xx, y.ravel(), z], 1) @ frame.T
        skin = _splats(points, [0.0004, 0.0004, 0.00006], _facing(np.broadcast_to(frame[:, 2], points.shape)), [0.7, 0.5, 0.42], 0.99)
        layers.append((skin, np.full(len(points), parts.code(side, part))))
    t = np.linspace(0.0, 0.005, 12)[:, None]
    lash_x = np.linspace(eye.inner_x_m + 0.1 * width, eye.outer_x_m, 30)
    rest = lids.margins(eye, lash_x, 0.0, 0.0, 0.0).upper_rest
    y = (rest + t).ravel()
    z = (lids.lid_height(eye, lash_x, rest) + t / np.tan(np.radians(eye.lash_angle_deg)) + lids.LASH_LIFT_M).ravel()
    points = centre + np.stack([np.broadcast_to(lash_x, (12, 30)).ravel(), y, z], 1) @ frame.T
    lashes = _splats(points, [0.0003, 0.0001, 0.00006], _facing(np.broadcast_to(frame[:, 2], points.shape)), 0.06, 0.7)
    layers.append((lashes, np.full(len(points), parts.code(side, parts.UPPER_LASH))))
    y = (rest + 0.004 + t).ravel()
    xx = np.broadcast_to(lash_x, (12, 30)).ravel()
    points = centre + np.stack([xx, y, lids.lid_height(eye, xx, y) + lids.LASH_LIFT_M], 1) @ frame.T
    shade = _splats(points, [0.0004, 0.0004, 0.00006], _facing(np.broadcast_to(frame[:, 2], points.shape)), 0.2, 0.4)
    layers.append((shade, np.full(len(points), parts.code(side, parts.UPPER_SHADE))))
    return layers


def with_lower_lashes(groups: np.ndarray) -> np.ndarray:
    """Return the groups (N,) with every seventh splat of the lower lids as a lash of them."""
    lash = (groups != parts.HEAD) & (groups % 10 == parts.LOWER_LID) & (np.arange(len(groups)) % 7 == 0)
    return np.where(lash, groups - parts.LOWER_LID + parts.LOWER_LASH, groups).astype(groups.dtype)
