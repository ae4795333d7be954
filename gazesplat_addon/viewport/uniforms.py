# SPDX-License-Identifier: GPL-3.0-or-later
"""A pose and a view as the numbers that the shaders take: numpy only, in the order of ``glsl/uniforms.glsl``.

All that a change of gaze, blink, head or view needs is in these few hundred floats.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..rig import lids
from ..rig.globe import globe_transform, pupil_now
from ..rig.parts import SIDES
from ..rig.sidecar import CURVE_TERMS, SHADE_TERMS, EyeRig

# Where the fields of an Eye lie among its floats.
FRAME, GAZE, TURN = (slice(k, k + 16) for k in (0, 16, 32))
CORNERS, RADII, REACH, MARGIN_POSE, LASH, HIGHLIGHT = (slice(k, k + 4) for k in range(48, 72, 4))
CURVES = slice(72, 72 + 4 * CURVE_TERMS)
SHADE = slice(CURVES.stop, CURVES.stop + 4 * SHADE_TERMS)
EYE_FLOATS = SHADE.stop


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

    def moved_back(self, distance_m: float) -> View:
        """Return the same view of a viewer who stands so much farther away: under a parallel projection the same picture."""
        step = np.eye(4)
        step[2, 3] = distance_m
        return View(np.linalg.inv(step) @ self.from_world, self.projection @ step, self.width, self.height)


def eye_uniforms(rig: EyeRig | None, pose: Sequence[float]) -> np.ndarray:
    """Return the floats of one eye; pose = (yaw_deg, pitch_deg, blink, pupil). No rig: an eye without radius, which poses nothing."""
    if rig is None:
        return np.zeros(EYE_FLOATS, np.float32)
    yaw, pitch, blink = math.radians(pose[0]), math.radians(pose[1]), min(max(float(pose[2]), 0.0), 1.0)
    turn = globe_transform(rig, yaw, pitch)
    values = _at_rest(rig).copy()
    values[TURN] = turn.T.ravel()      # matrices go column by column
    values[RADII.start + 2] = pupil_now(rig, float(pose[3]))
    upper_rise, lower_rise, corner_rise = lids.rises_m(rig, pitch)
    values[MARGIN_POSE] = lids.carried_m(rig, yaw), upper_rise, lower_rise, blink
    lash_turn, shade_left = lids.lash_rotation(rig, pitch, blink), lids.shade_share(rig, pitch, blink)
    values[LASH] = math.radians(rig.lash_angle_deg), lash_turn, shade_left, rig.lead_m
    iris = np.asarray(rig.iris_centre_m)
    values[HIGHLIGHT] = *(rig.highlight_share * (turn[:3, :3] @ iris + turn[:3, 3] - iris)), corner_rise
    return values


@lru_cache(maxsize=64)
def _at_rest(rig: EyeRig) -> np.ndarray:
    """Return the floats of one eye that no pose changes, zeros among them where one does."""
    values = np.zeros(EYE_FLOATS, np.float32)
    values[FRAME], values[GAZE] = (_frame(*frame).T.ravel() for frame in ((rig.frame, rig.centre_m), (rig.gaze_frame(), rig.iris_centre_m)))
    values[CORNERS] = rig.inner_x_m, rig.outer_x_m, rig.corner_y_m, rig.outer_x_m - rig.inner_x_m
    values[RADII] = rig.iris_radius_m, rig.pupil_radius_m, 0.0, rig.lid_radius_m
    values[REACH] = rig.upper_reach_m, rig.lower_reach_m, rig.overlap, rig.zip_share
    curves, shade = values[CURVES].reshape(CURVE_TERMS, 4), values[SHADE].reshape(SHADE_TERMS, 4)
    for k, terms in enumerate((rig.upper_m, rig.lower_m, rig.closing_m)):
        curves[:len(terms), k] = terms
    shade[:, :3] = rig.shade
    return values


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
