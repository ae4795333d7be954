# SPDX-License-Identifier: GPL-3.0-or-later
"""GazeSplat: portraits as Gaussian splats whose eyes an artist directs.

The repository root is the Blender extension and this file its door: registration, and the names
an artist types in the console. Importing it needs no Blender, so that tests, the backend and
``dev.py`` load the same package under the name ``gazesplat``.
"""
from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module

_CONSOLE_NAMES = {
    "motion_presets": ".gazesplat_addon.portrait_life",
    "motion_preset_folder": ".gazesplat_addon.portrait_life",
    "reconstruct": ".gazesplat_addon.api",
    "add_eyes": ".gazesplat_addon.api",
    "check_farm": ".gazesplat_addon.api",
    "load": ".gazesplat_addon.api",
    "load_sample": ".gazesplat_addon.api",
    "portraits": ".gazesplat_addon.api",
    "splat_plate": ".gazesplat_addon.api",
    "remove_splat_plate": ".gazesplat_addon.api",
    "setup_backend": ".gazesplat_addon.api",
    "remove_backend": ".gazesplat_addon.api",
    "Portrait": ".gazesplat_addon.api",
    "write_farm_job": ".gazesplat_addon.api",
    "GazeSplatError": ".backend.contract.errors",
}

__all__ = ["GazeSplatError", "Portrait", "add_eyes", "check_farm", "load", "load_sample", "portraits", "reconstruct", "register",
           "remove_backend", "remove_splat_plate", "setup_backend", "splat_plate", "unregister", "write_farm_job"]

# What unregister() has to call, newest first; filled only by a registration that succeeded.
_registered = ExitStack()


def __getattr__(name: str) -> object:
    """Load a console name on first use (PEP 562), so that this import stays light."""
    if name in _CONSOLE_NAMES:
        return getattr(import_module(_CONSOLE_NAMES[name], __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Offer the console names to tab completion before they are loaded."""
    return sorted({*globals(), *_CONSOLE_NAMES})


def register() -> None:
    """Register every room in order; if one fails, undo those before it and let the error out."""
    from . import operators, panels
    from .gazesplat_addon import engine, handlers, preferences, properties

    global _registered
    with ExitStack() as undo:
        for room in (properties, preferences, engine, operators, panels, handlers):
            room.register()
            undo.callback(room.unregister)
        _registered = undo.pop_all()


def unregister() -> None:
    """Undo ``register`` in the opposite order."""
    _registered.close()
