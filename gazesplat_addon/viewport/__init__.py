# SPDX-License-Identifier: GPL-3.0-or-later
"""The live splat display: portraits in Blender's viewport, drawn on the graphics card as F12 shows them (docs/viewport.md)."""
from __future__ import annotations

import bpy

# Imported when first needed: uniforms and order are wanted without a graphics card too.


def register() -> None:
    """Listen to what changes the scene, but not in background mode. Nothing is drawn before the display is switched on."""
    if bpy.app.background:
        return
    for handlers, function in _listeners():
        handlers.append(function)


def unregister() -> None:
    """Switch the display off, wake what rests, and listen no more."""
    if bpy.app.background:
        return
    from .display import display

    for handlers, function in _listeners():
        handlers.remove(function)
    display.close()


def switch(on: bool) -> None:
    """Show splats live in all viewports, or leave that to the node display. Background mode has no viewports."""
    if bpy.app.background:
        return
    from .display import display

    display.switch(on)


def problem() -> str:
    """Return why the display is off though it is switched on, or nothing."""
    from .display import display

    return display.problem


def _listeners() -> list[tuple[list, object]]:
    on = bpy.app.handlers
    return [(on.depsgraph_update_post, _depsgraph_changed), (on.frame_change_post, _depsgraph_changed), (on.load_post, _file_changed),
            (on.undo_post, _file_changed), (on.redo_post, _file_changed), (on.save_pre, _before_saving), (on.save_post, _after_saving)]


@bpy.app.handlers.persistent
def _depsgraph_changed(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    from .display import display

    display.depsgraph_changed(depsgraph)


@bpy.app.handlers.persistent
def _file_changed(*_ignored: object) -> None:
    from .display import display

    display.file_changed()


@bpy.app.handlers.persistent
def _before_saving(*_ignored: object) -> None:
    from .display import display

    display.before_saving()


@bpy.app.handlers.persistent
def _after_saving(*_ignored: object) -> None:
    from .display import display

    display.after_saving()
