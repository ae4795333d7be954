# SPDX-License-Identifier: GPL-3.0-or-later
"""From contours in the photo to an eye in space: globe, rest axis, lid curves on the globe."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...gazesplat_addon.rig import lids
from ...gazesplat_addon.rig.sidecar import CURVE_TERMS, SHADE_TERMS, EyeRig
from ..model.scan import FaceScan
from .contour import BROW_INDICES, EyeContour

LID_LIFT_M = 0.0009           # thickness of the lid over the globe
BROW_SHARE = 0.7              # skin moves up to this share of the way to the brow
LOWER_REACH_IRIS_RADII = 1.6
PUPIL_SHARE = 0.40            # of the iris radius, where the photo does not show the pupil


def rest_axes(scan: FaceScan, irises_camera_m: dict[str, np.ndarray], rest_gaze_deg: tuple[float, float] | None,
              gaze_distance_m: float, lever_m: float) -> dict[str, np.ndarray]:
    """Return each eye's gaze axis in the photo, camera frame, unit (3,).

    By default the person looks into the lens; with ``rest_gaze_deg`` (yaw, pitch in the head frame) both eyes
    aim at the point that far away in this direction.
    """
    if rest_gaze_deg is None:
        return {side: -p / np.linalg.norm(p) for side, p in irises_camera_m.items()}
    yaw, pitch = np.radians(rest_gaze_deg)
    # Portrait frame: +X subject's left, -Y forward, +Z up.
    direction = np.array([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    direction = direction @ scan.portrait_rotation       # portrait -> camera
    axes = {side: direction for side in irises_camera_m}
    for _ in range(4):
        centres = {side: p - lever_m * axes[side] for side, p in irises_camera_m.items()}
        target = np.mean(list(centres.values()), axis=0) + gaze_distance_m * direction
        axes = {side: (target - c) / np.linalg.norm(target - c) for side, c in centres.items()}
    return axes


def build_rigs(scan: FaceScan, contours: dict[str, EyeContour], rest_gaze_deg: tuple[float, float] | None = None,
               gaze_distance_m: float = 0.6) -> dict[str, EyeRig]:
    """Return both rigs (shading still zero) from contours; the metric scale comes from the iris."""
    ruler = scan.ruler
    irises = iris_points(scan, contours)
    axes = rest_axes(scan, irises, rest_gaze_deg, gaze_distance_m, ruler.lever_yaw_m)
    return {side: _build_rig(scan, eye, irises[side], axes[side], side) for side, eye in contours.items()}


def iris_points(scan: FaceScan, contours: dict[str, EyeContour]) -> dict[str, np.ndarray]:
    """Return each iris' centre (3,) in the camera frame: the size of both says how far they are, the head's turn which is nearer."""
    rays = {side: scan.rays(eye.iris_px) for side, eye in contours.items()}
    depth = {side: scan.fx * 0.5 * scan.ruler.iris_diameter_m / eye.radius_px for side, eye in contours.items()}
    if len(rays) == 2:
        middle = 0.5 * sum(depth.values())
        across = scan.portrait_to_camera[:3, 0]        # the subject's left, along which both eyes lie
        apart = rays["left"] - rays["right"]
        # Depths middle +- half with (left - right) parallel to ``across``, seen along x and z.
        total = rays["left"] + rays["right"]
        half = middle * apart[0] * across[2] / max(2.0 * across[0] - total[0] * across[2], 0.5)
        depth = {"left": middle + half, "right": middle - half}
    return {side: ray * depth[side] for side, ray in rays.items()}


def _build_rig(scan: FaceScan, eye: EyeContour, iris_camera_m: np.ndarray, axis_camera: np.ndarray, side: str) -> EyeRig:
    ruler, turn = scan.ruler, scan.portrait_rotation
    radius = 0.5 * ruler.iris_diameter_m
    iris, axis = scan.to_portrait(iris_camera_m), turn @ axis_camera
    centre = iris - ruler.lever_yaw_m * axis
    frame = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    rig = EyeRig(
        centre_m=tuple(centre), frame=_rows(frame), rest_axis=tuple(axis), pivot_yaw_m=tuple(centre),
        pivot_pitch_m=tuple(iris - ruler.lever_pitch_m * axis), iris_centre_m=tuple(iris), iris_radius_m=radius,
        pupil_radius_m=PUPIL_SHARE * radius, globe_radius_m=ruler.globe_radius_m, inner_x_m=0.0, outer_x_m=1.0,
        corner_y_m=0.0, upper_m=(0.0,) * CURVE_TERMS, lower_m=(0.0,) * CURVE_TERMS, closing_m=(0.0,) * CURVE_TERMS,
        lid_radius_m=float(np.hypot(radius, ruler.lever_yaw_m)) + LID_LIFT_M, upper_reach_m=0.02,
        lower_reach_m=LOWER_REACH_IRIS_RADII * radius, shade=((0.0,) * 3,) * SHADE_TERMS)
    # x of the eye frame runs along the corner line, towards the subject's left.
    contour = eye.lids
    corners = on_lids(scan, rig, contour.to_image(np.array([[0.0, 0.0], [contour.width_px, 0.0]])))
    towards_left = (corners[1] - corners[0]) * (1.0 if side == "left" else -1.0)
    roll = np.arctan2(towards_left[1], towards_left[0])
    c, s = np.cos(roll), np.sin(roll)
    rig = replace(rig, frame=_rows(frame @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])))
    corners = on_lids(scan, rig, contour.to_image(np.array([[0.0, 0.0], [contour.width_px, 0.0]])))
    rig = replace(rig, inner_x_m=float(corners[0, 0]), outer_x_m=float(corners[1, 0]), corner_y_m=float(corners[:, 1].mean()))
    x = np.linspace(0.0, contour.width_px, 121)
    upper = on_lids(scan, rig, contour.to_image(np.stack([x, contour.upper_at(x)], 1)))
    lower = on_lids(scan, rig, contour.to_image(np.stack([x, contour.lower_at(x)], 1)))
    rig = with_margins(rig, upper, lower)
    brow = on_lids(scan, rig, scan.landmarks_px[list(BROW_INDICES[side]), :2])[:, 1].mean()
    reach = max(1.2 * radius, BROW_SHARE * (brow - upper[:, 1].max()))
    return replace(rig, upper_reach_m=float(reach))


def with_margins(rig: EyeRig, upper: np.ndarray, lower: np.ndarray) -> EyeRig:
    """Return the rig with the curves of both margins through points (N, 3) of the eye frame, and the line on which they close."""
    return replace(rig, upper_m=_series(rig, upper), lower_m=_series(rig, lower), closing_m=_closing(rig, lower))


def on_lids(scan: FaceScan, rig: EyeRig, pixels: np.ndarray, lift_m: float = 0.0) -> np.ndarray:
    """Return eye-frame points (N, 3) where the rays through pixels (N, 2) meet the lids' surface, raised by ``lift_m``."""
    def height(x, y):
        return lids.lid_height(rig, x, y) + lift_m
    return on_surface(scan, rig, pixels, height)


def on_surface(scan: FaceScan, rig: EyeRig, pixels: np.ndarray, height) -> np.ndarray:
    """Intersect the rays through pixels (N, 2) with z = height(x, y) of the eye frame, by damped fixed-point iteration."""
    origin, direction = eye_rays(scan, rig, pixels)
    z = np.full(len(direction), 0.8 * rig.lid_radius_m)
    for _ in range(12):
        point = origin + direction * ((z - origin[2]) / direction[:, 2])[:, None]
        z = 0.3 * z + 0.7 * height(point[:, 0], point[:, 1])
    return origin + direction * ((z - origin[2]) / direction[:, 2])[:, None]


def eye_rays(scan: FaceScan, rig: EyeRig, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera's position (3,) and ray directions (N, 3), z = 1 in the camera, in the eye frame."""
    frame = np.asarray(rig.frame)
    origin = (scan.to_portrait(np.zeros(3)) - np.asarray(rig.centre_m)) @ frame
    direction = scan.rays(np.asarray(pixels, float)) @ scan.portrait_rotation.T @ frame
    return origin, direction


def to_eye(rig: EyeRig, points_portrait: np.ndarray) -> np.ndarray:
    """Map points (..., 3) from the portrait frame to the eye frame."""
    return (points_portrait - np.asarray(rig.centre_m)) @ np.asarray(rig.frame)


def from_eye(rig: EyeRig, points_eye: np.ndarray) -> np.ndarray:
    """Map points (..., 3) from the eye frame to the portrait frame."""
    return points_eye @ np.asarray(rig.frame).T + np.asarray(rig.centre_m)


def _basis(rig: EyeRig, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    t = np.arccos(np.clip(1.0 - 2.0 * lids.opening_share(rig, points[:, 0]), -1.0, 1.0))
    return t, np.stack([np.sin(n * t) for n in range(1, CURVE_TERMS + 1)], 1)


def _series(rig: EyeRig, points: np.ndarray) -> tuple[float, ...]:
    _, basis = _basis(rig, points)
    ridge = np.diag([0.0, 1e-3, 3e-3, 1e-2, 3e-2])
    return tuple(np.linalg.solve(basis.T @ basis + ridge, basis.T @ (points[:, 1] - rig.corner_y_m)))


def _closing(rig: EyeRig, lower: np.ndarray) -> tuple[float, ...]:
    """Return the line on which closed lids meet, before the upper lid's overlap: a gentle arc from corner to corner.

    With the overlap it follows the lower margin as closely as an arc can. The open margin leaves its corners steeply,
    like an ellipse; the line of a shut eye does not, or it would end in hooks.
    """
    t, basis = _basis(rig, lower)
    share = 0.5 * (1.0 - np.cos(t))
    bow = 4.0 * share * (1.0 - share)
    arc = np.stack([bow, bow * (2.0 * share - 1.0)], 1)
    goal = lower[:, 1] - rig.corner_y_m + rig.overlap * rig.iris_radius_m * lids.smoothstep(lids.OVERLAP_FROM_SHARE, 1.0, share)
    line = arc @ np.linalg.solve(arc.T @ arc, arc.T @ goal)
    return tuple(np.linalg.solve(basis.T @ basis + 1e-6 * np.eye(CURVE_TERMS), basis.T @ line))


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in matrix)
