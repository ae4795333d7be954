# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the motion against how people move."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_check_motion(PortraitVerb, bpy.types.Operator):
    """Measure the motion of the scene's frames against published norms: saccades, blinks, gaze that holds while the head moves"""

    bl_idname = "gazesplat.check_motion"
    bl_label = "Check Motion"
    bl_options = {"REGISTER"}

    filepath: bpy.props.StringProperty(name="Report", subtype="FILE_PATH", options={"SKIP_SAVE"},
                                       description="Also write a page with plots here (.html); needs the backend")

    def run(self, context: bpy.types.Context) -> str:
        checked = chosen_portrait(context).check_motion(report=self.filepath or None)
        name = checked.to_text().name
        wrong = [finding.title for finding in checked.findings if finding.holds is False]
        where = f"the whole report is the text {name}"
        return f"Look again at {', '.join(wrong)}: {where}" if wrong else f"The motion holds: {where}"
