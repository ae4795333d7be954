# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up of the backend as one line for a terminal."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_copy_setup_command(Verb, bpy.types.Operator):
    """Copy the one line that does in a terminal what Set Up Backend does, for another computer's administrator or a script"""

    bl_idname = "gazesplat.copy_setup_command"
    bl_label = "Copy Command"
    bl_options = {"REGISTER"}

    video: bpy.props.BoolProperty(name="For Videos Too", default=False, options={"SKIP_SAVE"},
                                  description="Also what portraits from videos need: torch and its company, several times as large")

    def run(self, context: bpy.types.Context) -> str:
        context.window_manager.clipboard = api.setup_command(video=self.video)
        return "The command is in the clipboard"
