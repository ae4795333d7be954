# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the eyes wander the way people's do."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import chosen_portrait
from .generator import Generator


class GAZESPLAT_OT_add_saccades(Generator, bpy.types.Operator):
    """Animate quick eye movements and the tiny ones in between, as keys of a layer of their own: your keys stay as they are"""

    bl_idname = "gazesplat.add_saccades"
    bl_label = "Add Saccades"

    state: bpy.props.EnumProperty(name="State", items=api.GAZE_STATE_ITEMS, default="listening",
                                  description="What the person is doing decides how often and how far the eyes move")

    def draw_own(self, layout: bpy.types.UILayout) -> None:
        layout.prop(self, "state")

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.add_saccades(seed=self.seed, state=self.state, **self.frames())
        return f"{portrait.name} looks around ({self.state})"
