# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour settings under which a render shows the portrait's true colours.

Splats are fitted and blended in display-referred sRGB, Blender blends and views scene-linear light.
*Exact*: the engine blends the raw values, and a compositor group decodes the finished picture with the
inverse of the view, so that after the view the fitted values are back. *Scene-linear*: each splat's colour is
decoded before blending; it needs no compositor and sits in any scene. Colours that were refitted for it
(splat/linear_refit.py) give nearly the fitted picture; without them it comes out brighter where many films overlap.
"""
from __future__ import annotations

import bpy

from .. import compat
from ..nodes.library import NAME_KEY, VERSION_KEY
from . import store
from .changes import Change, set_property, shown

VERSION = 1
EXACT, SCENE_LINEAR = "EXACT", "SCENE_LINEAR"
GROUP_NAME = "GazeSplat Exact Colour"
LINEAR_SPACE = "Linear Rec.709"

# View transform -> the colour space whose decoding is that view's inverse, as Blender's OpenColorIO names it.
INVERSE_OF_VIEW = {"Standard": "sRGB", "AgX": "AgX Base sRGB", "Filmic": "Filmic sRGB", "Khronos PBR Neutral": "Khronos PBR Neutral sRGB"}


def use_exact_colour(scene: bpy.types.Scene, *, view: str | None = None) -> list[Change]:
    """Blend raw values and decode the finished picture; return what was changed.

    ``view`` is the view transform to render under, None keeps the scene's where it has an inverse, else Standard.
    Only for a view layer that shows nothing but splats and holdouts: other things would be decoded too.
    """
    current = scene.view_settings.view_transform
    wanted = view or (current if current in INVERSE_OF_VIEW else "Standard")
    if wanted not in INVERSE_OF_VIEW:
        raise ValueError(f"no inverse is known for the view transform {wanted!r}")
    changes = [change for setting in _view_settings(scene, wanted) if (change := set_property(*setting)) is not None]
    changes += _set_scene_linear(scene, False)
    if _insert_decoder(scene, INVERSE_OF_VIEW[wanted]):
        changes.append(Change("Compositor", "render layers", f"{GROUP_NAME} ({INVERSE_OF_VIEW[wanted]})"))
    return changes


def use_scene_linear_colour(scene: bpy.types.Scene) -> list[Change]:
    """Decode each splat before blending and take the exact mode's compositor group out; return what was changed."""
    changes = _set_scene_linear(scene, True)
    if remove_decoder(scene):
        changes.append(Change("Compositor", GROUP_NAME, "render layers"))
    return changes


def decodes(scene: bpy.types.Scene) -> bool:
    """Return whether the scene's compositor decodes the finished picture, as exact colour needs it."""
    return bool(_decoders(compat.compositor_tree(scene, create=False)))


def decoding_space(scene: bpy.types.Scene) -> str:
    """Return the colour space from which exact colours are decoded: the compositor group's, else the inverse of the scene's view."""
    decoder = next(iter(_decoders(compat.compositor_tree(scene, create=False))), None)
    if decoder is not None:
        return _space_of(decoder.node_tree)
    return INVERSE_OF_VIEW.get(scene.view_settings.view_transform, INVERSE_OF_VIEW["Standard"])


def colour_mode(scene: bpy.types.Scene) -> str | None:
    """Return EXACT or SCENE_LINEAR if the scene and all its splats agree on it, else None."""
    modes = {compat.get_modifier_input(m, "Scene Linear") for m in _displays(scene)}
    if len(modes) == 1 and decodes(scene) != next(iter(modes)):
        return EXACT if decodes(scene) else SCENE_LINEAR
    return None


def exact_colour_problems(scene: bpy.types.Scene) -> list[str]:
    """Return one sentence for each view setting that would spoil exact colour."""
    group = next((node.node_tree for node in _decoders(compat.compositor_tree(scene, create=False))), None)
    space = _space_of(group) if group is not None else None
    view = next((view for view, inverse in INVERSE_OF_VIEW.items() if inverse == space), "Standard")
    return [f"{label} is {shown(getattr(owner, name))}, exact colour needs {shown(value)}."
            for owner, name, value, label in _view_settings(scene, view) if getattr(owner, name) != value and name != "dither_intensity"]


def remove_decoder(scene: bpy.types.Scene) -> bool:
    """Take the exact mode's group out of the scene's compositor, joining its neighbours; return whether there was one."""
    tree = compat.compositor_tree(scene, create=False)
    decoders = _decoders(tree)
    for node in decoders:
        source = node.inputs[0].links[0].from_socket if node.inputs[0].links else None
        targets = [link.to_socket for link in node.outputs[0].links]
        tree.nodes.remove(node)
        for target in targets if source is not None else ():
            tree.links.new(source, target)
    return bool(decoders)


def _view_settings(scene: bpy.types.Scene, view: str) -> list[tuple[bpy.types.bpy_struct, str, object, str]]:
    """Return (owner, property, value, place in the interface) under which the decoder is the inverse of the view."""
    settings = scene.view_settings
    return [
        (settings, "view_transform", view, "Color Management > View Transform"),
        (settings, "look", "None", "Color Management > Look"),
        (settings, "exposure", 0.0, "Color Management > Exposure"),
        (settings, "gamma", 1.0, "Color Management > Gamma"),
        (settings, "use_curve_mapping", False, "Color Management > Curves"),
        (scene.render, "use_compositing", True, "Post Processing > Compositing"),
        (scene.render, "dither_intensity", 0.0, "Post Processing > Dither"),
    ]


def _set_scene_linear(scene: bpy.types.Scene, on: bool) -> list[Change]:
    changes = []
    for modifier in _displays(scene):
        if compat.get_modifier_input(modifier, "Scene Linear") != on:
            compat.set_modifier_input(modifier, "Scene Linear", on)
            changes.append(Change(f"{modifier.id_data.name}: scene-linear colours", not on, on))
    return changes


def _insert_decoder(scene: bpy.types.Scene, space: str) -> bool:
    """Put the decoder behind the scene's render layers; return whether anything had to be changed."""
    tree = compat.compositor_tree(scene, create=True)
    group = _decoder_group(space)
    if any(node.node_tree == group for node in _decoders(tree)):
        return False
    remove_decoder(scene)
    layers = next((n for n in tree.nodes if n.bl_idname == "CompositorNodeRLayers" and n.scene == scene), None)
    if layers is None:
        layers = tree.nodes.new("CompositorNodeRLayers")
        layers.scene = scene
    targets = [link.to_socket for link in layers.outputs["Image"].links] or [compat.compositor_output(tree).inputs[0]]
    decoder = tree.nodes.new("CompositorNodeGroup")
    decoder.node_tree = group
    decoder.location = (layers.location.x + 300.0, layers.location.y)
    tree.links.new(layers.outputs["Image"], decoder.inputs[0])
    for target in targets:
        tree.links.new(decoder.outputs[0], target)
    return True


def _decoder_group(space: str) -> bpy.types.NodeTree:
    """Return the group that decodes a premultiplied picture from ``space``: straight, decode, premultiply."""
    name = f"{GROUP_NAME} ({space})"
    for tree in bpy.data.node_groups:
        if tree.library is None and tree.get(NAME_KEY) == name and tree.get(VERSION_KEY) == VERSION:
            return tree
    tree = bpy.data.node_groups.new(name, "CompositorNodeTree")
    tree[NAME_KEY], tree[VERSION_KEY] = name, VERSION
    tree.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    kinds = ("NodeGroupInput", "CompositorNodePremulKey", "CompositorNodeConvertColorSpace", "CompositorNodePremulKey", "NodeGroupOutput")
    chain = [tree.nodes.new(kind) for kind in kinds]
    compat.set_alpha_convert(chain[1], to_straight=True)
    chain[2].from_color_space, chain[2].to_color_space = space, LINEAR_SPACE
    compat.set_alpha_convert(chain[3], to_straight=False)
    for column, (left, right) in enumerate(zip(chain, chain[1:], strict=False)):
        right.location.x = 200.0 * (column + 1)
        tree.links.new(left.outputs[0], right.inputs[0])
    return tree


def _space_of(group: bpy.types.NodeTree) -> str:
    return group[NAME_KEY].removeprefix(f"{GROUP_NAME} (").removesuffix(")")


def _decoders(tree: bpy.types.NodeTree | None) -> list[bpy.types.Node]:
    return [n for n in tree.nodes if n.bl_idname == "CompositorNodeGroup" and n.node_tree is not None
            and str(n.node_tree.get(NAME_KEY, "")).startswith(GROUP_NAME)] if tree is not None else []


def _displays(scene: bpy.types.Scene) -> list[bpy.types.NodesModifier]:
    return [m for m in map(store.display_modifier, store.splat_roots_in(scene)) if m is not None]
