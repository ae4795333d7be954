# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the scene so that F12 shows what was reconstructed."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_set_up_render(PortraitVerb, bpy.types.Operator):
    """Set engine, samples, light paths and colour so that a render shows the portrait's true colours"""

    bl_idname = "gazesplat.set_up_render"
    bl_label = "Set Up Render"

    engine: bpy.props.EnumProperty(name="Engine", default="cycles", description="Which of Blender's renderers to prepare", items=(
        ("cycles", "Cycles", "Exact also where portraits and other objects overlap, with motion blur; slow without a GPU"),
        ("eevee", "EEVEE", "Nearly as exact and fast on a GPU; portraits sort as a whole"),
        ("gazesplat", "GazeSplat", "Exact and fast without a GPU, portraits only; needs the extension and its backend to render")))

    colour_mode: bpy.props.EnumProperty(name="Colour", default="exact", description="How splats and the scene come together", items=(
        ("exact", "Exact", "The fitted colours to the last bit; a compositor group decodes the whole picture, other things need "
                           "a layer of their own"),
        ("scene-linear", "Scene-linear", "Sits beside other things in any scene, without a compositor; colours are refitted for it")))

    def run(self, context: bpy.types.Context) -> str:
        changes = chosen_portrait(context).setup_render(engine=self.engine, colour_mode=self.colour_mode)
        if not changes:
            return "The render was set up already"
        return f"Render set up, {len(changes)} settings changed: {'; '.join(changes)}"
