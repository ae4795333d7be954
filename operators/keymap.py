# SPDX-License-Identifier: GPL-3.0-or-later
"""Our one key: Esc over the tab cancels the job that runs. It stands in Preferences > Keymap, where it can be changed."""
from __future__ import annotations

import bpy

from .cancel_job import GAZESPLAT_OT_cancel_job

# Where Blender's own Esc stands, which ends a playback and lets the key go on. An add-on's keys come first: ours sees that it plays.
_KEYMAP = "Frames"

_added: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def register() -> None:
    """Add the key; in background mode there are no keys."""
    keys = bpy.context.window_manager.keyconfigs.addon
    if keys is not None:
        keymap = keys.keymaps.new(_KEYMAP)
        _added.append((keymap, keymap.keymap_items.new(GAZESPLAT_OT_cancel_job.bl_idname, "ESC", "PRESS")))


def unregister() -> None:
    """Take it away."""
    for keymap, item in _added:
        keymap.keymap_items.remove(item)
    _added.clear()
