# SPDX-License-Identifier: GPL-3.0-or-later
"""Listen to one layer of generated motion, or not."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_mute_layer(PortraitVerb, bpy.types.Operator):
    """Play this layer of generated motion, or leave it silent; its keys stay"""

    bl_idname = "gazesplat.mute_layer"
    bl_label = "Mute Layer"

    layer: bpy.props.StringProperty(name="Layer", description="gaze, blinks, lids, head or pupils")

    def run(self, context: bpy.types.Context) -> None:
        layer = chosen_portrait(context).layers[self.layer]
        layer.muted = not layer.muted
