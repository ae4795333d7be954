# SPDX-License-Identifier: GPL-3.0-or-later
"""Note who a portrait shows and what they agreed to."""
from __future__ import annotations

import bpy

from .base import PortraitVerb, chosen_portrait


class GAZESPLAT_OT_edit_consent(PortraitVerb, bpy.types.Operator):
    """Note who this portrait shows and what they have agreed to. Both travel with it: in the .blend, its files and exports"""

    bl_idname = "gazesplat.edit_consent"
    bl_label = "Note Person and Consent"

    person: bpy.props.StringProperty(name="Person", description="Who it shows")
    consent: bpy.props.StringProperty(name="Consent", description="What they have agreed to, and where it is written")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        portrait = chosen_portrait(context)
        self.person, self.consent = portrait.person, portrait.consent
        return context.window_manager.invoke_props_dialog(self, width=640)

    def run(self, context: bpy.types.Context) -> str:
        portrait = chosen_portrait(context)
        portrait.person = self.person
        portrait.consent = self.consent
        return f"Noted with {portrait.name}"
