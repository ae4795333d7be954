# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: jobs are watched, splats are shown live, older files take in what newer ones keep, splat plates follow
their scenes.

No file needs this to animate or render, but for a splat plate, which needs the extension anyway.
"""
from __future__ import annotations

import bpy

from . import live_jobs, preferences, preview_icons, viewport
from .scene import splat_plate, upgrade


def register() -> None:
    """Watch the jobs that still run, of this session or an earlier one; show splats live; look after files and renders."""
    preview_icons.register()
    live_jobs.attach()
    viewport.register()
    chosen = preferences.stored()
    viewport.switch(chosen is None or chosen.live_display)
    bpy.app.handlers.load_post.append(_bring_up_to_date)
    bpy.app.handlers.render_pre.append(_follow)


def unregister() -> None:
    """Stop all that; the jobs go on by themselves."""
    bpy.app.handlers.render_pre.remove(_follow)
    bpy.app.handlers.load_post.remove(_bring_up_to_date)
    viewport.unregister()
    live_jobs.detach()
    preview_icons.unregister()


@bpy.app.handlers.persistent
def _bring_up_to_date(_file: str) -> None:
    upgrade.bring_up_to_date()


@bpy.app.handlers.persistent
def _follow(scene: bpy.types.Scene, *_ignored: object) -> None:
    splat_plate.follow(scene)
