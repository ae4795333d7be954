# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge portraits with what Cycles or EEVEE renders."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import PortraitVerb


class GAZESPLAT_OT_set_up_splat_plate(PortraitVerb, bpy.types.Operator):
    """Let GazeSplat's engine render the portraits and Cycles or EEVEE the rest, and merge both by depth in the compositor"""

    bl_idname = "gazesplat.set_up_splat_plate"
    bl_label = "Set Up Splat Plate"

    engine: bpy.props.EnumProperty(name="Engine", default="keep", description="What renders all that is no splat", items=(
        ("keep", "As It Is", "The scene's own engine; Cycles where that is GazeSplat"),
        ("cycles", "Cycles", "Blender's path tracer"),
        ("eevee", "EEVEE", "Blender's real-time engine")))

    def run(self, context: bpy.types.Context) -> str:
        changes = api.splat_plate(context.scene, engine=None if self.engine == "keep" else self.engine)
        if not changes:
            return "The splat plate was set up already"
        return f"Splat plate set up, {len(changes)} changes: {'; '.join(changes)}"
