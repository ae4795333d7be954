# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of every node group this GazeSplat builds, to tell portraits that an older one has made."""
from __future__ import annotations

from collections.abc import Iterator

import bpy

from . import (
    camera,
    colour,
    depth_spacing,
    dilate,
    ewa_quads,
    eye_pose,
    globe_pose,
    globe_shading,
    harmonics,
    lid_margins,
    lid_pose,
    lid_warps,
    portrait,
    shader,
    view_discs,
)
from .library import NAME_KEY, VERSION_KEY

# A group's name begins with one of these; a test holds the table against what is built.
_BY_NAME = {
    portrait.GROUP_NAME: portrait, "GazeSplat Camera": camera, "GazeSplat Colour": colour, "GazeSplat Depth Spacing": depth_spacing,
    "GazeSplat Pupil": dilate, "GazeSplat EWA Quads": ewa_quads, "GazeSplat Eye Pose": eye_pose, "GazeSplat Globe Pose": globe_pose,
    "GazeSplat Highlight Pose": globe_pose, "GazeSplat Globe Shading": globe_shading, "GazeSplat Harmonics": harmonics,
    "GazeSplat Lid Margins": lid_margins, "GazeSplat Upper": lid_pose, "GazeSplat Lower": lid_pose, "GazeSplat View Discs": view_discs,
    "GazeSplat Shader": shader, "GazeSplat Disc Shader": shader,
}


def current_version(name: str) -> int | None:
    """Return the version that a group of this name would be built as now, None for a name that nobody builds any more."""
    if name.endswith(" Warp"):
        return lid_warps.VERSION
    return next((module.VERSION for start, module in _BY_NAME.items() if name == start or name.startswith(start + " ")), None)


def groups_of(tree: bpy.types.NodeTree) -> Iterator[tuple[str, int]]:
    """Yield name and version of every group of ours in a tree, itself first, each once."""
    seen, left = set(), [tree]
    while left:
        one = left.pop()
        if one is None or one in seen:
            continue
        seen.add(one)
        if VERSION_KEY in one:
            yield one[NAME_KEY], int(one[VERSION_KEY])
        left += [node.node_tree for node in one.nodes if hasattr(node, "node_tree")]


def is_old(tree: bpy.types.NodeTree) -> bool:
    """Return whether a portrait's tree is, or holds, a group that is built differently now."""
    return any(current_version(name) != version for name, version in groups_of(tree))
