# SPDX-License-Identifier: GPL-3.0-or-later
"""Drag a photo or a video into the 3D view to make a portrait of it.

Blender itself makes an empty of a dropped picture, which people need: so a photo is taken only while the sidebar shows our tab.
"""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import TAB


class GAZESPLAT_FH_photo(bpy.types.FileHandler):
    """Offers a reconstruction for a photo or video that is dropped into a 3D view whose sidebar shows GazeSplat."""

    bl_idname = "GAZESPLAT_FH_photo"
    bl_label = "GazeSplat Reconstruction"
    bl_import_operator = "gazesplat.reconstruct"
    bl_file_extensions = ";".join(sorted(api.PHOTO_SUFFIXES | api.VIDEO_SUFFIXES))

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        area = context.area
        if area is None or area.type != "VIEW_3D" or not area.spaces.active.show_region_ui:
            return False
        return any(region.type == "UI" and region.active_panel_category == TAB for region in area.regions)
