# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a portrait look at you."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_look_at_camera(PortraitVerb, bpy.types.Operator):
    """Let the eyes follow the scene's camera: the portrait looks at whoever watches the picture"""

    bl_idname = "gazesplat.look_at_camera"
    bl_label = "Look at Camera"

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.look_at(api.camera_of(context.scene))
        return f"{portrait.name} looks at {context.scene.camera.name}"
