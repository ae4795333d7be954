# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a render farm."""
from __future__ import annotations

import bpy

from .base import ScenePanel, roomy


class GAZESPLAT_PT_farm(ScenePanel, bpy.types.Panel):
    """Check the file for farms, and write the job that they take."""

    bl_label = "Farm"
    bl_parent_id = "GAZESPLAT_PT_render"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        row = self.layout.row(align=True) if roomy(context) else self.layout.column(align=True)
        row.operator("gazesplat.check_farm", icon="CHECKMARK").fix = False
        row.operator("gazesplat.check_farm", text="Fix").fix = True
        self.layout.operator("gazesplat.write_farm_job", icon="EXPORT")
