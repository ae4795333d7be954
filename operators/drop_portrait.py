# SPDX-License-Identifier: GPL-3.0-or-later
"""Drag a portrait.ply, or any splat file, into the 3D view."""
from __future__ import annotations

import bpy


class GAZESPLAT_FH_portrait(bpy.types.FileHandler):
    """Offers GazeSplat's import for a splat file that is dropped into a 3D view."""

    bl_idname = "GAZESPLAT_FH_portrait"
    bl_label = "GazeSplat Portrait"
    bl_import_operator = "gazesplat.import_portrait"
    bl_file_extensions = ".ply;.spz"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"
