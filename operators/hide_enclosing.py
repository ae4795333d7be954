# SPDX-License-Identifier: GPL-3.0-or-later
"""Get what hides a portrait out of the way."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_hide_enclosing(PortraitVerb, bpy.types.Operator):
    """Hide, from viewports and renders, what the portrait stands inside of, such as the cube of Blender's start-up scene"""

    bl_idname = "gazesplat.hide_enclosing"
    bl_label = "Hide What Encloses It"

    def run(self, context: bpy.types.Context) -> str:
        hidden = chosen_portrait(context).hide_enclosing()
        return f"Hidden: {', '.join(hidden)}" if hidden else "Nothing encloses the portrait"
