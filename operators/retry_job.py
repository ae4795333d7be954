# SPDX-License-Identifier: GPL-3.0-or-later
"""Begin again with a job that failed, crashed or was cancelled."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb
from .reconstruct import started


class GAZESPLAT_OT_retry_job(Verb, bpy.types.Operator):
    """Begin again with the same photo or video and settings; a video goes on from what was already trained"""

    bl_idname = "gazesplat.retry_job"
    bl_label = "Try Again"
    bl_options = {"REGISTER"}

    job: bpy.props.StringProperty(name="Job", description="Name of the job's folder", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> str:
        return started(api.retry(self.job))
