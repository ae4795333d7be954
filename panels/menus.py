# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in File > Import and File > Export, where people look for formats."""
from __future__ import annotations

import bpy


def draw_import(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Add the line in File > Import."""
    menu.layout.operator("gazesplat.import_portrait", text="Gaussian Splats, GazeSplat Portrait (.ply, .spz)")


def draw_export(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Add the line in File > Export."""
    menu.layout.operator("gazesplat.export_portrait", text="Gaussian Splats, Posed Portrait (.ply, .spz)")


def register() -> None:
    """Add both lines."""
    bpy.types.TOPBAR_MT_file_import.append(draw_import)
    bpy.types.TOPBAR_MT_file_export.append(draw_export)


def unregister() -> None:
    """Take them away again."""
    bpy.types.TOPBAR_MT_file_export.remove(draw_export)
    bpy.types.TOPBAR_MT_file_import.remove(draw_import)
