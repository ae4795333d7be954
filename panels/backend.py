# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the program that reconstructs."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import backend_status, preferences
from .base import SidebarPanel, sentence


class GAZESPLAT_PT_backend(SidebarPanel, bpy.types.Panel):
    """Where the backend's Python is, what its doctor says, how to get what is missing."""

    bl_label = "Backend"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        self.layout.label(text="", icon="CHECKMARK" if backend_status.missing() is None else "ERROR")

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        missing = backend_status.missing()
        stored = preferences.stored()
        if stored is not None:
            layout.prop(stored, "backend_python")
        if missing is not None:
            sentence(layout, context, f"{missing.message}\n{missing.hint}", icon="ERROR")
            return
        sentence(layout, context, str(backend_status.python()))
        layout.operator("gazesplat.examine_backend", icon="VIEWZOOM")
        report = backend_status.last_report()
        if report is not None:
            self._draw_report(context, report)

    def _draw_report(self, context: bpy.types.Context, report: dict) -> None:
        device = report["device"]
        self.layout.label(text="Ready" if report["ready"] else "Not ready", icon="CHECKMARK" if report["ready"] else "ERROR")
        self.layout.label(text=f"{device['kind'].upper()}: {device['name']}, {device['cpu_threads']} threads")
        for line in backend_status.findings(report):
            sentence(self.layout, context, line, icon="ERROR")
        for command in report["get"] if not report["ready"] else ():
            sentence(self.layout, context, command, icon="CONSOLE")
