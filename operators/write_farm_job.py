# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the job that a farm takes."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_write_farm_job(Verb, bpy.types.Operator):
    """Write this scene as a job for AWS Deadline Cloud and other farms that take the Open Job Description: frames in chunks, then a film"""

    bl_idname = "gazesplat.write_farm_job"
    bl_label = "Write Farm Job"
    bl_options = {"REGISTER"}

    directory: bpy.props.StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"}, description="The job's folder")
    frames_per_task: bpy.props.IntProperty(name="Frames a Task", default=10, min=1,
                                            description="How many frames one machine takes at a time")
    video: bpy.props.BoolProperty(name="Film", default=True, description="Make an H.264 film of the frames when all are there")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> str:
        template = api.write_farm_job(self.directory, scene=context.scene, frames_per_task=self.frames_per_task, video=self.video)
        return f"The job is {template}"
