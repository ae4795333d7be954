# SPDX-License-Identifier: GPL-3.0-or-later
"""The generators of life."""
from __future__ import annotations

import bpy

from .base import PortraitPanel, chosen_portrait


class GAZESPLAT_PT_motion(PortraitPanel, bpy.types.Panel):
    """Saccades, blinks, head drift: by one seed, over the scene's frames."""

    bl_label = "Motion"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.gazesplat
        layout.prop(settings, "seed")
        layout.prop(settings, "state")
        layout.prop(settings, "blinks_per_minute", text="Blink Rate")
        column = layout.column(align=True)
        saccades = column.operator("gazesplat.add_saccades", icon="HIDE_OFF")
        saccades.seed, saccades.state = settings.seed, settings.state
        blinks = column.operator("gazesplat.add_blinks", icon="HIDE_ON")
        blinks.seed, blinks.per_minute = settings.seed, settings.blinks_per_minute
        column.operator("gazesplat.add_head_drift", icon="DRIVER_ROTATIONAL_DIFFERENCE").seed = settings.seed
        layout.prop(chosen_portrait(context).root, '["life"]', text="Strength", slider=True)
        layout.operator("gazesplat.clear_generated", icon="X")
