# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the generated motion away again."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_clear_generated(PortraitVerb, bpy.types.Operator):
    """Remove the generated saccades, blinks and head drift, everywhere or in a range of frames; keys you set yourself stay"""

    bl_idname = "gazesplat.clear_generated"
    bl_label = "Clear Generated Motion"

    everywhere: bpy.props.BoolProperty(name="Everywhere", default=True, description="All frames, also outside the scene's range")
    start: bpy.props.IntProperty(name="Start", default=1, description="First frame to clear")
    end: bpy.props.IntProperty(name="End", default=250, description="Last frame to clear")

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "everywhere")
        column = layout.column(align=True)
        column.enabled = not self.everywhere
        column.prop(self, "start")
        column.prop(self, "end")

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.clear(**({} if self.everywhere else {"start": self.start, "end": self.end}))
        return f"{portrait.name}: generated motion cleared"
