# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portrait stands inside: Blender's start-up scene has a cube just where a first portrait comes to stand, and hides it."""
from __future__ import annotations

import bpy
from mathutils import Vector

from . import store

# Metres. A larger box is a room or a set, and meant.
_LARGEST_M = 2.5


def enclosing(root: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the visible meshes, no larger than a wardrobe, whose boxes hold a portrait's middle; parts of portraits are none."""
    middle = root.matrix_world.translation
    return [one for one in scene.objects if one.type == "MESH" and max(one.dimensions) <= _LARGEST_M and _holds(one, middle)
            and store.root_of(one) is None and one.visible_get()]


def hide(things: list[bpy.types.Object]) -> None:
    """Hide objects from viewports and renders."""
    for one in things:
        one.hide_viewport = one.hide_render = True


def _holds(thing: bpy.types.Object, point: Vector) -> bool:
    matrix = thing.matrix_world
    if abs(matrix.determinant()) < 1e-12:
        return False
    inside = matrix.inverted() @ point
    return all(min(corner[k] for corner in thing.bound_box) < inside[k] < max(corner[k] for corner in thing.bound_box) for k in range(3))
