# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a job, by its button or by Esc over our tab.

Esc is a key of Blender's own kind (operators/keymap.py), so whatever else wants it comes first: a transform, an open menu or dialog, a
text field, another modal operator. A job that runs beside Blender must not end because an artist escapes from something in the 3D view:
hence only over the tab that shows it.
"""
from __future__ import annotations

import bpy

from ..gazesplat_addon import api
from ..gazesplat_addon.words import translated
from .base import TAB, Verb

# What took longer is not thrown away by one stray key or click.
ASK_AFTER_S = 60.0


class GAZESPLAT_OT_cancel_job(Verb, bpy.types.Operator):
    """Stop the reconstruction; nothing half-made is left behind. Esc does it too while the mouse is over this tab"""

    bl_idname = "gazesplat.cancel_job"
    bl_label = "Cancel Reconstruction"
    bl_options = {"REGISTER"}

    job: bpy.props.StringProperty(name="Job", description="Name of the job's folder", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Find the job that Esc means, or let the key go on to whom it is for; ask before much work is lost."""
        shown = api.shown_jobs()
        if event.type == "ESC":
            running = [one for one in shown if not (one.queued or one.ended or one.stopping)]
            if not running or not _over_our_tab(context):
                return {"PASS_THROUGH"}
            self.job = running[0].id
        long = [one for one in shown if one.id == self.job and one.seconds_spent >= ASK_AFTER_S]
        return self._ask(context, event, long[0]) if long else self.execute(context)

    def _ask(self, context: bpy.types.Context, event: bpy.types.Event, job: api.Reconstruction) -> set[str]:
        said = translated("It has run for {minutes} min. What it kept is used when it is tried again.",
                          minutes=round(job.seconds_spent / 60.0))
        # Blender's own button beside ours says "Cancel", which is the other way round.
        return context.window_manager.invoke_confirm(self, event, title=translated("Stop making {name}?", name=job.photo_name),
                                                     message=said, confirm_text="Stop")

    def run(self, context: bpy.types.Context) -> str:
        job = api.job(self.job)
        job.cancel()
        return f"Cancelling {job.photo_name}"


def _over_our_tab(context: bpy.types.Context) -> bool:
    """Return whether the mouse is over the tab that shows the jobs, and nothing plays that Esc is to stop."""
    region = context.region
    return (region is not None and region.type == "UI" and region.active_panel_category == TAB
            and not context.screen.is_animation_playing)
