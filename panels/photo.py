# SPDX-License-Identifier: GPL-3.0-or-later
"""From a photo to a portrait, or a portrait from disk.

It stands first while the scene has no portrait, and further down, closed, once there is one to direct: a panel's place is fixed, so
these are two panels that draw the same.
"""
from __future__ import annotations

import bpy

from ..gazesplat_addon import backend_status
from ..gazesplat_addon.scene import store
from .base import ScenePanel, SidebarPanel, fitting, roomy, setting_up


class _New(SidebarPanel):
    """Mix-in: photo, quality, Reconstruct; import; the sample."""

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.gazesplat
        layout.use_property_split = roomy(context)
        layout.use_property_decorate = False
        column = layout.column()
        if backend_status.missing() is None:
            column.prop(settings, "photo")
            column.prop(settings, "quality")
            text = "Reconstruct" if settings.photo else fitting(context, "Choose Photo and Reconstruct...", "Choose Photo...")
            button = column.operator("gazesplat.reconstruct", text=text, icon="USER")
            button.filepath = settings.photo
            button.quality, button.person, button.consent = settings.quality, settings.person, settings.consent
        elif not setting_up():    # else the first panel shows how far that is
            column.operator_context = "INVOKE_DEFAULT"
            column.operator("gazesplat.setup_backend", icon="USER",
                            text=fitting(context, "Set Up Backend for Photos...", "Set Up Backend..."))
        layout.operator("gazesplat.import_portrait", text=fitting(context, "Import Portrait or Splats...", "Import..."), icon="IMPORT")
        layout.operator("gazesplat.add_sample", icon="MONKEY")


class _Consent(SidebarPanel):
    """Mix-in: whose picture it is, before it becomes a portrait."""

    bl_label = "Person and Consent"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return backend_status.missing() is None

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.gazesplat
        layout.use_property_split = roomy(context)
        layout.use_property_decorate = False
        for name, label in (("person", "Person"), ("consent", "Consent")):
            if roomy(context):
                layout.prop(settings, name)
            else:
                layout.prop(settings, name, text="", placeholder=label)


class GAZESPLAT_PT_photo(_New, bpy.types.Panel):
    """The way to a first portrait."""

    bl_label = "New Portrait"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return not store.splat_roots_in(context.scene)


class GAZESPLAT_PT_consent(_Consent, bpy.types.Panel):
    """Whose picture it is."""

    bl_parent_id = "GAZESPLAT_PT_photo"


class GAZESPLAT_PT_another(_New, ScenePanel, bpy.types.Panel):
    """The way to one more."""

    bl_label = "Another Portrait"
    bl_options = {"DEFAULT_CLOSED"}


class GAZESPLAT_PT_another_consent(_Consent, bpy.types.Panel):
    """Whose picture it is."""

    bl_parent_id = "GAZESPLAT_PT_another"
