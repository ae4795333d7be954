# SPDX-License-Identifier: GPL-3.0-or-later
"""Offer a portrait in the asset browser."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_mark_as_asset(PortraitVerb, bpy.types.Operator):
    """Offer this portrait in the asset browser with its picture, to be dragged into other files with its rig and motion"""

    bl_idname = "gazesplat.mark_as_asset"
    bl_label = "Mark Portrait as Asset"

    def run(self, context: bpy.types.Context) -> str:
        return f"{chosen_portrait(context).mark_as_asset().name} is an asset: save the file in an asset library"
