# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove one layer of generated motion."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_clear_layer(PortraitVerb, bpy.types.Operator):
    """Remove this layer's keys, edited ones too; your own keys and the other layers stay"""

    bl_idname = "gazesplat.clear_layer"
    bl_label = "Clear Layer"

    layer: bpy.props.StringProperty(name="Layer", description="gaze, blinks, lids, head or pupils")

    def run(self, context: bpy.types.Context) -> str:
        gone = chosen_portrait(context).layers[self.layer].clear()
        return f"{self.layer.capitalize()}: {gone} keys removed"
