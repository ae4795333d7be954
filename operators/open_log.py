# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the backend said."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_open_log(Verb, bpy.types.Operator):
    """Open everything the backend said, as a text in the Text Editor"""

    bl_idname = "gazesplat.open_log"
    bl_label = "Open Log"

    job: bpy.props.StringProperty(name="Job", description="Name of the job's folder", options={"SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> str:
        text = api.log_text(self.job)
        for area in context.screen.areas if context.screen is not None else ():
            if area.type == "TEXT_EDITOR":
                area.spaces.active.text = text
                return f"The log is in the Text Editor: {text.name}"
        return f"Choose {text.name} in a Text Editor to read the log"
