# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as the worker holds it, so that a frame in which only the gaze changes poses only the eyes."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.pose import Posable, Pose, PosedSplats, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera, from_json
from ...gazesplat_addon.splat.arrays import Splats

# pose_splats asks for a rig; that of a plain splat has no eyes, and its camera is never looked through.
_NO_RIG = PortraitRig(SourceCamera(1, 1, 1.0, 1.0, 0.5, 0.5, ((1.0, 0.0, 0.0, 0.0),) * 4), {})


@dataclass(frozen=True)
class HeldPortrait:
    """Splats (N), groups (N,), rig; which splats the rig moves, as indices (K,), and those ready to be posed."""

    splats: Splats
    groups: np.ndarray
    rig: PortraitRig
    moving: np.ndarray
    eyes: Posable

    def posed(self, pose: Pose, eye_point_m: np.ndarray) -> PosedSplats:
        """Return all splats as posed, in the portrait's frame and the order they came in."""
        return pose_splats(self.splats, self.groups, self.rig, pose, eye_point_m)

    def posed_eyes(self, pose: Pose, eye_point_m: np.ndarray) -> PosedSplats:
        """Return only the splats ``moving``: the same values as in ``posed``."""
        return self.eyes.splats(pose, eye_point_m)


def portrait_from_message(header: Mapping, arrays: Mapping[str, memoryview]) -> HeldPortrait:
    """Return the portrait of a ``hold`` message.

    arrays: means, scales, rotations, opacities, colours as in ``Splats``, sh_rest where the degree is above 0, groups
    (N,) uint8; header ``rig``: the sidecar's JSON or None. Raises KeyError or ValueError for others, and what ``from_json`` raises.
    """
    given = {name: np.asarray(array) for name, array in arrays.items()}
    groups = given.pop("groups")
    if "sh_rest" not in given:
        given["sh_rest"] = np.zeros((len(groups), 0, 3), np.float32)
    splats = Splats(**given)
    if groups.shape != (len(splats),):
        raise ValueError(f"groups have shape {groups.shape}, expected ({len(splats)},)")
    rig = from_json(header["rig"]) if header["rig"] is not None else _NO_RIG
    moving = np.flatnonzero(np.isin(groups // 10, [parts.SIDES[side] for side in rig.eyes]))
    return HeldPortrait(splats, groups, rig, moving, Posable(splats.select(moving), groups[moving], rig))
