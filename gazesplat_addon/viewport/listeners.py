# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender tells the live display: changes, files, undo and saving. Nothing of it in background mode, which has no viewports."""
from __future__ import annotations

import bpy

from .display import display


def register() -> None:
    """Listen. Nothing is drawn before the display is switched on."""
    if bpy.app.background:
        return
    for handlers, function in _listeners():
        handlers.append(function)


def unregister() -> None:
    """Switch the display off, wake what rests, and listen no more."""
    if bpy.app.background:
        return
    for handlers, function in _listeners():
        handlers.remove(function)
    display.close()


def _listeners() -> list[tuple[list, object]]:
    on = bpy.app.handlers
    return [(on.depsgraph_update_post, _depsgraph_changed), (on.frame_change_pre, _frame_begins),
            (on.frame_change_post, _depsgraph_changed), (on.load_post, _file_changed),
            (on.undo_post, _file_changed), (on.redo_post, _file_changed), (on.save_pre, _before_saving), (on.save_post, _after_saving)]


@bpy.app.handlers.persistent
def _depsgraph_changed(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    display.depsgraph_changed(depsgraph)


@bpy.app.handlers.persistent
def _frame_begins(*_ignored: object) -> None:
    display.frame_begins()


@bpy.app.handlers.persistent
def _file_changed(*_ignored: object) -> None:
    display.file_changed()


@bpy.app.handlers.persistent
def _before_saving(*_ignored: object) -> None:
    display.before_saving()


@bpy.app.handlers.persistent
def _after_saving(*_ignored: object) -> None:
    display.after_saving()
