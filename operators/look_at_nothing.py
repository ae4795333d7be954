# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a portrait's eyes rest."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_look_at_nothing(PortraitVerb, bpy.types.Operator):
    """Let the eyes follow nothing: they rest as in the photo, and turn with the head"""

    bl_idname = "gazesplat.look_at_nothing"
    bl_label = "Look at Nothing"

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.look_at(None)
        return f"{portrait.name}'s eyes rest"
