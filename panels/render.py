# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the scene and a true picture."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import preferences, viewport
from ..gazesplat_addon.scene import colour, render_settings, store
from ..gazesplat_addon.words import translated
from .base import ScenePanel, roomy, sentence

_NAMES = {"cycles": "Cycles", "eevee": "EEVEE", "gazesplat": "GazeSplat"}


class GAZESPLAT_PT_render(ScenePanel, bpy.types.Panel):
    """Set up the render, and warnings while it is not."""

    bl_label = "Render"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        sentence(column, context, "Portraits alone, exact colours")
        _draw_engines(column.row(align=True) if roomy(context) else column, context, ("cycles", "eevee", "gazesplat"), "exact")
        problems = render_settings.render_problems(context.scene)
        for problem in problems:
            sentence(self.layout, context, problem, icon="ERROR")
        if not problems:
            self.layout.label(text="Ready: F12 renders", icon="CHECKMARK")
        stored = preferences.stored()
        if stored is not None:
            self.layout.prop(stored, "live_display")
        if viewport.problem():
            sentence(self.layout, context, translated("The live display is off: {why}", why=viewport.problem()), icon="ERROR")


class GAZESPLAT_PT_among_others(ScenePanel, bpy.types.Panel):
    """Portraits beside other objects: scene-linear colours, or a plate of their own."""

    bl_label = "With Other Objects"
    bl_parent_id = "GAZESPLAT_PT_render"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        sentence(column, context, "Scene-linear colours")
        _draw_engines(column.row(align=True), context, ("cycles", "eevee"), "scene-linear")
        if not render_settings.refitted(context.scene):
            self.layout.operator("gazesplat.refit_linear")
        row = self.layout.row(align=True)
        row.operator("gazesplat.set_up_splat_plate", icon="RENDERLAYERS")
        if store.plate_of(context.scene) is not None:
            row.operator("gazesplat.remove_splat_plate", text="", icon="X")


def _draw_engines(layout: bpy.types.UILayout, context: bpy.types.Context, engines: tuple[str, ...], mode: str) -> None:
    """Draw a button an engine; the one that is set up is pressed."""
    for engine in engines:
        button = layout.operator("gazesplat.set_up_render", text=_NAMES[engine], depress=_is_set(context.scene, engine, mode))
        button.engine, button.colour_mode = engine, mode


def _is_set(scene: bpy.types.Scene, engine: str, mode: str) -> bool:
    own = scene.render.engine == render_settings.OWN_ENGINE
    if engine == "gazesplat" or own:
        return own and engine == "gazesplat"
    return engine.upper() in scene.render.engine and colour.colour_mode(scene) == (colour.EXACT if mode == "exact" else colour.SCENE_LINEAR)
