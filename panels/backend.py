# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the program that reconstructs: how to get it, what its doctor says, and a button for each finding."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import backend_setup, backend_status, preferences
from ..gazesplat_addon.words import translated
from .base import SidebarPanel, roomy, sentence, setting_up

_REINSTALL = "Install GazeSplat again: drop its zip into Blender's window."


class GAZESPLAT_PT_backend(SidebarPanel, bpy.types.Panel):
    """Set up, mend and remove the backend; the doctor's findings."""

    bl_label = "Backend"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        self.layout.label(text="", icon="CHECKMARK" if backend_status.missing() is None else "ERROR")

    def draw(self, context: bpy.types.Context) -> None:
        if setting_up():
            sentence(self.layout, context, "The backend is being set up: the first panel shows how far it is.", icon="TIME")
            return
        missing, state = backend_status.missing(), backend_setup.state()
        if missing is not None:
            sentence(self.layout, context, _missing(missing.message, state), icon="ERROR")
        elif state == "absent":    # somebody's own environment
            sentence(self.layout, context, str(backend_status.python()))
        self._draw_set_up(context, state, wanted=missing is not None)
        if missing is None:
            self.layout.operator("gazesplat.examine_backend", icon="VIEWZOOM")
            report = backend_status.last_report()
            if report is not None:
                self._draw_report(context, report)

    def _draw_set_up(self, context: bpy.types.Context, state: str, *, wanted: bool) -> None:
        stored = preferences.stored()
        video = stored.setup_video if stored is not None else False
        column = self.layout.column()
        column.operator_context = "INVOKE_DEFAULT"
        if wanted and stored is not None:
            column.prop(stored, "setup_video")
        if wanted or state in ("outdated", "incomplete"):
            for line in backend_setup.promise(video=video)[:1]:
                sentence(column, context, line)
            label = {"outdated": "Update Backend...", "incomplete": "Go On with Set-up..."}.get(state, "Set Up Backend...")
            button = column.operator("gazesplat.setup_backend", text=label, icon="IMPORT")
            button.video = video or backend_setup.has_video()
            column.operator("gazesplat.copy_setup_command", icon="CONSOLE").video = video
        if state != "absent":
            row = self.layout.row(align=True) if roomy(context) else self.layout.column(align=True)
            row.operator_context = "INVOKE_DEFAULT"
            repair = row.operator("gazesplat.setup_backend", text="Repair...", icon="TOOL_SETTINGS")
            repair.repair, repair.video = True, backend_setup.has_video()
            row.operator("gazesplat.remove_backend", text="Remove...", icon="TRASH")

    def _draw_report(self, context: bpy.types.Context, report: dict) -> None:
        device, layout = report["device"], self.layout
        layout.label(text="Ready" if report["ready"] else "Not ready", icon="CHECKMARK" if report["ready"] else "ERROR")
        layout.label(text=translated("{kind}: {name}, {threads} threads", kind=device["kind"].upper(), name=device["name"],
                                     threads=device["cpu_threads"]))
        own = backend_setup.state() != "absent"
        for finding in backend_status.findings(report):
            box = layout.box()
            sentence(box, context, finding.text, icon="INFO" if finding.fix == backend_status.VIDEO else "ERROR", boxed=True)
            if finding.fix == backend_status.REINSTALL:
                sentence(box, context, _REINSTALL, boxed=True)
            elif own:
                box.operator_context = "INVOKE_DEFAULT"
                fix = box.operator("gazesplat.setup_backend", text="Set Up..." if finding.fix == backend_status.VIDEO else "Repair...")
                fix.repair = finding.fix == backend_status.REPAIR
                fix.video = finding.fix == backend_status.VIDEO or backend_setup.has_video()
        if not own and not report["ready"]:
            for command in report["get"]:  # somebody's own environment: theirs to change
                sentence(layout, context, command, icon="CONSOLE")


def _missing(message: str, state: str) -> str:
    return "The backend's set-up was cut off: go on with it." if state == "incomplete" else message
