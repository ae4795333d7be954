# SPDX-License-Identifier: GPL-3.0-or-later
"""From a photo to a portrait, or a portrait from disk."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import backend_status
from .base import SidebarPanel, roomy


class GAZESPLAT_PT_photo(SidebarPanel, bpy.types.Panel):
    """Photo, quality, Reconstruct; Import."""

    bl_label = "New Portrait"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = roomy(context)
        layout.use_property_decorate = False
        settings = context.scene.gazesplat
        column = layout.column()
        column.active = backend_status.missing() is None    # greyed; the button itself says why
        column.prop(settings, "photo")
        column.prop(settings, "quality")
        button = column.operator("gazesplat.reconstruct", text="Reconstruct" if settings.photo else "Choose Photo and Reconstruct...",
                                 icon="USER")
        button.filepath = settings.photo
        button.quality, button.person, button.consent = settings.quality, settings.person, settings.consent
        layout.operator("gazesplat.import_portrait", text="Import Portrait or Splats...", icon="IMPORT")
        layout.operator("gazesplat.add_sample", icon="USER")


class GAZESPLAT_PT_consent(SidebarPanel, bpy.types.Panel):
    """Whose picture it is, before it becomes a portrait."""

    bl_label = "Person and Consent"
    bl_parent_id = "GAZESPLAT_PT_photo"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.gazesplat
        layout.use_property_split = roomy(context)
        layout.use_property_decorate = False
        layout.prop(settings, "person")
        layout.prop(settings, "consent")
