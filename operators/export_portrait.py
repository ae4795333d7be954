# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a portrait as posed, as a splat file or a sequence of them."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from ..gazesplat_addon import api
from .base import PortraitVerb, SteppedVerb, chosen_portrait

FORMATS = (("ply", "PLY", "Lossless, every viewer opens it; a comment in it says whose face it shows"),
           ("spz", "SPZ", "A tenth of the size; colours and shapes are rounded"))


class GAZESPLAT_OT_export_portrait(SteppedVerb, PortraitVerb, bpy.types.Operator):
    """Write the portrait as posed and placed at this frame, or at each of a range, as plain splats that any viewer shows"""

    bl_idname = "gazesplat.export_portrait"
    bl_label = "Export Posed Splats"
    bl_options = {"REGISTER", "PRESET"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_glob: bpy.props.StringProperty(default="*.ply;*.spz", options={"HIDDEN"})
    file_format: bpy.props.EnumProperty(name="Format", items=FORMATS, default="ply", description="What kind of splat file to write")
    sequence: bpy.props.BoolProperty(name="Sequence", default=False, description="Write one file a frame, its number in the name")
    start: bpy.props.IntProperty(name="Start", default=1, description="First frame of the sequence")
    end: bpy.props.IntProperty(name="End", default=250, description="Last frame of the sequence")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.in_window = True
        self.start, self.end = context.scene.frame_start, context.scene.frame_end
        if self.filepath:
            return self.execute(context)
        self.filepath = f"{bpy.path.clean_name(chosen_portrait(context).name)}.{self.file_format}"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Give the name in the file dialog the ending of the chosen format."""
        named = str(Path(self.filepath).with_suffix(f".{self.file_format}")) if self.filepath else ""
        changed, self.filepath = named != self.filepath, named
        return changed

    def steps(self, context: bpy.types.Context) -> Iterator:
        frames = {"start": self.start, "end": self.end} if self.sequence else {}
        return chosen_portrait(context).export_steps(self.filepath, **frames)

    def told(self, step: api.Exported) -> str:
        return f"Exported {step.path.name}" if step.total == 1 else f"Exported {step.total} files, the last {step.path.name}"

    def draw(self, context: bpy.types.Context) -> None:
        """Show the format and the range beside the file dialog."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "file_format")
        layout.prop(self, "sequence")
        column = layout.column(align=True)
        column.enabled = self.sequence
        column.prop(self, "start")
        column.prop(self, "end")
