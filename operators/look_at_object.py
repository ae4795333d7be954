# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a portrait look at something in the scene."""
from __future__ import annotations

import bpy

from ..backend.contract.errors import GazeSplatError
from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_look_at_object(Verb, bpy.types.Operator):
    """Let the eyes follow an object. Select the portrait, then also (Shift) what it should look at"""

    bl_idname = "gazesplat.look_at_object"
    bl_label = "Look at Selected"

    target: bpy.props.StringProperty(name="Target", description="Name of the object to look at; empty means the other selected object",
                                     options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if api.watcher_and_target(context.active_object, context.selected_objects, scene=context.scene)[0] is not None:
            return True
        return cls.refused("Select a portrait, or any part of one")

    def run(self, context: bpy.types.Context) -> str:
        portrait, target = api.watcher_and_target(context.active_object, context.selected_objects, scene=context.scene)
        if self.target:
            target = bpy.data.objects.get(self.target)
        if target is None:
            raise GazeSplatError("no-target", "There is nothing to look at.",
                                 "Select the portrait, then hold Shift and click the object it should look at.")
        portrait.look_at(target)
        return f"{portrait.name} looks at {target.name}"
