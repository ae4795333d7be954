# SPDX-License-Identifier: GPL-3.0-or-later
"""A pose and a view as the numbers that the shaders take: numpy only, in the order of ``glsl/uniforms.glsl``.

All that a change of gaze, blink, head or view needs is in these few hundred floats.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..rig import lids
from ..rig.globe import PUPIL_LIMIT_SHARE, globe_transform
from ..rig.parts import SIDES
from ..rig.sidecar import CURVE_TERMS, SHADE_TERMS, EyeRig

EYE_FLOATS = 3 * 16 + 6 * 4 + 4 * (CURVE_TERMS + SHADE_TERMS)


@dataclass(frozen=True)
class View:
    """What a picture shows: world -> view (4, 4) with Blender's axes, the projection (4, 4), size in pixels."""

    from_world: np.ndarray
    projection: np.ndarray
    width: int
    height: int

    @property
    def parallel(self) -> bool:
        """Whether the projection is orthographic."""
        return float(self.projection[3, 3]) == 1.0


def eye_uniforms(rig: EyeRig | None, pose: Sequence[float]) -> np.ndarray:
    """Return the floats of one eye; pose = (yaw_deg, pitch_deg, blink, pupil). No rig: an eye without radius, which poses nothing."""
    if rig is None:
        return np.zeros(EYE_FLOATS, np.float32)
    yaw, pitch, blink = np.radians(pose[0]), np.radians(pose[1]), float(np.clip(pose[2], 0.0, 1.0))
    turn = globe_transform(rig, yaw, pitch)
    iris_now = (turn @ np.append(rig.iris_centre_m, 1.0))[:3]
    width = rig.outer_x_m - rig.inner_x_m
    travel = rig.lever_pitch_m * np.sin(pitch)
    upper, lower = ((rig.follow_upper_up, rig.follow_lower_up) if pitch > 0 else (rig.follow_upper_down, rig.follow_lower_down))
    pupil = min(rig.pupil_radius_m * max(float(pose[3]), 0.05), PUPIL_LIMIT_SHARE * rig.iris_radius_m)
    rows = [
        (rig.inner_x_m, rig.outer_x_m, rig.corner_y_m, width),
        (rig.iris_radius_m, rig.pupil_radius_m, pupil, rig.lid_radius_m),
        (rig.upper_reach_m, rig.lower_reach_m, rig.overlap, rig.zip_share),
        (rig.carry * rig.lever_yaw_m * np.sin(yaw) / width, upper * travel, lower * travel, blink),
        (np.radians(rig.lash_angle_deg), lids.lash_rotation(rig, yaw, pitch, blink), lids.shade_share(rig, yaw, pitch, blink), 0.0),
        (*(rig.highlight_share * (iris_now - rig.iris_centre_m)), 0.0),
    ]
    curves, shade = np.zeros((CURVE_TERMS, 4)), np.zeros((SHADE_TERMS, 4))
    for k, terms in enumerate((rig.upper_m, rig.lower_m, rig.closing_m)):
        curves[:len(terms), k] = terms
    shade[:, :3] = rig.shade
    matrices = (_frame(rig.frame, rig.centre_m), _frame(rig.gaze_frame(), rig.iris_centre_m), turn)
    # Matrices go column by column.
    return np.concatenate([*(m.T.ravel() for m in matrices), np.ravel(rows), curves.ravel(), shade.ravel()]).astype(np.float32)


def portrait_uniforms(rigs: Mapping[str, EyeRig], eyes: Mapping[str, Sequence[float]], to_world: np.ndarray, view: View, *,
                      first_cell: int, count: int, coefficients: int, scene_linear: bool,
                      settings: Mapping[str, float]) -> np.ndarray:
    """Return the floats of one portrait in one view.

    rigs, eyes     each eye's rig and pose (yaw_deg, pitch_deg, blink, pupil) by side
    to_world       (4, 4) portrait -> world
    settings       ``alpha_cap`` and ``low_pass_px2``, as ``scene.carriers.raster_settings`` gives them
    """
    to_view = view.from_world @ to_world
    back = np.linalg.inv(to_view)
    if view.parallel:
        forward = -back[:3, 2]
        viewpoint = (*(forward / np.linalg.norm(forward)), 1.0)
    else:
        viewpoint = (*back[:3, 3], 0.0)
    head = [*to_view.T.ravel(), *view.projection.T.ravel(), view.width, view.height, settings.get("low_pass_px2", 0.3),
            settings.get("alpha_cap", 0.99), *viewpoint, first_cell, count, coefficients, float(scene_linear)]
    blocks = [eye_uniforms(rigs.get(side), eyes.get(side, (0.0, 0.0, 0.0, 1.0))) for side in SIDES]
    return np.concatenate([np.asarray(head, np.float32), *blocks])


def _frame(axes: np.ndarray, origin: Sequence[float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, origin
    return matrix
