# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the scene and a true picture."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import preferences, viewport
from ..gazesplat_addon.scene import render_settings, store
from .base import SidebarPanel, roomy, sentence


class GAZESPLAT_PT_render(SidebarPanel, bpy.types.Panel):
    """Set up the render, and warnings while it is not."""

    bl_label = "Render"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(store.splat_roots_in(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        self._draw_live_display(context)
        column = self.layout.column(align=True)
        sentence(column, context, "Portraits alone, exact colours")
        row = column.row(align=True) if roomy(context) else column
        for engine, name in (("cycles", "Cycles"), ("eevee", "EEVEE"), ("gazesplat", "GazeSplat")):
            button = row.operator("gazesplat.set_up_render", text=name)
            button.engine, button.colour_mode = engine, "exact"
        column = self.layout.column(align=True)
        sentence(column, context, "Among other things, scene-linear")
        row = column.row(align=True)
        for engine, name in (("cycles", "Cycles"), ("eevee", "EEVEE")):
            button = row.operator("gazesplat.set_up_render", text=name)
            button.engine, button.colour_mode = engine, "scene-linear"
        if not render_settings.refitted(context.scene):
            self.layout.operator("gazesplat.refit_linear")
        row = self.layout.row(align=True)
        row.operator("gazesplat.set_up_splat_plate", icon="RENDERLAYERS")
        if store.plate_of(context.scene) is not None:
            row.operator("gazesplat.remove_splat_plate", text="", icon="X")
        problems = render_settings.render_problems(context.scene)
        for problem in problems:
            sentence(self.layout, context, problem, icon="ERROR")
        if not problems:
            self.layout.label(text="Ready to render", icon="CHECKMARK")

    def _draw_live_display(self, context: bpy.types.Context) -> None:
        stored = preferences.stored()
        if stored is not None:
            self.layout.prop(stored, "live_display")
        if viewport.problem():
            sentence(self.layout, context, f"The live display is off: {viewport.problem()}", icon="ERROR")
