# SPDX-License-Identifier: GPL-3.0-or-later
"""What all panels share: where they stand, which portrait they show, and text that fits."""
from __future__ import annotations

import textwrap

import bpy

from ..gazesplat_addon import portrait
from ..gazesplat_addon.portrait import Portrait

# Average width of a letter in the interface at scale 1, and what a panel's borders take, in pixels.
_LETTER_PX, _BORDERS_PX = 6.5, 40


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


def chosen_portrait(context: bpy.types.Context) -> Portrait | None:
    """Return the portrait that the artist means: the active object's, else the scene's only one."""
    return portrait.chosen(context.active_object, context.scene)


def sentence(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, *, icon: str = "NONE") -> None:
    """Show a text on as many lines as the sidebar's width asks for; labels do not wrap by themselves."""
    scale = context.preferences.system.ui_scale
    letters = max(16, int((context.region.width / scale - _BORDERS_PX) / _LETTER_PX))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(line for part in text.splitlines() for line in textwrap.wrap(part, letters)):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))
