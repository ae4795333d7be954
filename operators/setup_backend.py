# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up the program that reconstructs."""
from __future__ import annotations

import textwrap

import bpy

from ..gazesplat_addon import api
from ..gazesplat_addon.words import shown
from .base import Verb

_DIALOG_PX, _LETTERS = 460, 68


class GAZESPLAT_OT_setup_backend(Verb, bpy.types.Operator):
    """Get what makes portraits from photos: an environment of its own in the extension's folder. Blender's Python stays as it is"""

    bl_idname = "gazesplat.setup_backend"
    bl_label = "Set Up Backend"
    bl_options = {"REGISTER"}

    video: bpy.props.BoolProperty(name="For Videos Too", default=False, options={"SKIP_SAVE"},
                                  description="Also what portraits from videos need: torch and its company, several times as large")
    repair: bpy.props.BoolProperty(name="Repair", default=False, options={"SKIP_SAVE"},
                                   description="Compare every installed file with its checksum, and install again what is damaged")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Say what will happen, and how much it is, before anything does."""
        return context.window_manager.invoke_props_dialog(self, width=_DIALOG_PX, confirm_text="Repair" if self.repair else "Set Up")

    def draw(self, context: bpy.types.Context) -> None:
        """Show the choice and what it costs."""
        self.layout.prop(self, "video")
        column = self.layout.column(align=True)
        for sentence in api.setup_promise(video=self.video):
            for line in textwrap.wrap(shown(sentence), _LETTERS):
                column.label(text=line)

    def run(self, context: bpy.types.Context) -> str:
        api.show_progress(api.setup_backend(video=self.video, repair=self.repair, wait=False))
        return "Setting the backend up: the sidebar shows the progress"
