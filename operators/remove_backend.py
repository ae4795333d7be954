# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the program that reconstructs off this computer again."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_remove_backend(Verb, bpy.types.Operator):
    """Delete the backend's environment from the extension's folder. Portraits stay, animate and render; new ones need it again"""

    bl_idname = "gazesplat.remove_backend"
    bl_label = "Remove Backend"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> str:
        return "The backend was removed" if api.remove_backend() else "There was no backend of GazeSplat's own"
