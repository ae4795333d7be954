# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconstructions that run, have failed or wait to be imported, as the first panel shows them."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import preview_icons
from ..gazesplat_addon.reconstruction import Reconstruction
from ..gazesplat_addon.words import translated
from .base import sentence

_PREVIEW_SCALE = 6.0    # of a line's height
_SHORT_S, _LONG_MIN = 50.0, 90


def draw_jobs(layout: bpy.types.UILayout, context: bpy.types.Context, jobs: list[Reconstruction]) -> None:
    """Draw one box a job: what it is, how far it is, what can be done about it."""
    for job in jobs:
        box = layout.box()
        row = box.row()
        row.label(text=job.photo_name, icon="IMAGE_DATA")
        row.operator("gazesplat.open_log", text="", icon="TEXT", emboss=False).job = job.id
        icon = preview_icons.icon_of(job.preview)
        if icon:
            box.template_icon(icon_value=icon, scale=_PREVIEW_SCALE)
        if job.queued:
            _draw_queued(box, job)
        elif not job.ended:
            _draw_running(box, job)
        elif job.state == "done" and not job.imported:
            row.operator("gazesplat.remove_job", text="", icon="X", emboss=False).job = job.id
            box.operator("gazesplat.import_result", text="Import", icon="IMPORT").job = job.id
        else:
            _draw_ended(box, row, context, job)
        for warning in job.warnings:
            sentence(box, context, f"{warning['message']} {warning['hint']}".strip(), icon="ERROR", boxed=True)


def _draw_queued(box: bpy.types.UILayout, job: Reconstruction) -> None:
    row = box.row(align=True)
    row.label(text="Waits for its turn", icon="TIME")
    row.operator("gazesplat.cancel_job", text="", icon="X").job = job.id


def time_left(seconds: float | None) -> str:
    """Return what is left of a job, roughly: finer figures would only jump."""
    if seconds is None:
        return ""
    if seconds < _SHORT_S:
        return translated("under a minute left")
    minutes = round(seconds / 60.0)
    return translated("about {n} min left", n=minutes) if minutes < _LONG_MIN else translated("about {n} h left", n=f"{minutes / 60.0:.1f}")


def _at(job: Reconstruction) -> str:
    """Return what a running job is at, as its bar says it; the stages are the backend's words."""
    return translated("Stopping") if job.stopping else f"{translated(job.stage or 'Starting')}  {job.progress:.0%}"


def _draw_running(box: bpy.types.UILayout, job: Reconstruction) -> None:
    row = box.row(align=True)
    row.progress(factor=job.progress, text=_at(job))
    button = row.row(align=True)
    button.enabled = not job.stopping
    button.operator("gazesplat.cancel_job", text="", icon="X").job = job.id
    if job.stopping:
        return
    text = job.text if job.text != job.stage else ""    # the bar says it already
    told = " - ".join(filter(None, (text, time_left(job.seconds_left))))
    if told:
        box.label(text=told)


def _draw_ended(box: bpy.types.UILayout, row: bpy.types.UILayout, context: bpy.types.Context, job: Reconstruction) -> None:
    row.operator("gazesplat.remove_job", text="", icon="X", emboss=False).job = job.id
    if job.error is None:
        box.label(text="In the scene" if job.imported else "Cancelled", icon="CHECKMARK" if job.imported else "CANCEL")
    else:
        sentence(box, context, job.error.message, icon="ERROR", boxed=True)
        # The hint of a crash is the end of the log, too long for a panel.
        hint = "The note above opens its log." if job.state == "crashed" else job.error.hint
        if hint:
            sentence(box, context, hint, icon="BLANK1", boxed=True)
    if job.can_retry:
        box.operator("gazesplat.retry_job", icon="FILE_REFRESH").job = job.id
