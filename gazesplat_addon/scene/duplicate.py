# SPDX-License-Identifier: GPL-3.0-or-later
"""A second portrait from the same splats: objects of its own, so that Blender makes quads for its own place.

A collection instance shows the quads that were made for the original's place, which are wrong anywhere else. A duplicate shares
what is large (the mesh of splats and the node tree) and has what is its own: place, controls, drivers, target, motion.
"""
from __future__ import annotations

from contextlib import ExitStack

import bpy

from . import store


def duplicate(root: bpy.types.Object, scene: bpy.types.Scene, name: str | None = None) -> bpy.types.Object:
    """Return the root of a duplicate in the same place, in a collection of its own; what the artist parented to it stays behind."""
    originals = [root, *store.parts_of(root).values()]
    with ExitStack() as undo:
        twins = {original: _copied(original, undo) for original in originals}
        twin = twins[root]
        twin.name = name or twin.name
        actions: dict[bpy.types.Action, bpy.types.Action] = {}
        for original, one in twins.items():
            if one is not twin:
                one.name = f"{twin.name}{original.name.removeprefix(root.name)}"
            _hang_below(one, original, twins)
            _point_at(one, twins)
            _own_action(one, original, actions)
        collection = store.new_collection(twin.name, scene)
        for one in twins.values():
            collection.objects.link(one)
        undo.pop_all()
    return twin


def _copied(original: bpy.types.Object, undo: ExitStack) -> bpy.types.Object:
    one = original.copy()
    undo.callback(bpy.data.objects.remove, one)
    if one.type == "CAMERA":    # small, and what one changes of it the other shall not see
        one.data = original.data.copy()
    return one


def _hang_below(one: bpy.types.Object, original: bpy.types.Object, twins: dict[bpy.types.Object, bpy.types.Object]) -> None:
    if original.parent in twins:
        one.parent = twins[original.parent]
        one.matrix_parent_inverse = original.matrix_parent_inverse


def _point_at(one: bpy.types.Object, twins: dict[bpy.types.Object, bpy.types.Object]) -> None:
    """Let constraints and drivers read the duplicate where they read the original."""
    targeted = [constraint for constraint in one.constraints if hasattr(constraint, "target")]
    drivers = one.animation_data.drivers if one.animation_data is not None else ()
    variables = [target for curve in drivers for variable in curve.driver.variables for target in variable.targets]
    for reader, field in [*((constraint, "target") for constraint in targeted), *((target, "id") for target in variables)]:
        if getattr(reader, field) in twins:
            setattr(reader, field, twins[getattr(reader, field)])


def _own_action(one: bpy.types.Object, original: bpy.types.Object, actions: dict[bpy.types.Action, bpy.types.Action]) -> None:
    """Give a duplicate a copy of the action, played by the same slot."""
    old = original.animation_data.action if original.animation_data is not None else None
    if old is None:
        return
    if old not in actions:
        actions[old] = old.copy()
    slot = original.animation_data.action_slot
    one.animation_data.action = actions[old]
    if slot is not None:
        one.animation_data.action_slot = next(other for other in actions[old].slots if other.handle == slot.handle)
