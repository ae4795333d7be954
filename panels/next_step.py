# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do next, in one sentence, and the jobs that run."""
from __future__ import annotations

import bpy

from ..gazesplat_addon import backend_setup, backend_status, live_jobs, motion
from ..gazesplat_addon.portrait import Portrait
from ..gazesplat_addon.scene import render_settings, store, surroundings, upgrade
from ..gazesplat_addon.words import translated
from .base import SidebarPanel, chosen_portrait, sentence, setting_up
from .job_list import draw_jobs


class GAZESPLAT_PT_next_step(SidebarPanel, bpy.types.Panel):
    """The tab's first panel."""

    bl_label = "GazeSplat"

    def draw(self, context: bpy.types.Context) -> None:
        portrait = chosen_portrait(context)
        sentence(self.layout, context, next_step(context.scene, portrait), icon="INFO")
        self._draw_button(context.scene, portrait)
        for lost in upgrade.will_not_work():
            sentence(self.layout, context, lost, icon="ERROR")
        if portrait is not None and upgrade.can_upgrade(portrait.root):
            box = self.layout.box()
            said = translated("An earlier GazeSplat built {name}. It looks as it did then.", name=portrait.name)
            sentence(box, context, said, icon="INFO", boxed=True)
            box.operator("gazesplat.upgrade_portrait", icon="FILE_REFRESH")
        draw_jobs(self.layout, context, live_jobs.watched())

    def _draw_button(self, scene: bpy.types.Scene, portrait: Portrait | None) -> None:
        """Draw what the sentence asks for where no other panel has it open."""
        if portrait is not None and surroundings.enclosing(portrait.root, scene):
            self.layout.operator("gazesplat.hide_enclosing", icon="HIDE_ON")
        elif portrait is not None and portrait.rigged and not portrait.eye_guides_shown and not motion.keyed_range(portrait.root) and (
                scene.camera != store.parts_of(portrait.root).get(store.CAMERA)):
            self.layout.operator("gazesplat.look_through_photo", icon="OUTLINER_OB_CAMERA")


def next_step(scene: bpy.types.Scene, portrait: Portrait | None) -> str:
    """Return what to do next, in one sentence."""
    jobs = live_jobs.watched()
    if portrait is None and setting_up():
        return "The backend is being set up: add the sample portrait meanwhile, or go on working."
    if portrait is None and any(not job.ended for job in jobs):
        return "Your portrait is being made: go on working meanwhile."
    if portrait is None and any(job.state == "done" and not job.imported for job in jobs):
        return "Import the finished portrait."
    if portrait is None and store.portraits_in(scene):
        return "Select the portrait you want to direct."
    if portrait is None and backend_status.missing() is not None and backend_setup.state() == "incomplete":
        return "The set-up of the backend was cut off: go on with it (see Backend below), or add the sample portrait meanwhile."
    if portrait is None and backend_status.missing() is not None:
        return "Add the sample portrait to try everything at once, or set up the backend to make portraits of your own photos."
    if portrait is None:
        return "Choose a photo of one face and press Reconstruct, or import a portrait.ply."
    enclosing = surroundings.enclosing(portrait.root, scene)
    if enclosing:
        return translated("{thing} hides {name}, which stands inside it: hide it, or move one of them.", thing=enclosing[0].name,
                          name=portrait.name)
    if not portrait.rigged:
        return "This splat has no eyes to direct: import a portrait.ply with its sidecar files."
    if portrait.eye_guides_shown:
        return "Move the points of the lids in edit mode (Tab), move and scale the circles, then press Rebuild Eyes below."
    if not motion.keyed_range(portrait.root):
        return "Look through a camera, give the eyes something to look at, then press Animate below."
    if render_settings.render_problems(scene):
        return "Set up the render below, so that F12 shows true colours."
    return "Press Space to play it, change the seed until the motion is right, then render with F12."
