# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconstructions that run, have failed or wait to be imported, as the first panel shows them."""
from __future__ import annotations

import bpy

from ..gazesplat_addon.reconstruction import Reconstruction
from .base import sentence


def draw_jobs(layout: bpy.types.UILayout, context: bpy.types.Context, jobs: list[Reconstruction]) -> None:
    """Draw one box a job: what it is, how far it is, what can be done about it."""
    for job in jobs:
        box = layout.box()
        row = box.row()
        row.label(text=job.photo_name, icon="IMAGE_DATA")
        row.operator("gazesplat.open_log", text="", icon="TEXT", emboss=False).job = job.id
        if not job.ended:
            _draw_running(box, job)
        elif job.state == "done" and not job.imported:
            box.operator("gazesplat.import_result", text="Import", icon="IMPORT").job = job.id
        else:
            _draw_ended(box, row, context, job)
        for warning in job.warnings:
            sentence(box, context, f"{warning['message']} {warning['hint']}".strip(), icon="ERROR", boxed=True)


def _draw_running(box: bpy.types.UILayout, job: Reconstruction) -> None:
    row = box.row(align=True)
    row.progress(factor=job.progress, text="Stopping" if job.stopping else f"{job.stage or 'Starting'}  {job.progress:.0%}")
    button = row.row(align=True)
    button.enabled = not job.stopping
    button.operator("gazesplat.cancel_job", text="", icon="X").job = job.id
    if job.text and not job.stopping:
        box.label(text=job.text)


def _draw_ended(box: bpy.types.UILayout, row: bpy.types.UILayout, context: bpy.types.Context, job: Reconstruction) -> None:
    row.operator("gazesplat.remove_job", text="", icon="X", emboss=False).job = job.id
    if job.error is None:
        box.label(text="In the scene" if job.imported else "Cancelled")
        return
    sentence(box, context, job.error.message, icon="ERROR", boxed=True)
    if job.error.hint and job.state != "crashed":  # the hint of a crash is the end of the log, too long for a panel
        sentence(box, context, job.error.hint, icon="BLANK1", boxed=True)
