# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds or makes the node groups of this version of GazeSplat.

A group carries the name and version it was built as. A file made by an older version keeps its own
groups untouched until the portrait is upgraded: a tree is never changed under a portrait that uses it.
"""
from __future__ import annotations

from collections.abc import Callable

import bpy

from .builder import Builder

NAME_KEY = "gazesplat_group"
VERSION_KEY = "gazesplat_version"


def ensure_group(name: str, version: int, build: Callable[[Builder], None], *,
                 tree_type: str = "GeometryNodeTree") -> bpy.types.NodeTree:
    """Return the local group ``name`` at exactly ``version``, built by ``build`` where the file has none.

    One that holds groups of another version inside is as old as they are.
    """
    from . import versions  # it knows every group, and every group's file imports this one

    for tree in bpy.data.node_groups:
        if tree.library is None and tree.get(NAME_KEY) == name and tree.get(VERSION_KEY) == version and not versions.is_old(tree):
            return tree
    return new_group(name, version, build, tree_type=tree_type)


def new_group(name: str, version: int, build: Callable[[Builder], None], *,
              tree_type: str = "GeometryNodeTree") -> bpy.types.NodeTree:
    """Build a fresh group; if building fails, nothing is left behind."""
    tree = bpy.data.node_groups.new(name, tree_type)
    try:
        build(Builder(tree))
    except Exception:
        bpy.data.node_groups.remove(tree)
        raise
    tree[NAME_KEY] = name
    tree[VERSION_KEY] = version
    return tree
