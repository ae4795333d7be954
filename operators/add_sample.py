# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait to try everything with, at once."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import ArrivalVerb, face, select


class GAZESPLAT_OT_add_sample(ArrivalVerb, bpy.types.Operator):
    """Add the portrait that comes with GazeSplat, an astronaut: rig, animate and render it, no backend needed"""

    bl_idname = "gazesplat.add_sample"
    bl_label = "Add Sample Portrait"

    def run(self, context: bpy.types.Context) -> str:
        portrait = api.load_sample(scene=context.scene)
        select(context, portrait)
        face(context, portrait)
        return f"{portrait.name} is in the scene"
