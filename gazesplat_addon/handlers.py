# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: jobs are watched, also through undo, splats are shown live, older files take in what newer ones keep, splat
plates follow their scenes.

No file needs this to animate or render, but for a splat plate, which needs the extension anyway.
"""
from __future__ import annotations

from collections.abc import Callable

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
    for handlers, ours in _handlers():
        handlers.append(ours)


def unregister() -> None:
    """Stop all that; the jobs go on by themselves."""
    for handlers, ours in _handlers():
        handlers.remove(ours)
    viewport.unregister()
    live_jobs.detach()
    preview_icons.unregister()


def _handlers() -> tuple[tuple[list, Callable], ...]:
    """Return each list of Blender's with what we put into it."""
    lists = bpy.app.handlers
    return ((lists.load_post, _bring_up_to_date), (lists.render_pre, _follow), (lists.undo_pre, _before_undo),
            (lists.redo_pre, _before_undo), (lists.undo_post, _after_undo), (lists.redo_post, _after_undo))


@bpy.app.handlers.persistent
def _bring_up_to_date(_file: str) -> None:
    live_jobs.after_load()
    upgrade.bring_up_to_date()


@bpy.app.handlers.persistent
def _before_undo(*_ignored: object) -> None:
    live_jobs.before_undo()


@bpy.app.handlers.persistent
def _after_undo(*_ignored: object) -> None:
    live_jobs.after_undo()


@bpy.app.handlers.persistent
def _follow(scene: bpy.types.Scene, *_ignored: object) -> None:
    splat_plate.follow(scene)
