# SPDX-License-Identifier: GPL-3.0-or-later
"""The numpy twin of the rig's node tree: a portrait and a pose in, posed splats out.

The node trees, the viewport and the render worker express the same formulas; tests hold them together.
A posed splat is a mean and a linear factor M (covariance M M^T), because a lid's stretch is no rotation.
M moves by the secant over one standard deviation, M' = F(p + M) - F(p), so a lid that stretches threefold stays closed.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..splat.arrays import Splats
from . import lids, parts
from .sidecar import EyeRig, PortraitRig

STRETCH_LIMIT = 4.0            # a splat astride a lid corner may not grow beyond this
PUPIL_LIMIT_SHARE = 0.8        # the pupil never exceeds this share of the iris radius
SHADE_CORNER_IRIS_RADII = 0.30  # decay lengths of the globe's shading, fitted on photographs
SHADE_UPPER_IRIS_RADII = 0.22
SHADE_LOWER_IRIS_RADII = 0.16
HIGHLIGHT_EDGE = (1.02, 0.08)   # a reflection fades where the cornea ends, in iris radii

_LID_WARPS = {parts.UPPER_LID: lids.warp_upper_lid, parts.LOWER_LID: lids.warp_lower_lid,
              parts.UPPER_LASH: lids.warp_upper_lash, parts.LOWER_LASH: lids.warp_lower_lash, parts.UPPER_SHADE: lids.warp_upper_lid}


@dataclass(frozen=True)
class EyePose:
    """One eye's pose relative to the photo: degrees, + yaw to the subject's left, + pitch up."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    blink: float = 0.0          # closed share of the opening, 0..1
    pupil: float = 1.0          # pupil radius relative to the photo


@dataclass(frozen=True)
class Pose:
    """Both eyes. The head's own motion is an ordinary object transform and not part of it."""

    eyes: dict[str, EyePose] = field(default_factory=dict)

    @classmethod
    def both(cls, yaw_deg: float = 0.0, pitch_deg: float = 0.0, blink: float = 0.0, pupil: float = 1.0) -> Pose:
        """Return the same pose for both eyes."""
        return cls({side: EyePose(yaw_deg, pitch_deg, blink, pupil) for side in parts.SIDES})


@dataclass(frozen=True)
class PosedSplats:
    """What a rasteriser draws, portrait frame: means (N, 3) m, factors (N, 3, 3) m, opacities (N,), colours (N, 3), groups (N,)."""

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True)
class PosedParts:
    """What a pose does to N splats, portrait frame.

    means (N, 3) m, factors (N, 3, 3) m, opacities (N,); turns (N, 3, 3) of their harmonics, None for degree 0; shades (N, 3), by which
    their colours are multiplied
    """

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    turns: np.ndarray | None
    shades: np.ndarray


def pose_parts(splats: Splats, groups: np.ndarray, rig: PortraitRig, pose: Pose) -> PosedParts:
    """Return what the pose does to the splats, whatever they are seen from."""
    means = splats.means.astype(np.float32, copy=True)
    factors = splats.linear_factors().astype(np.float32)
    opacities = splats.opacities.astype(np.float32, copy=True)
    turn = np.tile(np.eye(3, dtype=np.float32), (len(splats), 1, 1)) if splats.sh_degree else None
    shade = np.ones((len(splats), 3), np.float32)
    for side, eye in rig.eyes.items():
        _pose_eye(side, eye, pose.eyes.get(side, EyePose()), groups, means, factors, opacities, turn, shade)
    return PosedParts(means, factors, opacities, turn, shade)


def pose_splats(splats: Splats, groups: np.ndarray, rig: PortraitRig, pose: Pose,
                eye_point_m: np.ndarray | None = None) -> PosedSplats:
    """Return the portrait as posed, seen from ``eye_point_m`` (portrait frame; needed for SH degree > 0)."""
    posed = pose_parts(splats, groups, rig, pose)
    colours = _seen_colours(splats, posed.means, eye_point_m, posed.turns) * posed.shades
    return PosedSplats(posed.means, posed.factors, posed.opacities, colours.astype(np.float32), groups)


def posed_means(means: np.ndarray, groups: np.ndarray, eyes: Mapping[str, EyeRig], pose: Pose) -> np.ndarray:
    """Return only where splats lie as posed, (N, 3) metres, portrait frame: what sorting by depth needs, at a quarter of the price."""
    means = means.astype(np.float32, copy=True)
    for side, rig in eyes.items():
        eye = pose.eyes.get(side, EyePose())
        yaw, pitch, blink = np.radians(eye.yaw_deg), np.radians(eye.pitch_deg), float(np.clip(eye.blink, 0.0, 1.0))
        frame, centre = np.asarray(rig.frame, np.float32), np.asarray(rig.centre_m, np.float32)
        transform = globe_transform(rig, yaw, pitch)
        disc = parts.is_part(groups, side, (parts.IRIS, parts.PUPIL))
        means[disc] = dilate(rig, means[disc], eye.pupil)
        globe = parts.is_part(groups, side, parts.GLOBE_PARTS)
        means[globe] = means[globe] @ transform[:3, :3].T.astype(np.float32) + transform[:3, 3].astype(np.float32)
        iris_now = transform @ np.append(rig.iris_centre_m, 1.0)
        travel = (iris_now[:3] - rig.iris_centre_m).astype(np.float32)
        means[parts.is_part(groups, side, (parts.HIGHLIGHT,))] += rig.highlight_share * travel
        for part, warp in _LID_WARPS.items():
            lid = parts.is_part(groups, side, (part,))
            means[lid] = warp(rig, (means[lid] - centre) @ frame, yaw, pitch, blink) @ frame.T + centre
    return means


def _seen_colours(splats: Splats, means: np.ndarray, eye_point_m: np.ndarray | None,
                  turn: np.ndarray | None) -> np.ndarray:
    """Return colours (N, 3) seen from a point; SH turn with their splats."""
    if splats.sh_degree == 0:
        return np.maximum(splats.colours, 0.0)
    from ..splat.harmonics import colours as evaluate
    return evaluate(splats, means, eye_point_m, turn)


def gaze_rotation(yaw_rad: float, pitch_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (yaw, pitch with torsion) rotations (3, 3) in the gaze frame; their product obeys Listing's law.

    With Fick angles H, V the torsion is asin(sin H sin V / (1 + cos H cos V)), 0.9 deg at 10/10.
    """
    cy, sy, cp, sp = np.cos(yaw_rad), np.sin(yaw_rad), np.cos(pitch_rad), np.sin(pitch_rad)
    torsion = -np.arcsin(sy * sp / (1.0 + cy * cp))
    ct, st = np.cos(torsion), np.sin(torsion)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]])
    return yaw, pitch @ roll


def globe_transform(rig: EyeRig, yaw_rad: float, pitch_rad: float) -> np.ndarray:
    """Return the rigid 4x4 transform of the globe in the portrait frame: pitch about its pivot, then yaw about its own."""
    g = rig.gaze_frame()
    yaw, pitch = (g @ r @ g.T for r in gaze_rotation(yaw_rad, pitch_rad))
    pivot_yaw, pivot_pitch = np.asarray(rig.pivot_yaw_m), np.asarray(rig.pivot_pitch_m)
    transform = np.eye(4)
    transform[:3, :3] = yaw @ pitch
    transform[:3, 3] = pivot_yaw + yaw @ (pivot_pitch - pitch @ pivot_pitch - pivot_yaw)
    return transform


def shading_terms(rig: EyeRig, q: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the (N, 7) terms of the globe's log-shading at eye-frame points q (N, 3).

    Socket light along x, x^2 and y, the two corners, and the shadows of both margins (N,), which move with the lids.
    """
    r = rig.iris_radius_m
    width = abs(rig.outer_x_m - rig.inner_x_m)
    share = lids.opening_share(rig, q[:, 0])
    x = np.clip(2.0 * share - 1.0, -1.0, 1.0)
    inner = np.exp(-np.maximum(share, 0.0) * width / (SHADE_CORNER_IRIS_RADII * r))
    outer = np.exp(-np.maximum(1.0 - share, 0.0) * width / (SHADE_CORNER_IRIS_RADII * r))
    under_upper = np.exp(-np.maximum(upper - q[:, 1], 0.0) / (SHADE_UPPER_IRIS_RADII * r))
    over_lower = np.exp(-np.maximum(q[:, 1] - lower, 0.0) / (SHADE_LOWER_IRIS_RADII * r))
    height = np.clip((q[:, 1] - rig.corner_y_m) / r, -1.5, 1.5)
    return np.stack([x, x * x, height, inner, outer, under_upper, over_lower], 1).astype(np.float32)


def _pose_eye(side, rig, pose, groups, means, factors, opacities, turn, shade) -> None:
    """Pose one eye's splats in place."""
    yaw, pitch, blink = np.radians(pose.yaw_deg), np.radians(pose.pitch_deg), float(np.clip(pose.blink, 0.0, 1.0))
    frame, centre = np.asarray(rig.frame, np.float32), np.asarray(rig.centre_m, np.float32)

    def to_eye(p):
        return (p - centre) @ frame

    globe = np.flatnonzero(parts.is_part(groups, side, parts.GLOBE_PARTS))
    if len(globe):
        rest_q = to_eye(means[globe])
        disc = globe[parts.is_part(groups[globe], side, (parts.IRIS, parts.PUPIL))]
        means[disc], factors[disc] = _warp(lambda p: dilate(rig, p, pose.pupil), means[disc], factors[disc])
        transform = globe_transform(rig, yaw, pitch).astype(np.float32)
        means[globe] = means[globe] @ transform[:3, :3].T + transform[:3, 3]
        factors[globe] = transform[:3, :3] @ factors[globe]
        if turn is not None:
            turn[globe] = transform[:3, :3]
        q = to_eye(means[globe])
        rest = lids.margins(rig, rest_q[:, 0], 0.0, 0.0, 0.0)
        now = lids.margins(rig, q[:, 0], yaw, pitch, blink)
        change = shading_terms(rig, q, now.upper, now.lower) - shading_terms(rig, rest_q, rest.upper, rest.lower)
        iris = parts.is_part(groups[globe], side, (parts.IRIS, parts.PUPIL))
        change[iris, :5] = 0.0     # the socket's light was taken out of the sclera only
        shade[globe] = np.exp(change @ np.asarray(rig.shade, np.float32))

    reflection = np.flatnonzero(parts.is_part(groups, side, (parts.HIGHLIGHT,)))
    if len(reflection):
        iris_now = globe_transform(rig, yaw, pitch) @ np.append(rig.iris_centre_m, 1.0)
        travel = (iris_now[:3] - rig.iris_centre_m).astype(np.float32)
        means[reflection] += rig.highlight_share * travel
        off = (to_eye(means[reflection]) - to_eye(iris_now[:3].astype(np.float32)))[:, :2]
        edge, soft = HIGHLIGHT_EDGE
        opacities[reflection] *= np.clip((edge - np.linalg.norm(off, axis=1) / rig.iris_radius_m) / soft, 0.0, 1.0)

    for part, warp in _LID_WARPS.items():
        index = np.flatnonzero(parts.is_part(groups, side, (part,)))
        if not len(index):
            continue
        q, m = _warp(lambda q, warp=warp: warp(rig, q, yaw, pitch, blink), to_eye(means[index]), frame.T @ factors[index])
        means[index], factors[index] = q @ frame.T + centre, frame @ m
        if part == parts.UPPER_SHADE:
            opacities[index] *= lids.shade_share(rig, yaw, pitch, blink)


def dilate(rig: EyeRig, p: np.ndarray, pupil: float) -> np.ndarray:
    """Scale the pupil about the iris centre; the iris between pupil and limbus stretches linearly. p (N, 3) portrait frame."""
    g = rig.gaze_frame().astype(np.float32)
    local = (p - np.asarray(rig.iris_centre_m, np.float32)) @ g
    rho = np.maximum(np.linalg.norm(local[:, :2], axis=1), 1e-9)
    r, rest = rig.iris_radius_m, rig.pupil_radius_m
    now = min(rest * max(pupil, 0.05), PUPIL_LIMIT_SHARE * r)
    inside = rho * (now / rest)
    annulus = r - (r - rho) * (r - now) / (r - rest)
    moved = np.where(rho < rest, inside, np.where(rho < r, annulus, rho))
    local[:, :2] *= (moved / rho)[:, None]
    return local @ g.T + np.asarray(rig.iris_centre_m, np.float32)


def _warp(function, points: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move points (N, 3) and factors (N, 3, 3) by a position warp, factors by its secant over one sigma."""
    moved = function(points)
    columns = [function(points + factors[:, :, k]) - moved for k in range(3)]
    for k, column in enumerate(columns):
        length = np.linalg.norm(column, axis=1, keepdims=True)
        allowed = STRETCH_LIMIT * np.linalg.norm(factors[:, :, k], axis=1, keepdims=True)
        columns[k] = column * np.minimum(1.0, allowed / np.maximum(length, 1e-12))
    return moved.astype(np.float32), np.stack(columns, 2).astype(np.float32)
