# SPDX-License-Identifier: GPL-3.0-or-later
"""Another take of one layer of generated motion."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_reseed_layer(PortraitVerb, bpy.types.Operator):
    """Make this layer anew with another seed, over the same frames; what you have edited in it stays"""

    bl_idname = "gazesplat.reseed_layer"
    bl_label = "Another Take"

    layer: bpy.props.StringProperty(name="Layer", description="gaze, blinks, lids, head or pupils")
    seed: bpy.props.IntProperty(name="Seed", default=-1, min=-1, description="-1 takes the seed after the last one")
    keep_edits: bpy.props.BoolProperty(name="Keep My Edits", default=True,
                                       description="Leave generated keys as they are where you have moved, added or removed some")

    def run(self, context: bpy.types.Context) -> str:
        layer = chosen_portrait(context).layers[self.layer]
        seed = self.seed if self.seed >= 0 else (layer.recipe or {}).get("seed", -1) + 1
        layer.reseed(seed, keep_edits=self.keep_edits)
        return f"{self.layer.capitalize()}: seed {seed}"
