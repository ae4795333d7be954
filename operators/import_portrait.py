# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a portrait's files into the scene."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import ArrivalVerb, select


class GAZESPLAT_OT_import_portrait(ArrivalVerb, bpy.types.Operator):
    """Import a reconstructed portrait: choose its portrait.ply, whose sidecar files beside it carry the eyes. Or any Gaussian splats"""

    bl_idname = "gazesplat.import_portrait"
    bl_label = "Import Portrait"

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.ply;*.spz", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> str:
        portrait = api.load(self.filepath, scene=context.scene)
        select(context, portrait)
        return f"Imported {portrait.name}"
