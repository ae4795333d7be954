# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole performance by one click."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import chosen_portrait
from .generator import Generator


class GAZESPLAT_OT_animate(Generator, bpy.types.Operator):
    """Animate eyes, lids, pupils and head the way of a preset, as layers of generated keys: your keys stay as they are"""

    bl_idname = "gazesplat.animate"
    bl_label = "Animate"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    preset: bpy.props.EnumProperty(name="Preset", items=api.motion_preset_items, description="How the person is there")
    keep_edits: bpy.props.BoolProperty(name="Keep My Edits", default=True,
                                       description="Leave generated keys as they are where you have moved, added or removed some")

    def draw_own(self, layout: bpy.types.UILayout) -> None:
        layout.prop(self, "preset")
        layout.prop(self, "keep_edits")

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.animate(self.preset, seed=self.seed, keep_edits=self.keep_edits, **self.frames())
        return f"{portrait.name}: {self.preset.replace('_', ' ')}"
