# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a portrait of an older file what this GazeSplat builds."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_upgrade_portrait(PortraitVerb, bpy.types.Operator):
    """Give a portrait of an earlier GazeSplat the newest node tree and drivers. Motion, place and settings stay"""

    bl_idname = "gazesplat.upgrade_portrait"
    bl_label = "Upgrade Portrait"

    def run(self, context: bpy.types.Context) -> str:
        return "; ".join(chosen_portrait(context).upgrade()) or "It is up to date"
