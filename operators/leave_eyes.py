# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the drawing over the photo away."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_leave_eyes(PortraitVerb, bpy.types.Operator):
    """Remove what is drawn over the photo without building anything"""

    bl_idname = "gazesplat.leave_eyes"
    bl_label = "Leave Eyes as They Are"

    def run(self, context: bpy.types.Context) -> str:
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        portrait = chosen_portrait(context)
        portrait.hide_eye_guides()
        return f"The eyes of {portrait.name} stay as they are"
