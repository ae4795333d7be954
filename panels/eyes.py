# SPDX-License-Identifier: GPL-3.0-or-later
"""The chosen portrait's controls: all of them custom properties of its root, so that they can be keyed here (I)."""
from __future__ import annotations

import bpy

from ..gazesplat_addon.scene import eye_guides, store
from .base import PortraitPanel, chosen_portrait, fitting, roomy


class GAZESPLAT_PT_eyes(PortraitPanel, bpy.types.Panel):
    """What the eyes look at, hand gaze, blinks, pupils."""

    bl_label = "Eyes"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        root = chosen_portrait(context).root
        row = layout.row()
        row.label(text=root.name, icon="USER" if roomy(context) else "NONE")
        row.operator("gazesplat.look_through_photo", text="", icon="OUTLINER_OB_CAMERA")
        row.operator("gazesplat.delete_portrait", text="", icon="TRASH")
        self._draw_target(context, root)
        layout.use_property_split = roomy(context)
        column = layout.column(align=True)
        column.prop(root, '["gaze_yaw"]', text="Gaze Left")
        column.prop(root, '["gaze_pitch"]', text="Gaze Up")
        column = layout.column(align=True)
        column.prop(root, '["blink_left"]', text="Blink Left", slider=True)
        column.prop(root, '["blink_right"]', text="Blink Right", slider=True)
        layout.prop(root, '["pupil"]', text="Pupils")
        self._draw_live(context)
        self._draw_correction(root)

    def _draw_correction(self, root: bpy.types.Object) -> None:
        column = self.layout.column(align=True)
        if not eye_guides.shown(root):
            column.operator("gazesplat.correct_eyes", icon="GREASEPENCIL")
            return
        column.operator("gazesplat.rebuild_eyes", icon="FILE_REFRESH")
        column.operator("gazesplat.leave_eyes", icon="X")

    def _draw_target(self, context: bpy.types.Context, root: bpy.types.Object) -> None:
        column = self.layout.column(align=True)
        column.label(text="Look at")
        row = column.row(align=True) if roomy(context) else column
        row.operator("gazesplat.look_at_camera", text="Camera", icon="CAMERA_DATA")
        row.operator("gazesplat.look_at_object", text="Selected", icon="OBJECT_DATA")
        row.operator("gazesplat.look_at_nothing", text="Nothing", icon="X")
        column = self.layout.column()
        column.use_property_split = roomy(context)
        gaze = store.parts_of(root).get(store.GAZE)
        for constraint in gaze.constraints if gaze is not None else ():
            if constraint.type == "COPY_LOCATION":
                column.prop(constraint, "target", text="Target")
        column.prop(root, '["look_at"]', text=fitting(context, "Follow Target", "Follow"), slider=True)

    def _draw_live(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.use_property_split = False
        column.label(text="Look live at")
        row = column.row(align=True)
        # The sidebar is no view to follow the mouse in: the operator runs in the region beside it.
        row.operator_context = "INVOKE_REGION_WIN"
        row.operator("gazesplat.live_follow", text="Mouse", icon="MOUSE_MOVE").what = "CURSOR"
        row.operator("gazesplat.live_follow", text="You", icon="VIEW_CAMERA").what = "VIEW"
        column.prop(context.scene.gazesplat, "attention", slider=True)
