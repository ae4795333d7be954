# SPDX-License-Identifier: GPL-3.0-or-later
"""The generators of life."""
from __future__ import annotations

import bpy

from ..gazesplat_addon.words import translated
from .base import PortraitPanel, chosen_portrait, fitting, roomy, sentence


class GAZESPLAT_PT_motion(PortraitPanel, bpy.types.Panel):
    """A preset, a seed, a button: the scene's frames come to life."""

    bl_label = "Motion"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = roomy(context)
        layout.use_property_decorate = False
        settings = context.scene.gazesplat
        layout.prop(settings, "motion_preset")
        layout.prop(settings, "seed")
        row = layout.row()
        row.scale_y = 1.4
        animate = row.operator("gazesplat.animate", icon="PLAY")
        animate.preset, animate.seed = settings.motion_preset, settings.seed
        layout.operator("gazesplat.capture_gaze", icon="CAMERA_DATA")
        layout.prop(chosen_portrait(context).root, '["life"]', text="Strength", slider=True)
        row = layout.row(align=True)
        row.operator("gazesplat.check_motion", icon="CHECKMARK")
        row.operator("gazesplat.mark_events", text="", icon="MARKER")
        layout.operator("gazesplat.clear_generated", text=fitting(context, "Clear Generated Motion", "Clear Motion"), icon="X")


class GAZESPLAT_PT_layers(PortraitPanel, bpy.types.Panel):
    """What each generator has written: mute, another take, bake, remove."""

    bl_label = "Layers"
    bl_parent_id = "GAZESPLAT_PT_motion"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layers = chosen_portrait(context).layers
        if not any(layer.keys for layer in layers):
            sentence(self.layout, context, "Nothing is generated yet: press Animate.")
            return
        for layer in layers:
            row = self.layout.row(align=True)
            keys = layer.keys
            row.label(text=translated(layer.name.capitalize()) + (f" ({keys})" if keys else ""))
            row = row.row(align=True)
            row.enabled = keys > 0
            muted = layer.muted
            row.operator("gazesplat.mute_layer", text="", icon="HIDE_ON" if muted else "HIDE_OFF", depress=muted).layer = layer.name
            row.operator("gazesplat.reseed_layer", text="", icon="FILE_REFRESH").layer = layer.name
            row.operator("gazesplat.bake_layer", text="", icon="KEYFRAME_HLT").layer = layer.name
            row.operator("gazesplat.clear_layer", text="", icon="X").layer = layer.name


class GAZESPLAT_PT_generators(PortraitPanel, bpy.types.Panel):
    """The generators one by one."""

    bl_label = "One by One"
    bl_parent_id = "GAZESPLAT_PT_motion"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = roomy(context)
        layout.use_property_decorate = False
        settings = context.scene.gazesplat
        layout.prop(settings, "state")
        layout.prop(settings, "blinks_per_minute", text="Blink Rate")
        column = layout.column(align=True)
        saccades = column.operator("gazesplat.add_saccades", icon="HIDE_OFF")
        saccades.seed, saccades.state = settings.seed, settings.state
        blinks = column.operator("gazesplat.add_blinks", icon="HIDE_ON")
        blinks.seed, blinks.per_minute = settings.seed, settings.blinks_per_minute
        column.operator("gazesplat.add_head_drift", icon="DRIVER_ROTATIONAL_DIFFERENCE").seed = settings.seed
