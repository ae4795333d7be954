# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a portrait act what somebody acts in a clip."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait
from .reconstruct import started


class GAZESPLAT_OT_capture_gaze(PortraitVerb, bpy.types.Operator):
    """Take gaze, blinks and head from a clip of anyone's face, as keys in the generators' layers. It runs beside Blender"""

    bl_idname = "gazesplat.capture_gaze"
    bl_label = "Perform from Clip"
    bl_options = {"REGISTER"}

    filepath: bpy.props.StringProperty(name="Clip", subtype="FILE_PATH", options={"SKIP_SAVE"},
                                       description="A video of one face from the front")
    filter_glob: bpy.props.StringProperty(default="*.mp4;*.mov;*.mkv;*.webm", options={"HIDDEN"})
    start: bpy.props.IntProperty(name="Start", default=1, description="Frame of the clip's first picture")
    head_share: bpy.props.FloatProperty(name="Head", default=1.0, min=0.0, max=3.0, soft_max=1.0, subtype="FACTOR",
                                        description="How much of the head's motion to take over")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.start = context.scene.frame_start
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> str:
        job = chosen_portrait(context).capture_gaze(self.filepath, start=self.start, head_share=self.head_share, wait=False,
                                                        queue=True)
        return started(job)
