# SPDX-License-Identifier: GPL-3.0-or-later
"""How a loaded portrait is found again in a file, by tags rather than by names.

All state lives in the .blend as ID properties, so that it survives saving, undo, appending and renaming.
The root Empty carries ``gazesplat`` (what it is), its parts below it carry ``gazesplat_part``.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import bpy

from ...backend.contract import plain_json
from ..nodes import library

ROOT_KEY = "gazesplat"
PART_KEY = "gazesplat_part"
COLLECTION_KEY = "gazesplat_collection"
PLATE_OF_KEY = "gazesplat_plate_of"    # on a scene that renders the splats of another one, which it names
# Of what a portrait is in a scene. 1: before 2026-11; 2: pose drivers know heavy lids and give back what the head's drift turns.
FORMAT = 2

SPLATS, HEAD, GAZE, CAMERA = "splats", "head", "gaze", "camera"
EYES = {"left": "eye.L", "right": "eye.R"}


def tag_root(root: bpy.types.Object, *, path: Path, rigged: bool, provenance: dict) -> None:
    """Mark an Empty as a portrait read from ``path``; the folder is kept relative to the .blend where that is possible."""
    root[ROOT_KEY] = {"format": FORMAT, "folder": _portable(path.parent), "file": path.name, "rigged": rigged,
                      "provenance": json.dumps(provenance, sort_keys=True, default=str)}


def provenance_of(root: bpy.types.Object) -> dict:
    """Return where a portrait comes from, who it shows and what they agreed to, as its sidecar said or the artist."""
    try:
        found = plain_json.parse(root[ROOT_KEY].get("provenance") or "{}")
    except (ValueError, TypeError):    # somebody has edited it
        return {}
    return found if isinstance(found, dict) else {}


def note(root: bpy.types.Object, notes: dict[str, str]) -> None:
    """Change entries of the provenance that the .blend keeps."""
    root[ROOT_KEY]["provenance"] = json.dumps({**provenance_of(root), **notes}, sort_keys=True, default=str)


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


def plate_of(scene: bpy.types.Scene) -> bpy.types.Scene | None:
    """Return the scene that renders the portraits of ``scene`` (``scene/splat_plate.py``), None where there is none."""
    return next((one for one in bpy.data.scenes if one.get(PLATE_OF_KEY) == scene), None)


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
    """Return the modifier that shows the splats, whatever the artist has called it, or None.

    An evaluated root gives the evaluated modifier, whose inputs hold what the drivers say.
    """
    carrier = parts_of(root.original).get(SPLATS)
    if carrier is not None and root.is_evaluated:
        carrier = carrier.evaluated_get(bpy.context.evaluated_depsgraph_get())
    for modifier in carrier.modifiers if carrier is not None else ():
        if modifier.type == "NODES" and modifier.node_group is not None and library.VERSION_KEY in modifier.node_group:
            return modifier
    return None


def splats_of(root: bpy.types.Object) -> bpy.types.Mesh | None:
    """Return the mesh that carries the splats, or None if the artist has deleted it."""
    carrier = parts_of(root).get(SPLATS)
    return carrier.data if carrier is not None else None


def new_collection(name: str, scene: bpy.types.Scene) -> bpy.types.Collection:
    """Return a collection of the scene for one portrait; it goes with the portrait."""
    collection = bpy.data.collections.new(name)
    collection[COLLECTION_KEY] = True
    scene.collection.children.link(collection)
    return collection


def delete(root: bpy.types.Object) -> None:
    """Remove a portrait: its parts, and their data where nothing else uses it. What the artist parented to it stays."""
    collections = [c for c in root.users_collection if COLLECTION_KEY in c]
    remove_objects([*_tagged_below(root), root])
    for collection in collections:
        if not collection.objects and not collection.children:
            bpy.data.collections.remove(collection)


def remove_objects(objects: list[bpy.types.Object]) -> None:
    """Remove objects, and their meshes, cameras, node trees and actions where nothing else uses them."""
    data = {o.data for o in objects if o.data is not None}
    trees = {m.node_group for o in objects for m in o.modifiers if m.type == "NODES" and m.node_group is not None}
    actions = {o.animation_data.action for o in objects if o.animation_data is not None and o.animation_data.action is not None}
    for o in objects:
        bpy.data.objects.remove(o)
    bpy.data.batch_remove([block for block in (*data, *trees, *actions) if block.users == 0])


def _portable(folder: Path) -> str:
    """Return a folder as a path relative to the saved .blend, absolute if that is unsaved or on another drive."""
    folder = folder.resolve()
    if not bpy.data.filepath:
        return str(folder)
    try:
        return bpy.path.relpath(str(folder))
    except ValueError:
        return str(folder)


def _below(parent: bpy.types.Object) -> Iterator[bpy.types.Object]:
    for child in parent.children:
        if is_root(child):
            continue
        yield child
        yield from _below(child)


def _tagged_below(root: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the portrait's own parts; what the artist has parented to them stays."""
    return [part for part in _below(root) if PART_KEY in part]
