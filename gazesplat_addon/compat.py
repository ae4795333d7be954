# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that differs between Blender 4.5 and 5.x, in one place.

No other file reads ``bpy.app.version``. Each function hides one difference and says which.
"""
from __future__ import annotations

import re
from typing import Any

import bpy
import gpu

_V5_0 = bpy.app.version >= (5, 0, 0)
_V5_2 = bpy.app.version >= (5, 2, 0)

# EEVEE lost its suffix in 5.0.
EEVEE_ENGINE = "BLENDER_EEVEE" if _V5_0 else "BLENDER_EEVEE_NEXT"

# The oldest Blender in which GazeSplat works, and the oldest that renders a file saved by this one: 5.2 moved modifier inputs,
# which our drivers write, and 5.0 the compositor, which decodes exact colour.
FLOOR = "4.5"
OLDEST_FOR_ITS_FILES = "5.2" if _V5_2 else "5.0" if _V5_0 else FLOOR

_OLD_INPUT_PATH = re.compile(r'^(modifiers\["[^"]+"\])\["(Socket_\d+)"\]$')
_NEW_INPUT_PATH = re.compile(r'^(modifiers\["[^"]+"\])\.properties\.inputs\.(Socket_\d+)\.value$')


def newer_blender_of_this_file() -> str | None:
    """Return the version of Blender that saved the open file, such as "5.2", where it is newer than this one."""
    saved = tuple(bpy.data.version[:2])
    return f"{saved[0]}.{saved[1]}" if bpy.data.filepath and saved > bpy.app.version[:2] else None


# ---------------------------------------------------------------- geometry nodes modifier

def input_identifier(modifier: bpy.types.NodesModifier, name: str) -> str:
    """Return the identifier ("Socket_3") of the modifier's group input called ``name``; KeyError if none."""
    for item in modifier.node_group.interface.items_tree:
        if item.item_type == "SOCKET" and item.in_out == "INPUT" and item.name == name:
            return item.identifier
    raise KeyError(f"{modifier.node_group.name!r} has no input {name!r}")


def has_modifier_input(modifier: bpy.types.NodesModifier, name: str) -> bool:
    """Return whether the modifier's group has an input of that name: trees of older versions lack some."""
    return any(item.item_type == "SOCKET" and item.in_out == "INPUT" and item.name == name
               for item in modifier.node_group.interface.items_tree)


def get_modifier_input(modifier: bpy.types.NodesModifier, name: str) -> Any:
    """Return the value of a modifier input by its visible name (5.2 moved them out of the ID properties)."""
    identifier = input_identifier(modifier, name)
    if _V5_2:
        return getattr(modifier.properties.inputs, identifier).value
    return modifier[identifier]


def set_modifier_input(modifier: bpy.types.NodesModifier, name: str, value: Any) -> None:
    """Set a modifier input by its visible name and tag the object, which an ID property write does not."""
    identifier = input_identifier(modifier, name)
    if _V5_2:
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value
    modifier.id_data.update_tag()


def modifier_input_path(modifier: bpy.types.NodesModifier, name: str) -> str:
    """Return the data path, from the object, that drives or animates a modifier input."""
    identifier = input_identifier(modifier, name)
    quoted = bpy.utils.escape_identifier(modifier.name)
    if _V5_2:
        return f'modifiers["{quoted}"].properties.inputs.{identifier}.value'
    return f'modifiers["{quoted}"]["{identifier}"]'


def path_for_this_blender(path: str) -> str:
    """Return the data path of a modifier input as this Blender writes it, whichever wrote it; other paths as they are.

    From 5.2 on Blender brings older files' paths up to date by itself. The other way round nobody does: eyes would stand still.
    """
    if _V5_2:
        return _OLD_INPUT_PATH.sub(r"\1.properties.inputs.\2.value", path)
    return _NEW_INPUT_PATH.sub(r'\1["\2"]', path)


def set_remove_attribute_wildcard(node: bpy.types.Node) -> None:
    """Make a Remove Named Attribute node take wildcards (a property in 4.5, a menu socket in 5.x)."""
    if hasattr(node, "pattern_mode"):
        node.pattern_mode = "WILDCARD"
    else:
        node.inputs["Pattern Mode"].default_value = "Wildcard"


def enable_material_nodes(material: bpy.types.Material) -> None:
    """Give a new material its node tree: from 5.0 every material has one, and the switch is deprecated."""
    if not _V5_0:
        material.use_nodes = True


# ---------------------------------------------------------------- compositor

def compositor_tree(scene: bpy.types.Scene, *, create: bool) -> bpy.types.NodeTree | None:
    """Return the scene's compositor tree; with ``create`` make an empty one where there is none.

    Up to 4.5 a scene owns its tree; from 5.0 it points to a node group of its own kind.
    """
    if _V5_0:
        if scene.compositing_node_group is None and create:
            scene.compositing_node_group = bpy.data.node_groups.new(f"{scene.name} Compositing", "CompositorNodeTree")
        return scene.compositing_node_group
    if create and not scene.use_nodes:
        scene.use_nodes = True
        scene.node_tree.nodes.clear()
    return scene.node_tree if scene.use_nodes else None


def compositor_output(tree: bpy.types.NodeTree) -> bpy.types.Node:
    """Return the node whose first input is the finished picture, and make one where there is none."""
    kind = "NodeGroupOutput" if _V5_0 else "CompositorNodeComposite"
    for node in tree.nodes:
        if node.bl_idname == kind:
            return node
    if _V5_0 and not any(item.in_out == "OUTPUT" for item in tree.interface.items_tree if item.item_type == "SOCKET"):
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return tree.nodes.new(kind)


def set_alpha_convert(node: bpy.types.Node, *, to_straight: bool) -> None:
    """Choose the direction of an Alpha Convert node (a property in 4.5, a menu socket in 5.x)."""
    if hasattr(node, "mapping"):
        node.mapping = "PREMUL_TO_STRAIGHT" if to_straight else "STRAIGHT_TO_PREMUL"
    else:
        node.inputs["Type"].default_value = "To Straight" if to_straight else "To Premultiplied"


def set_apply_mask(node: bpy.types.Node) -> None:
    """Make a Set Alpha node multiply a premultiplied picture (a property in 4.5, a menu socket in 5.x)."""
    if hasattr(node, "mode"):
        node.mode = "APPLY"
    else:
        node.inputs["Type"].default_value = "Apply Mask"


def alpha_over_inputs(node: bpy.types.Node) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
    """Return the (background, foreground) sockets of an Alpha Over node; both are called Image in 4.5."""
    background, foreground = (socket for socket in node.inputs if socket.type == "RGBA")
    return background, foreground


def draw_pixels_unmixed(texture: gpu.types.GPUTexture) -> None:
    """Let each pixel of a texture show as it is, where it is drawn at its own size (4.5 mixes in up to a hundredth of its neighbours)."""
    if hasattr(texture, "filter_mode"):
        texture.filter_mode(False)


MATH_NODE = "ShaderNodeMath" if _V5_0 else "CompositorNodeMath"    # the compositor shares the shaders' from 5.0
