# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as posed and placed, frozen into plain splats that any viewer shows the same."""
from __future__ import annotations

import numpy as np

from ..splat.arrays import Splats, decompose
from ..splat.harmonics import carried
from ..splat.ply import MIN_SCALE
from .pose import Pose, pose_parts
from .sidecar import PortraitRig


def frozen(splats: Splats, groups: np.ndarray, rig: PortraitRig, pose: Pose, to_world: np.ndarray) -> Splats:
    """Return the splats as posed and carried along by ``to_world`` (4, 4): positions, covariances, opacities, colours and harmonics.

    Every splat stays, in its place in the order. Exact for whatever a rig does and for every matrix, but for harmonics under an
    uneven scale, which are the nearest there are (``harmonics.carried``). LinAlgError for a matrix without an inverse.
    """
    posed = pose_parts(splats, groups, rig, pose)
    linear = np.asarray(to_world, np.float64)[:3, :3]
    means = posed.means @ linear.T + np.asarray(to_world, np.float64)[:3, 3]
    scales, rotations = decompose(linear @ posed.factors)
    # Shades are never negative, so multiplying before the cut at 0 is the same as behind it.
    colours, sh_rest = splats.colours * posed.shades, splats.sh_rest * posed.shades[:, None]
    if splats.sh_degree:
        still = np.ones(len(splats), bool)
        for rows, turn in posed.turns:
            still[rows] = False
            colours[rows], sh_rest[rows] = carried(colours[rows], sh_rest[rows], linear @ turn)
        colours[still], sh_rest[still] = carried(colours[still], sh_rest[still], linear)
    parts = (means, np.maximum(scales, MIN_SCALE), rotations, posed.opacities, colours, sh_rest)
    return Splats(*(np.ascontiguousarray(part, np.float32) for part in parts))
