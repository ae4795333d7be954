# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a second portrait of the same splats."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_duplicate_portrait(PortraitVerb, bpy.types.Operator):
    """Make a second portrait that shares these splats and has its own place, gaze and motion: in place of a collection instance"""

    bl_idname = "gazesplat.duplicate_portrait"
    bl_label = "Duplicate Portrait"

    def run(self, context: bpy.types.Context) -> str:
        return f"{chosen_portrait(context).duplicate().name} stands where the original does: move it"
