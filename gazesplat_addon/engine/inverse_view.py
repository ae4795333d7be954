# SPDX-License-Identifier: GPL-3.0-or-later
"""The inverse of the scene's view, so that AgX shows the fitted colours just as Standard does.

The table is made once for each view.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable

import bpy

from ..scene.colour import INVERSE_OF_VIEW
from ..scene.view_tables import inverse_cube
from .worker_client import HeldSplats

_made: dict[str, HeldSplats] = {}
# By view: what is to be called once its table is made.
_soon: dict[str, list[Callable[[], None]]] = {}


def is_made(view_transform: str) -> bool:
    """Return whether a view's table exists, or none is needed: Standard is the sRGB curve, and others have no inverse."""
    return view_transform == "Standard" or view_transform not in INVERSE_OF_VIEW or view_transform in _made


def inverse_of(view_transform: str) -> HeldSplats | None:
    """Return the worker's table for a view, None where it is the sRGB curve. Call it in the main thread unless ``is_made``."""
    if view_transform not in _made and not is_made(view_transform):
        cube = inverse_cube(INVERSE_OF_VIEW[view_transform])
        digest = hashlib.blake2b(cube, digest_size=16).hexdigest()
        _made[view_transform] = HeldSplats(digest, {"cube": cube}, None)
    return _made.get(view_transform)


def beside(film: dict) -> dict[str, HeldSplats]:
    """Return what the worker must hold for a film, by digest."""
    return {made.digest: made for made in _made.values() if made.digest == film.get("cube")}


def make_soon(view_transform: str, then: Callable[[], None]) -> None:
    """Make a view's table when the main thread is next idle, and call ``then``: for who is drawing and must not touch data."""
    asked = _soon.setdefault(view_transform, [])
    asked.append(then)
    if len(asked) > 1:
        return

    def make() -> None:
        inverse_of(view_transform)
        for one in _soon.pop(view_transform):
            one()

    bpy.app.timers.register(make)
