# SPDX-License-Identifier: GPL-3.0-or-later
"""The live splat display: portraits in Blender's viewport, drawn on the graphics card as F12 shows them (docs/viewport.md)."""
from __future__ import annotations

# Blender is imported when the display is used, so that uniforms and order can be had without it.


def register() -> None:
    """Listen to what changes the scene."""
    from . import listeners

    listeners.register()


def unregister() -> None:
    """Leave no trace."""
    from . import listeners

    listeners.unregister()


def switch(on: bool) -> None:
    """Show splats live in all viewports, or leave that to the node display."""
    from .display import display

    display.switch(on)


def problem() -> str:
    """Return why the display is off though it is switched on, or nothing."""
    from .display import display

    return display.problem
