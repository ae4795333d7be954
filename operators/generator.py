# SPDX-License-Identifier: GPL-3.0-or-later
"""What the motion generators share: a seed and a range of frames, shown in the redo panel."""
from __future__ import annotations

import bpy

from .base import PortraitVerb


class Generator(PortraitVerb):
    """Mix-in of operators that write generated keys over a range of frames."""

    seed: bpy.props.IntProperty(name="Seed", default=0, min=0,
                                description="The same seed gives the same motion, key by key; try others until you like one")
    use_scene_range: bpy.props.BoolProperty(name="Whole Scene", default=True,
                                             description="Animate from the scene's first to its last frame")
    start: bpy.props.IntProperty(name="Start", default=1, description="First frame of the motion")
    end: bpy.props.IntProperty(name="End", default=250, description="Last frame of the motion")

    def frames(self) -> dict[str, int]:
        """Return the range as the api takes it: nothing means the scene's."""
        return {} if self.use_scene_range else {"start": self.start, "end": self.end}

    def draw(self, context: bpy.types.Context) -> None:
        """Show the settings in the redo panel; the range only where it counts."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "seed")
        self.draw_own(layout)
        layout.prop(self, "use_scene_range")
        column = layout.column(align=True)
        column.enabled = not self.use_scene_range
        column.prop(self, "start")
        column.prop(self, "end")

    def draw_own(self, layout: bpy.types.UILayout) -> None:
        """Show what one generator alone has."""
