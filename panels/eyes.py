# SPDX-License-Identifier: GPL-3.0-or-later
"""The chosen portrait's controls: all of them custom properties of its root, so that they can be keyed here (I)."""
from __future__ import annotations

import bpy

from ..gazesplat_addon.scene import store
from .base import PortraitPanel, chosen_portrait


class GAZESPLAT_PT_eyes(PortraitPanel, bpy.types.Panel):
    """What the eyes look at, hand gaze, blinks, pupils."""

    bl_label = "Eyes"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        portrait = chosen_portrait(context)
        root, gaze = portrait.root, store.parts_of(portrait.root).get(store.GAZE)
        row = layout.row()
        row.label(text=root.name, icon="USER")
        row.operator("view3d.view_camera", text="", icon="OUTLINER_OB_CAMERA")
        row.operator("gazesplat.delete_portrait", text="", icon="TRASH")

        row = layout.row(align=True)
        row.operator("gazesplat.look_at_camera", text="Camera", icon="CAMERA_DATA")
        row.operator("gazesplat.look_at_object", text="Selected", icon="OBJECT_DATA")
        row.operator("gazesplat.look_at_nothing", text="Nothing", icon="X")
        row = layout.row(align=True)
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("gazesplat.live_follow", text="Follow Mouse", icon="MOUSE_MOVE").what = "CURSOR"
        row.operator("gazesplat.live_follow", text="Follow You", icon="VIEW_CAMERA").what = "VIEW"
        layout.prop(context.scene.gazesplat, "attention", slider=True)
        layout.use_property_split = True
        for constraint in gaze.constraints if gaze is not None else ():
            if constraint.type == "COPY_LOCATION":
                layout.prop(constraint, "target", text="Looks at")

        column = layout.column()
        column.prop(root, '["look_at"]', text="Follow Target", slider=True)
        column = layout.column(align=True)
        column.prop(root, '["gaze_yaw"]', text="Gaze Left")
        column.prop(root, '["gaze_pitch"]', text="Gaze Up")
        column = layout.column(align=True)
        column.prop(root, '["blink_left"]', text="Blink Left", slider=True)
        column.prop(root, '["blink_right"]', text="Blink Right", slider=True)
        layout.prop(root, '["pupil"]', text="Pupils")
