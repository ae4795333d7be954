# SPDX-License-Identifier: GPL-3.0-or-later
"""Take generated motion over as one's own."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_bake_layer(PortraitVerb, bpy.types.Operator):
    """Move this layer's keys onto your own channels, where generators never touch them again"""

    bl_idname = "gazesplat.bake_layer"
    bl_label = "Bake Layer"

    layer: bpy.props.StringProperty(name="Layer", description="gaze, blinks, lids, head or pupils")

    def run(self, context: bpy.types.Context) -> str:
        made = chosen_portrait(context).layers[self.layer].bake()
        return f"{self.layer.capitalize()}: {made} keys are yours now"
