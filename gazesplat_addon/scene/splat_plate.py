# SPDX-License-Identifier: GPL-3.0-or-later
"""The splat plate: Cycles or EEVEE renders a scene, this extension's engine its portraits, and the compositor merges both by depth.

The portraits are rendered through a scene of their own, which holds the same carriers, looks through the same camera and takes over
the first scene's format before every frame. In the first scene their displays are off for renders, so that nothing is drawn twice.
"""
from __future__ import annotations

from collections.abc import Iterable

import bpy

from ...backend.contract.errors import GazeSplatError
from .. import compat
from . import carriers, colour, plate_group, store
from .changes import Change, set_property
from .render_settings import OWN_ENGINE

_HAD_DEPTH = "gazesplat_had_depth"    # on the plate's scene: whether the first scene's layer delivered depth before
_FOR_PLATE = "gazesplat_plate"           # on nodes and carriers: put there, or switched off, for a plate
# What the plate takes over, by the part of the scene that holds it; "" is the scene itself.
_FOLLOWED = {
    "": ("camera",),
    "render": ("resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y", "use_border",
               "use_crop_to_border", "border_min_x", "border_max_x", "border_min_y", "border_max_y", "filter_size", "use_motion_blur",
               "motion_blur_shutter", "motion_blur_position"),
    "display_settings": ("display_device",),
    "view_settings": ("view_transform", "look", "exposure", "gamma", "use_curve_mapping"),
    "gazesplat_render": ("samples", "blur_samples"),
}


def set_up(scene: bpy.types.Scene, *, engine: str | None = None) -> list[Change]:
    """Set a plate up, or bring it up to date, and return what was changed.

    engine   of everything that is no splat: "CYCLES" or "EEVEE"; None keeps the scene's, Cycles where it is GazeSplat's own
    Raises GazeSplatError ``no-portraits``, ``no-camera``, ``bad-value``, ``no-engine``.
    """
    if store.PLATE_OF_KEY in scene:
        raise GazeSplatError("bad-value", f"{scene.name} is itself a splat plate.", "Choose the scene that it belongs to.")
    ways, splats = _shown(scene)
    if not ways:
        raise GazeSplatError("no-portraits", f"{scene.name} shows no portrait.", "Bring one in first.")
    if scene.camera is None:
        raise GazeSplatError("no-camera", "The scene has no camera.", "Add one, or choose one in the scene's properties.")
    changes = [_choose_engine(scene, engine)]
    plate = store.plate_of(scene)
    if plate is None:
        plate = bpy.data.scenes.new(f"{scene.name} Splats")
        plate[store.PLATE_OF_KEY] = scene
        changes.append(Change("Scene", "none", plate.name))
    _follow(plate, scene, ways)
    _switch_on(set(_switched(plate)) - splats)
    changes += [Change(f"{carrier.name}: display in renders", True, False) for carrier in splats if _switch_off(carrier, plate)]
    if colour.remove_decoder(scene):
        changes.append(Change("Compositor", colour.GROUP_NAME, "render layers"))
    changes.append(set_property(scene.render, "use_compositing", True, "Post Processing > Compositing"))
    if _merge(scene, plate):
        changes.append(Change("Compositor", "render layers", plate_group.GROUP_NAME))
    return [change for change in changes if change is not None]


def follow(scene: bpy.types.Scene) -> None:
    """Give the scene's plate, if it has one, its camera and format. Blender cannot drive these, so it is done before every frame."""
    plate = store.plate_of(scene)
    if plate is None:
        return
    for part, names in _FOLLOWED.items():
        source, target = (getattr(one, part) if part else one for one in (scene, plate))
        for name in names:
            # A frame is rendered beside the interface: nothing is written that is as it should be.
            if getattr(target, name) != getattr(source, name):
                setattr(target, name, getattr(source, name))


def remove(scene: bpy.types.Scene) -> bool:
    """Take a scene's plate out and put back what it had switched; return whether there was one."""
    plate = store.plate_of(scene)
    if plate is None:
        return False
    tree = compat.compositor_tree(scene, create=False)
    if tree is not None:
        _unmerge(tree, had_depth=bool(plate.get(_HAD_DEPTH, True)))
    _switch_on(_switched(plate))
    bpy.data.scenes.remove(plate)
    return True


def _shown(scene: bpy.types.Scene) -> tuple[list[bpy.types.Object], set[bpy.types.Object]]:
    """Return the objects by which the scene shows splats, carriers or instances of collections that hold some; and these carriers."""
    ways, found = [], set()
    for one in sorted(_rendered(scene.view_layers[0].layer_collection), key=lambda one: one.name_full):
        inside = one.instance_collection.all_objects if one.instance_type == "COLLECTION" and one.instance_collection is not None else [one]
        splats = {part for part in inside if part.get(store.PART_KEY) == store.SPLATS}
        if splats:
            ways.append(one)
            found |= splats
    return ways, found


def _rendered(layer: bpy.types.LayerCollection) -> set[bpy.types.Object]:
    """Return the objects below a collection of a view layer, less those of collections that are not rendered."""
    if layer.exclude or layer.collection.hide_render:
        return set()
    return set(layer.collection.objects).union(*map(_rendered, layer.children))


def _choose_engine(scene: bpy.types.Scene, engine: str | None) -> Change | None:
    known = {"CYCLES": "CYCLES", "EEVEE": compat.EEVEE_ENGINE, None: "CYCLES" if scene.render.engine == OWN_ENGINE else scene.render.engine}
    if engine not in known:
        raise GazeSplatError("bad-value", f"There is no engine {engine!r} for what is no splat.", "Choose cycles or eevee.")
    return set_property(scene.render, "engine", known[engine], "Render Engine")


def _follow(plate: bpy.types.Scene, scene: bpy.types.Scene, ways: list[bpy.types.Object]) -> None:
    """Make the plate show the same portraits in the same format: what may change later is followed before every frame."""
    try:
        plate.render.engine = OWN_ENGINE
    except TypeError as error:
        raise GazeSplatError("no-engine", "GazeSplat's render engine is not registered.",
                             "Enable the extension in the preferences.") from error
    for gone in set(plate.collection.objects) - set(ways):
        plate.collection.objects.unlink(gone)
    for new in set(ways) - set(plate.collection.objects):
        plate.collection.objects.link(new)
    plate.render.film_transparent = True
    layer = plate.view_layers[0]
    layer.use_pass_z = layer.gazesplat.use_pass_mattes = True
    follow(scene)


def _merge(scene: bpy.types.Scene, plate: bpy.types.Scene) -> bool:
    """Put the group between the scene's picture and what it goes to; return whether there was none."""
    tree = compat.compositor_tree(scene, create=True)
    group = next((node for node in tree.nodes if _FOR_PLATE in node and node.bl_idname == "CompositorNodeGroup"), None)
    if group is not None and group.node_tree == plate_group.plate_group():
        return False
    if group is not None:
        _unmerge(tree, had_depth=True)
    layers = next((n for n in tree.nodes if n.bl_idname == "CompositorNodeRLayers" and n.scene == scene), None)
    if layers is None:
        layers = tree.nodes.new("CompositorNodeRLayers")
        layers.scene = scene
    view_layer = scene.view_layers[layers.layer]
    plate[_HAD_DEPTH] = view_layer.use_pass_z
    view_layer.use_pass_z = True
    targets = [link.to_socket for link in layers.outputs["Image"].links] or [compat.compositor_output(tree).inputs[0]]
    splats = tree.nodes.new("CompositorNodeRLayers")
    splats.scene, splats.layer = plate, plate.view_layers[0].name
    group = tree.nodes.new("CompositorNodeGroup")
    group.node_tree = plate_group.plate_group()
    splats[_FOR_PLATE] = group[_FOR_PLATE] = True
    splats.location = layers.location.x, layers.location.y - 500.0
    group.location = layers.location.x + 350.0, layers.location.y - 150.0
    for name in (plate_group.IMAGE, plate_group.DEPTH):
        tree.links.new(layers.outputs[name], group.inputs[name])
    for source, target in ((plate_group.IMAGE, plate_group.SPLATS), (plate_group.DEPTH, plate_group.SPLATS_DEPTH),
                           *((name, name) for name in plate_group.MATTES)):
        tree.links.new(splats.outputs[source], group.inputs[target])
    for target in targets:
        tree.links.new(group.outputs[plate_group.IMAGE], target)
    return True


def _unmerge(tree: bpy.types.NodeTree, *, had_depth: bool) -> None:
    """Take the plate's nodes out of a tree and link around them."""
    ours = [node for node in tree.nodes if _FOR_PLATE in node]
    for group in (node for node in ours if node.bl_idname == "CompositorNodeGroup"):
        source = next((link.from_socket for link in group.inputs[plate_group.IMAGE].links), None)
        for target in [link.to_socket for link in group.outputs[plate_group.IMAGE].links] if source is not None else ():
            tree.links.new(source, target)
        if source is not None and not had_depth:
            source.node.scene.view_layers[source.node.layer].use_pass_z = False
    for node in ours:
        tree.nodes.remove(node)


def _switch_off(carrier: bpy.types.Object, plate: bpy.types.Scene) -> bool:
    """Keep other engines from drawing a carrier's splats; return whether they did."""
    modifier = carriers.display_modifier(carrier)
    if modifier is None or not modifier.show_render:
        return False
    modifier.show_render, carrier[_FOR_PLATE] = False, plate
    return True


def _switched(plate: bpy.types.Scene) -> list[bpy.types.Object]:
    return [carrier for carrier in bpy.data.objects if carrier.get(_FOR_PLATE) == plate]


def _switch_on(switched: Iterable[bpy.types.Object]) -> None:
    for carrier in switched:
        del carrier[_FOR_PLATE]
        modifier = carriers.display_modifier(carrier)
        if modifier is not None:
            modifier.show_render = True
