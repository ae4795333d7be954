# SPDX-License-Identifier: GPL-3.0-or-later
"""The node display rests while the live display shows the same splats: a switch of its tree, which renders do not heed.

Files are written awake, so that one opened without the extension shows something.
"""
from __future__ import annotations

from collections.abc import Iterator

import bpy

from .. import compat
from ..nodes.portrait import RESTS
from ..scene import carriers, store


def settle(live: bool) -> None:
    """Let every display rest that the live display replaces, and wake all others."""
    for _, modifier in _displays():
        if needs_settling(modifier, live):
            compat.set_modifier_input(modifier, RESTS, live)


def can_rest(modifier: bpy.types.NodesModifier) -> bool:
    """Return whether the live display may replace this one: not a tree of an older version, nor one out of reach in another file."""
    return modifier.id_data.is_editable and compat.has_modifier_input(modifier, RESTS)


def needs_settling(modifier: bpy.types.NodesModifier, live: bool) -> bool:
    """Return whether a display rests though it should not, or the other way round."""
    return can_rest(modifier) and bool(compat.get_modifier_input(modifier, RESTS)) != live


def _displays() -> Iterator[tuple[bpy.types.Object, bpy.types.NodesModifier]]:
    for carrier in bpy.data.objects:
        if carrier.get(store.PART_KEY) == store.SPLATS:
            modifier = carriers.display_modifier(carrier)
            if modifier is not None:
                yield carrier, modifier
