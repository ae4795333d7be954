# SPDX-License-Identifier: GPL-3.0-or-later
"""How a loaded portrait is found again in a file, by tags rather than by names.

All state lives in the .blend as ID properties, so that it survives saving, undo, appending and renaming.
The root Empty carries ``gazesplat`` (what it is), its parts below it carry ``gazesplat_part``.
"""
from __future__ import annotations

from collections.abc import Iterator

import bpy

from ..nodes import library

ROOT_KEY = "gazesplat"
PART_KEY = "gazesplat_part"
FORMAT = 1

SPLATS, HEAD, GAZE, EYE_LEFT, EYE_RIGHT = "splats", "head", "gaze", "eye.L", "eye.R"


def tag_root(root: bpy.types.Object, *, folder: str, rigged: bool, provenance: dict) -> None:
    """Mark an Empty as a portrait; ``folder`` is where its files lie, relative to the .blend where that is possible."""
    root[ROOT_KEY] = {"format": FORMAT, "folder": folder, "rigged": rigged, "provenance": provenance}


def tag_part(part: bpy.types.Object, kind: str) -> None:
    """Mark an object as one part of the portrait above it."""
    part[PART_KEY] = kind


def is_root(candidate: bpy.types.Object) -> bool:
    """Return whether an object is the root of a portrait."""
    return ROOT_KEY in candidate and hasattr(candidate[ROOT_KEY], "keys")


def splat_roots_in(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the roots of all portraits and plain splats in the scene, by name."""
    return sorted((o for o in scene.objects if is_root(o)), key=lambda o: o.name)


def portraits_in(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the roots of the scene's portraits, plain splats without a rig left out, by name."""
    return [root for root in splat_roots_in(scene) if root[ROOT_KEY]["rigged"]]


def root_of(part: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return the portrait that an object belongs to, itself included, or None."""
    while part is not None and not is_root(part):
        part = part.parent
    return part


def parts_of(root: bpy.types.Object) -> dict[str, bpy.types.Object]:
    """Return the portrait's parts by kind; a portrait below another one is not looked into."""
    return {part[PART_KEY]: part for part in _below(root) if PART_KEY in part}


def part_of(root: bpy.types.Object, kind: str) -> bpy.types.Object:
    """Return one part; KeyError if the artist has deleted it."""
    parts = parts_of(root)
    if kind not in parts:
        raise KeyError(f"{root.name} has no part {kind!r} any more")
    return parts[kind]


def display_modifier(root: bpy.types.Object) -> bpy.types.NodesModifier | None:
    """Return the modifier that shows the splats, whatever the artist has called it, or None."""
    carrier = parts_of(root).get(SPLATS)
    for modifier in carrier.modifiers if carrier is not None else ():
        if modifier.type == "NODES" and modifier.node_group is not None and library.VERSION_KEY in modifier.node_group:
            return modifier
    return None


def delete(root: bpy.types.Object) -> None:
    """Remove a portrait: its parts, their mesh, tree and actions where nothing else uses them."""
    objects = [*_tagged_below(root), root]
    meshes = {o.data for o in objects if o.type == "MESH"}
    trees = {m.node_group for o in objects for m in o.modifiers if m.type == "NODES" and m.node_group is not None}
    actions = {o.animation_data.action for o in objects if o.animation_data is not None and o.animation_data.action is not None}
    for o in objects:
        bpy.data.objects.remove(o)
    for blocks, candidates in ((bpy.data.meshes, meshes), (bpy.data.node_groups, trees), (bpy.data.actions, actions)):
        for block in candidates:
            if block.users == 0:
                blocks.remove(block)


def _below(parent: bpy.types.Object) -> Iterator[bpy.types.Object]:
    for child in parent.children:
        if is_root(child):
            continue
        yield child
        yield from _below(child)


def _tagged_below(root: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the portrait's own parts; what the artist has parented to them stays."""
    return [part for part in _below(root) if PART_KEY in part]
