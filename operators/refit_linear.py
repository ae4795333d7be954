# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit a portrait's colours for scene-linear blending."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import PortraitVerb, chosen_portrait
from .reconstruct import started


class GAZESPLAT_OT_refit_linear(PortraitVerb, bpy.types.Operator):
    """Fit colours with which the scene-linear colour mode shows the exact picture. It runs beside Blender, for some seconds"""

    bl_idname = "gazesplat.refit_linear"
    bl_label = "Refit for Scene-linear"
    bl_options = {"REGISTER"}

    quality: bpy.props.EnumProperty(name="Quality", items=api.QUALITY_ITEMS, default="high", description="How long it takes")

    def run(self, context: bpy.types.Context) -> str:
        job = chosen_portrait(context).refit_linear(wait=False, queue=True, quality=self.quality)
        return started(job)
