# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo what Set Up Splat Plate has built, also long after it."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_remove_splat_plate(Verb, bpy.types.Operator):
    """Remove the portraits' own scene and the compositor nodes of the splat plate, and let every engine draw the portraits again"""

    bl_idname = "gazesplat.remove_splat_plate"
    bl_label = "Remove Splat Plate"

    def run(self, context: bpy.types.Context) -> str:
        return "Splat plate removed" if api.remove_splat_plate(context.scene) else "There is no splat plate in this scene"
