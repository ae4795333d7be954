# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in Blender's menus, where people look, and where the search (F3) finds them: Add, Object, File > Import and Export."""
from __future__ import annotations

import bpy

# All that can be done with a portrait: Blender's search (F3) looks in menus, not in panels.
_OBJECT_GROUPS = (
    ("look_through_photo", "hide_enclosing", "look_at_camera", "look_at_object", "look_at_nothing", "live_follow", "correct_eyes"),
    ("animate", "capture_gaze", "add_saccades", "add_blinks", "add_head_drift", "check_motion", "mark_events", "clear_generated"),
    ("set_up_render", "refit_linear", "set_up_splat_plate", "check_farm", "write_farm_job"),
    ("edit_consent", "mark_as_asset", "export_portrait", "duplicate_portrait", "delete_portrait"))


class GAZESPLAT_MT_add(bpy.types.Menu):
    """Add > GazeSplat Portrait."""

    bl_idname = "GAZESPLAT_MT_add"
    bl_label = "GazeSplat Portrait"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("gazesplat.reconstruct", text="From Photo or Video...", icon="IMAGE_DATA")
        layout.operator("gazesplat.import_portrait", text="From File...", icon="IMPORT")
        layout.operator("gazesplat.add_sample", text="Sample", icon="MONKEY")


class GAZESPLAT_MT_object(bpy.types.Menu):
    """Object > GazeSplat: what can be done with a portrait."""

    bl_idname = "GAZESPLAT_MT_object"
    bl_label = "GazeSplat"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        for number, names in enumerate(_OBJECT_GROUPS):
            if number:
                layout.separator()
            for name in names:
                layout.operator(f"gazesplat.{name}")


def draw_add(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Add the line in Add."""
    menu.layout.menu(GAZESPLAT_MT_add.bl_idname, icon="USER")


def draw_object(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Add the line in Object."""
    menu.layout.menu(GAZESPLAT_MT_object.bl_idname)


def draw_import(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Add the line in File > Import."""
    menu.layout.operator("gazesplat.import_portrait", text="Gaussian Splats, GazeSplat Portrait (.ply, .spz)")


def draw_export(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Add the line in File > Export."""
    menu.layout.operator("gazesplat.export_portrait", text="Gaussian Splats, Posed Portrait (.ply, .spz)")


_LINES = (("TOPBAR_MT_file_import", draw_import), ("TOPBAR_MT_file_export", draw_export), ("VIEW3D_MT_add", draw_add),
          ("VIEW3D_MT_object", draw_object))
_register_menus, _unregister_menus = bpy.utils.register_classes_factory((GAZESPLAT_MT_add, GAZESPLAT_MT_object))


def register() -> None:
    """Add our menus, then the lines that lead to them."""
    _register_menus()
    for name, line in _LINES:
        getattr(bpy.types, name).append(line)


def unregister() -> None:
    """Take them away again."""
    for name, line in _LINES:
        getattr(bpy.types, name).remove(line)
    _unregister_menus()
