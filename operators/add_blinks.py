# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the eyes blink the way people's do."""
from __future__ import annotations

import bpy

from .base import chosen_portrait
from .generator import Generator


class GAZESPLAT_OT_add_blinks(Generator, bpy.types.Operator):
    """Animate blinks at uneven intervals, as keys of a layer of their own: your keys stay as they are"""

    bl_idname = "gazesplat.add_blinks"
    bl_label = "Add Blinks"

    per_minute: bpy.props.FloatProperty(name="Blinks per Minute", default=17.0, min=0.0, max=90.0, soft_max=40.0,
                                        description="People at rest blink 17 times a minute, talking 26, reading 4.5")

    def draw_own(self, layout: bpy.types.UILayout) -> None:
        layout.prop(self, "per_minute")

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.add_blinks(seed=self.seed, per_minute=self.per_minute, **self.frames())
        return f"{portrait.name} blinks {self.per_minute:g} times a minute"
