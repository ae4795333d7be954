# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own panels (output, camera, passes, ...) name the engines they are for: ours joins those of every engine."""
from __future__ import annotations

from collections.abc import Iterator

import bpy

# The engine that panels name when they are meant for any; and those of it that say nothing to this one.
_ANY = "BLENDER_RENDER"
_NOT_OURS = {"VIEWLAYER_PT_filter", "RENDER_PT_freestyle", "RENDER_PT_simplify", "VIEWLAYER_PT_layer_passes"}


def show_panels(engine: str) -> None:
    """Show Blender's general panels while ``engine`` is chosen."""
    for panel in _panels():
        panel.COMPAT_ENGINES.add(engine)


def hide_panels(engine: str) -> None:
    """Undo ``show_panels``."""
    for panel in _panels():
        panel.COMPAT_ENGINES.discard(engine)


def _panels() -> Iterator[type[bpy.types.Panel]]:
    for panel in bpy.types.Panel.__subclasses__():
        if _ANY in getattr(panel, "COMPAT_ENGINES", ()) and panel.__name__ not in _NOT_OURS:
            yield panel
