# SPDX-License-Identifier: GPL-3.0-or-later
"""What all panels share: where they stand, which portrait they show, and text that fits."""
from __future__ import annotations

import textwrap

import bpy

from ..gazesplat_addon import backend_setup, live_jobs, portrait
from ..gazesplat_addon.portrait import Portrait
from ..gazesplat_addon.scene import store
from ..gazesplat_addon.words import shown

# In pixels at interface scale 1: average width of a letter, what a panel's borders and tabs take, a box's borders, an icon.
_LETTER_PX, _BORDERS_PX, _BOX_PX, _ICON_PX = 6.4, 42, 14, 22
# Below this, labels beside their fields are cut off, "Blink Left" and "Blink Right" both to "Blink ...".
_ROOMY_PX = 240


class SidebarPanel:
    """Mix-in: a panel of the GazeSplat tab."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "GazeSplat"


class PortraitPanel(SidebarPanel):
    """Mix-in: a panel that shows only while a portrait with eyes is chosen."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        found = chosen_portrait(context)
        return found is not None and found.rigged


class ScenePanel(SidebarPanel):
    """Mix-in: a panel that shows only while the scene has a portrait, or a splat without eyes."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(store.splat_roots_in(context.scene))


def chosen_portrait(context: bpy.types.Context) -> Portrait | None:
    """Return the portrait that the artist means: the active object's, else the scene's only one."""
    return portrait.chosen(context.active_object, context.scene)


def setting_up() -> bool:
    """Return whether the backend is being set up."""
    return any(isinstance(job, backend_setup.BackendSetup) and not job.ended for job in live_jobs.watched())


def roomy(context: bpy.types.Context) -> bool:
    """Return whether the sidebar is wide enough for labels beside fields, and three buttons in a row."""
    return context.region.width / context.preferences.system.ui_scale >= _ROOMY_PX


def fitting(context: bpy.types.Context, text: str, short: str) -> str:
    """Return a button's text, or the short one where the sidebar is narrow and would cut it off."""
    return text if roomy(context) else short


def sentence(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, *, icon: str = "NONE", boxed: bool = False) -> None:
    """Show a text on as many lines as the sidebar's width asks for; labels do not wrap by themselves."""
    scale = context.preferences.system.ui_scale
    taken = _BORDERS_PX + (_BOX_PX if boxed else 0) + (_ICON_PX if icon != "NONE" else 0)
    letters = max(16, int((context.region.width / scale - taken) / _LETTER_PX))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(line for part in shown(text).splitlines() for line in textwrap.wrap(part, letters)):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))
