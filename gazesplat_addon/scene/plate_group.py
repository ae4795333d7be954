# SPDX-License-Identifier: GPL-3.0-or-later
"""The compositor group that merges a picture of splats with one of everything else by depth, premultiplied throughout.

Where the splats are nearer they lie over the rest, elsewhere the rest lies over them: so a soft edge shows what is behind it,
whichever of the two it belongs to. Mattes lose what the rest hides.
"""
from __future__ import annotations

import bpy

from .. import compat
from ..nodes.library import NAME_KEY, VERSION_KEY

VERSION = 1
GROUP_NAME = "GazeSplat Plate"
MATTES = ("Head", "Irises", "Scleras", "Lids")
IMAGE, DEPTH, SPLATS, SPLATS_DEPTH, VISIBLE = "Image", "Depth", "Splats", "Splats Depth", "Splats Visible"
_COLOUR, _VALUE = "NodeSocketColor", "NodeSocketFloat"
_INPUTS = ((IMAGE, _COLOUR), (DEPTH, _VALUE), (SPLATS, _COLOUR), (SPLATS_DEPTH, _VALUE), *((name, _VALUE) for name in MATTES))
_OUTPUTS = ((IMAGE, _COLOUR), (VISIBLE, _VALUE), *((name, _VALUE) for name in MATTES))


def plate_group() -> bpy.types.NodeTree:
    """Return the group of this version; made where the file has none."""
    for tree in bpy.data.node_groups:
        if tree.library is None and tree.get(NAME_KEY) == GROUP_NAME and tree.get(VERSION_KEY) == VERSION:
            return tree
    tree = bpy.data.node_groups.new(GROUP_NAME, "CompositorNodeTree")
    tree[NAME_KEY], tree[VERSION_KEY] = GROUP_NAME, VERSION
    for sockets, side in ((_INPUTS, "INPUT"), (_OUTPUTS, "OUTPUT")):
        for name, kind in sockets:
            tree.interface.new_socket(name, in_out=side, socket_type=kind)
    _fill(tree)
    return tree


def _fill(tree: bpy.types.NodeTree) -> None:
    given, result = _node(tree, "NodeGroupInput", 0), _node(tree, "NodeGroupOutput", 7)
    given, result = given.outputs, result.inputs
    nearer = _math(tree, "LESS_THAN", given[SPLATS_DEPTH], given[DEPTH], 1)
    behind = _math(tree, "SUBTRACT", 1.0, nearer, 2)
    below = _over(tree, _masked(tree, given[SPLATS], behind, 3), given[IMAGE], 4)
    tree.links.new(_over(tree, below, _masked(tree, given[SPLATS], nearer, 3), 5), result[IMAGE])
    # What is in front of the splats hides as much of them as it covers of the pixel.
    hidden = _math(tree, "MULTIPLY", behind, _alpha(tree, given[IMAGE]), 4)
    seen = _math(tree, "SUBTRACT", 1.0, hidden, 5)
    tree.links.new(_math(tree, "MULTIPLY", _alpha(tree, given[SPLATS]), seen, 6), result[VISIBLE])
    for name in MATTES:
        tree.links.new(_math(tree, "MULTIPLY", given[name], seen, 6), result[name])


def _node(tree: bpy.types.NodeTree, kind: str, column: int) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    node.location = 200.0 * column, -160.0 * sum(other.location.x == 200.0 * column for other in tree.nodes)
    return node


def _math(tree: bpy.types.NodeTree, operation: str, first: float | bpy.types.NodeSocket, second: bpy.types.NodeSocket,
          column: int) -> bpy.types.NodeSocket:
    node = _node(tree, compat.MATH_NODE, column)
    node.operation = operation
    if isinstance(first, float):
        node.inputs[0].default_value = first
    else:
        tree.links.new(first, node.inputs[0])
    tree.links.new(second, node.inputs[1])
    return node.outputs[0]


def _masked(tree: bpy.types.NodeTree, image: bpy.types.NodeSocket, mask: bpy.types.NodeSocket, column: int) -> bpy.types.NodeSocket:
    node = _node(tree, "CompositorNodeSetAlpha", column)
    compat.set_apply_mask(node)
    tree.links.new(image, node.inputs["Image"])
    tree.links.new(mask, node.inputs["Alpha"])
    return node.outputs[0]


def _over(tree: bpy.types.NodeTree, background: bpy.types.NodeSocket, foreground: bpy.types.NodeSocket,
          column: int) -> bpy.types.NodeSocket:
    node = _node(tree, "CompositorNodeAlphaOver", column)
    for source, target in zip((background, foreground), compat.alpha_over_inputs(node), strict=True):
        tree.links.new(source, target)
    return node.outputs[0]


def _alpha(tree: bpy.types.NodeTree, image: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    node = _node(tree, "CompositorNodeSeparateColor", 1)
    tree.links.new(image, node.inputs[0])
    return node.outputs["Alpha"]
