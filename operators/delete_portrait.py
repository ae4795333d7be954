# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a portrait with all that belongs to it."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_delete_portrait(PortraitVerb, bpy.types.Operator):
    """Remove the portrait from the file: splats, rig and motion. Its files on disk stay, so that it can be imported again"""

    bl_idname = "gazesplat.delete_portrait"
    bl_label = "Delete Portrait"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        name = portrait.name
        portrait.delete()
        return f"{name} is deleted"
