# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the chosen portrait comes from, who it shows, and what they agreed to."""
from __future__ import annotations

import bpy

from ..gazesplat_addon.words import translated
from .base import PortraitPanel, chosen_portrait, sentence

_FIELDS = (("person", "Person"), ("source", "Photo"), ("created", "Made"), ("sha256", "SHA-256"))
_SHOWN = {"created": len("2026-11-21"), "sha256": 8}    # letters; the whole is in the sidecar


class GAZESPLAT_PT_origin(PortraitPanel, bpy.types.Panel):
    """Person, photo, time, checksum, consent."""

    bl_label = "Origin and Consent"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, portrait = self.layout, chosen_portrait(context)
        known = portrait.provenance
        column = layout.column(align=True)
        for key, label in _FIELDS:
            if known.get(key):
                sentence(column, context, f"{translated(label)}: {str(known[key])[:_SHOWN.get(key)]}")
        if portrait.consent:
            sentence(layout, context, translated("Consent: {note}", note=portrait.consent), icon="CHECKMARK")
        else:
            sentence(layout, context, "No consent is noted. This is a real person's face: ask before you show or change it.", icon="ERROR")
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("gazesplat.edit_consent", text="Edit...", icon="GREASEPENCIL")
