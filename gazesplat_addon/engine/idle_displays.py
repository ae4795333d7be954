# SPDX-License-Identifier: GPL-3.0-or-later
"""The node displays rest while this engine renders: Blender evaluates every modifier before it asks any engine.

Only the switch "show in renders" is used, only between Blender's own signals before and after a frame, and it is put back
before a file is written, so that neither another engine nor a saved file ever sees it. It is written without an
update, for the viewport shows something else and need not be evaluated again.
"""
from __future__ import annotations

import bpy

from ..nodes.library import VERSION_KEY
from ..scene import store
from ..scene.render_settings import OWN_ENGINE

# Carriers (by session id) whose displays rest -> what their modifiers' switches were.
_resting: dict[int, list[bool]] = {}


def register() -> None:
    """Listen to Blender's renders and saves."""
    for handlers, function in _listeners():
        handlers.append(function)


def unregister() -> None:
    """Put everything back and listen no more."""
    _wake()
    for handlers, function in _listeners():
        handlers.remove(function)


def _listeners() -> list[tuple[list, object]]:
    on = bpy.app.handlers
    ends = (on.render_post, on.render_cancel, on.render_complete, on.save_pre)
    return [(on.render_pre, _rest), *((handlers, _wake) for handlers in ends)]


@bpy.app.handlers.persistent
def _rest(scene: bpy.types.Scene, *_ignored: object) -> None:
    """Switch the displays off for renders if the scene is rendered by this engine."""
    if scene.render.engine != OWN_ENGINE:
        return
    for carrier in bpy.data.objects:
        if carrier.get(store.PART_KEY) != store.SPLATS or carrier.library is not None or carrier.session_uid in _resting:
            continue
        shown = _switches(carrier)
        _resting[carrier.session_uid] = shown
        _set_switches(carrier, [on and not _is_display(modifier) for on, modifier in zip(shown, carrier.modifiers, strict=True)])


@bpy.app.handlers.persistent
def _wake(*_ignored: object) -> None:
    """Put every switch back, unless the artist has added or removed modifiers meanwhile: then only the display's."""
    if not _resting:
        return
    for carrier in bpy.data.objects:
        shown = _resting.get(carrier.session_uid)
        if shown is None:
            continue
        if len(shown) != len(carrier.modifiers):
            shown = [on or _is_display(modifier) for on, modifier in zip(_switches(carrier), carrier.modifiers, strict=True)]
        _set_switches(carrier, shown)
    _resting.clear()


def _is_display(modifier: bpy.types.Modifier) -> bool:
    return modifier.type == "NODES" and modifier.node_group is not None and VERSION_KEY in modifier.node_group


def _switches(carrier: bpy.types.Object) -> list[bool]:
    shown = [False] * len(carrier.modifiers)
    carrier.modifiers.foreach_get("show_render", shown)
    return shown


def _set_switches(carrier: bpy.types.Object, shown: list[bool]) -> None:
    carrier.modifiers.foreach_set("show_render", shown)
