# SPDX-License-Identifier: GPL-3.0-or-later
"""See a portrait as it was photographed."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_look_through_photo(PortraitVerb, bpy.types.Operator):
    """Look through the photo's camera: it becomes the scene's, in the photo's format, and the portrait looks as photographed"""

    bl_idname = "gazesplat.look_through_photo"
    bl_label = "Look Through Photo Camera"

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        changes = portrait.frame_photo()
        if context.area is not None and context.area.type == "VIEW_3D":
            context.space_data.region_3d.view_perspective = "CAMERA"
            with context.temp_override(region=next(one for one in context.area.regions if one.type == "WINDOW")):
                bpy.ops.view3d.view_center_camera()
        return "; ".join(changes) if changes else f"{portrait.camera.name} is the scene's camera"
