# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine "GazeSplat": exact splat frames behind F12, drawn by the backend's worker (docs/engine.md)."""
from __future__ import annotations


def register() -> None:
    """Register the engine. Imported here, so that the worker's client can be had without Blender."""
    from . import render_engine

    render_engine.register()


def end_worker() -> None:
    """End the worker, if one runs; the next frame starts another."""
    from . import render_engine

    render_engine.end_worker()


def unregister() -> None:
    """End the worker and take the engine out."""
    from . import render_engine

    render_engine.unregister()
