# SPDX-License-Identifier: GPL-3.0-or-later
"""Start making a portrait from a photo."""
from __future__ import annotations

import logging

import bpy

from ..gazesplat_addon import api
from .base import Verb

_log = logging.getLogger(__name__)


class GAZESPLAT_OT_reconstruct(Verb, bpy.types.Operator):
    """Make a portrait from a photo of one face. It runs beside Blender: go on working, the panel shows the progress"""

    bl_idname = "gazesplat.reconstruct"
    bl_label = "Reconstruct Portrait"
    bl_options = {"REGISTER", "PRESET"}  # the portrait is imported later, by an operator with an undo step of its own

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    quality: bpy.props.EnumProperty(name="Quality", items=api.QUALITY_ITEMS, default="standard",
                                    description="How many splats, and how long it takes")
    person: bpy.props.StringProperty(name="Person", options={"SKIP_SAVE"},
                                     description="Who the picture shows; it travels with the portrait and its exports")
    consent: bpy.props.StringProperty(name="Consent", options={"SKIP_SAVE"},
                                      description="What this person has agreed to, and where it is written")
    seed: bpy.props.IntProperty(name="Seed", default=0, min=0, description="The same photo, settings and seed give the same portrait")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing, and where to get it, when nothing can be reconstructed."""
        if api.backend_missing() is None:
            return True
        return cls.refused("The backend is not set up: sidebar, tab GazeSplat, panel Backend")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> str:
        job = api.reconstruct(self.filepath, wait=False, queue=True, quality=self.quality, seed=self.seed, person=self.person,
                              consent=self.consent)
        return started(job)


def started(job: api.Reconstruction) -> str:
    """Show a job that was queued in the panel, import what it makes once it is done, and return what to tell the artist."""
    api.show_progress(job, when_done=import_into_open_file)
    if job.queued:
        return f"{job.photo_name} waits for its turn: the panel shows the progress"
    return f"{job.photo_name} is being made: the panel shows the progress"


def import_into_open_file(job_id: str) -> None:
    """Import the finished portrait with an undo step, as if the artist had clicked; called by a timer.

    Where that is not possible now (edit mode, a file that refuses), the panel goes on offering the import.
    """
    windows = bpy.context.window_manager.windows
    if not windows:
        return
    with bpy.context.temp_override(window=windows[0]):
        if bpy.ops.gazesplat.import_result.poll():
            try:
                bpy.ops.gazesplat.import_result("EXEC_DEFAULT", True, job=job_id)
            except RuntimeError as error:
                _log.warning("the portrait of %s was not imported: %s", job_id, error)
