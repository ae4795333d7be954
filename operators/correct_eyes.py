# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw over the photo what was found of the eyes."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_correct_eyes(PortraitVerb, bpy.types.Operator):
    """Draw what was found of lids and irises over the photo, to be moved with Blender's own tools, and look through the photo's camera"""

    bl_idname = "gazesplat.correct_eyes"
    bl_label = "Correct Eyes"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.mode == "OBJECT" and super().poll(context)

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.show_eye_guides()
        if context.space_data is not None and context.space_data.type == "VIEW_3D":
            self._look_through(context.space_data, portrait.camera)
        return "Move the points of the lids in edit mode (Tab), move and scale the circles, then press Rebuild Eyes"

    @staticmethod
    def _look_through(view: bpy.types.SpaceView3D, camera: bpy.types.Object) -> None:
        view.use_local_camera, view.camera = True, camera
        view.region_3d.view_perspective = "CAMERA"
