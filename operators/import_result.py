# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a finished reconstruction into the scene."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import ArrivalVerb, select


class GAZESPLAT_OT_import_result(ArrivalVerb, bpy.types.Operator):
    """Bring the finished portrait into the scene"""

    bl_idname = "gazesplat.import_result"
    bl_label = "Import Finished Portrait"

    job: bpy.props.StringProperty(name="Job", description="Name of the job's folder", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> str:
        portrait = api.job(self.job).import_result(scene=context.scene)
        select(context, portrait)
        return f"{portrait.name} is in the scene"
