# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the head be alive."""
from __future__ import annotations

import bpy

from .base import chosen_portrait
from .generator import Generator


class GAZESPLAT_OT_add_head_drift(Generator, bpy.types.Operator):
    """Animate the small sway of a head that nobody holds still, in the head's delta transforms: your keys stay as they are"""

    bl_idname = "gazesplat.add_head_drift"
    bl_label = "Add Head Drift"

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.add_head_drift(seed=self.seed, **self.frames())
        return f"{portrait.name}'s head sways a little"
