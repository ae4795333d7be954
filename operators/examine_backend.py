# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the backend whether it can work."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from .base import Verb


class GAZESPLAT_OT_examine_backend(Verb, bpy.types.Operator):
    """Ask the reconstruction backend what it has and what it lacks, and how to get it. Takes some seconds"""

    bl_idname = "gazesplat.examine_backend"
    bl_label = "Examine Backend"
    bl_options = {"REGISTER"}

    def run(self, context: bpy.types.Context) -> str:
        report = api.doctor()
        return "The backend is ready" if report["ready"] else "The backend lacks something: see the panel"
