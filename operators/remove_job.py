# SPDX-License-Identifier: GPL-3.0-or-later
"""Take an ended reconstruction off the list."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_remove_job(Verb, bpy.types.Operator):
    """Take this reconstruction off the list. What it left on disk is deleted unless a portrait came of it"""

    bl_idname = "gazesplat.remove_job"
    bl_label = "Dismiss"
    bl_options = {"REGISTER"}

    job: bpy.props.StringProperty(name="Job", description="Name of the job's folder", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> None:
        api.dismiss(self.job)
