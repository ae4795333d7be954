# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a reconstruction."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_cancel_job(Verb, bpy.types.Operator):
    """Stop the reconstruction; nothing half-made is left behind"""

    bl_idname = "gazesplat.cancel_job"
    bl_label = "Cancel Reconstruction"
    bl_options = {"REGISTER"}

    job: bpy.props.StringProperty(name="Job", description="Name of the job's folder", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> str:
        job = api.job(self.job)
        job.cancel()
        return f"Cancelling {job.photo_name}"
