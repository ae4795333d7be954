# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as the scene shows it now, as plain splats in world space."""
from __future__ import annotations

import bpy
import numpy as np

from ...backend.contract.errors import GazeSplatError
from ..rig.pose import EyePose, Pose
from ..rig.sidecar import PortraitRig, SourceCamera
from ..rig.still import frozen
from ..splat.arrays import Splats
from . import carriers, kept_rig

# A plain splat's rig has no eyes, and its camera is never looked through.
_NO_RIG = PortraitRig(SourceCamera(1, 1, 1.0, 1.0, 0.5, 0.5, ((1.0, 0.0, 0.0, 0.0),) * 4), {})


class StillSource:
    """One carrier whose splats are read once and frozen as often as the scene changes."""

    def __init__(self, carrier: bpy.types.Object, layer: bpy.types.ViewLayer) -> None:
        """Read the splats; GazeSplatError for damaged ones, or ``hidden`` for a carrier that the view layer leaves out."""
        self._carrier, self._layer = carrier, layer
        self._rig = kept_rig.rig_of(carrier) or _NO_RIG
        arrays = carriers.read_carrier(carrier.data)
        self._groups = arrays.pop("groups")
        if "sh_rest" not in arrays:
            arrays["sh_rest"] = np.zeros((len(self._groups), 0, 3), np.float32)
        if not len(self._groups):
            raise GazeSplatError("splats-damaged", f"{carrier.name} has no splats any more.", "Undo, or reload the portrait.")
        self._splats = Splats(**arrays)
        self._evaluated()

    def freeze(self) -> Splats:
        """Return the splats as posed and placed now, in world space.

        Raises GazeSplatError ``no-size`` for a matrix without an inverse, ``hidden`` as above.
        """
        carrier = self._evaluated()
        to_world = np.array(carrier.matrix_world, np.float64)
        if not carriers.has_inverse(to_world):
            raise GazeSplatError("no-size", f"{carrier.name} is scaled to nothing.", "Look at its scale, its drivers and constraints.")
        poses = carriers.eye_poses(carriers.display_modifier(carrier), tuple(self._rig.eyes))
        return frozen(self._splats, self._groups, self._rig, Pose({side: EyePose(*pose) for side, pose in poses.items()}), to_world)

    def _evaluated(self) -> bpy.types.Object:
        depsgraph = self._layer.depsgraph
        carrier = self._carrier.evaluated_get(depsgraph) if depsgraph is not None else self._carrier
        if not carrier.is_evaluated:
            raise GazeSplatError("hidden", f"{self._carrier.name} is not evaluated: it, or its collection, is hidden.",
                                 "Show it in the viewport, also where its collection is disabled.")
        return carrier
