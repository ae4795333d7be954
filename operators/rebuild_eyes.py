# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the eyes again as drawn."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait
from .reconstruct import started


class GAZESPLAT_OT_rebuild_eyes(PortraitVerb, bpy.types.Operator):
    """Build the portrait's eyes again as drawn over the photo. It runs beside Blender, for some seconds; motion and place stay"""

    bl_idname = "gazesplat.rebuild_eyes"
    bl_label = "Rebuild Eyes"
    bl_options = {"REGISTER"}  # the new eyes come in later, by an operator with an undo step of its own

    def run(self, context: bpy.types.Context) -> str:
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        job = chosen_portrait(context).rebuild_eyes(wait=False, queue=True)
        return started(job)
