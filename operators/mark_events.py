# SPDX-License-Identifier: GPL-3.0-or-later
"""Show on the timeline where the eyes blink and dart."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_mark_events(PortraitVerb, bpy.types.Operator):
    """Put a marker on the timeline for each blink and each larger glance, or take the markers away"""

    bl_idname = "gazesplat.mark_events"
    bl_label = "Mark Events"

    remove: bpy.props.BoolProperty(name="Remove", default=False, description="Take this portrait's markers away")

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        if self.remove:
            return f"{portrait.clear_events()} markers removed"
        return f"{portrait.mark_events()} events marked"
