# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask whether a farm would render the scene as it is seen here."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_check_farm(Verb, bpy.types.Operator):
    """Check whether a machine without GazeSplat, scripts switched off, renders this scene as it is seen here"""

    bl_idname = "gazesplat.check_farm"
    bl_label = "Check for Farm"

    fix: bpy.props.BoolProperty(name="Fix", default=False, options={"SKIP_SAVE"},
                                description="Mend what can be mended: engine, colours, samples, files to pack, splats out of bounds")

    def run(self, context: bpy.types.Context) -> str:
        check = api.check_farm(context.scene, fix=self.fix)
        where = f"the whole report is the text {check.to_text().name}"
        wrong = [finding.sentence for finding in check.findings if finding.holds is False]
        mended = f"{len(check.mended)} things mended. " if check.mended else ""
        return f"{mended}Not ready for a farm, {len(wrong)} faults: {wrong[0]} {where}" if wrong else f"{mended}Ready for a farm: {where}"
