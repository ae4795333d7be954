# SPDX-License-Identifier: GPL-3.0-or-later
"""Older files keep opening: what they lack is added, and what another Blender has written is made to work in this one.

In three steps. When a file is opened, only what changes no picture: paths of drivers, the kept rig, controls that came later.
Before new motion is made, the drivers it needs. The node tree itself stays as it was built, so that a shot in progress looks the
same tomorrow, until the artist asks for the newest (``portrait.upgrade()``).
"""
from __future__ import annotations

import logging

import bpy

from ...backend.contract.errors import GazeSplatError
from .. import compat
from ..nodes import attributes, versions
from ..nodes.portrait import portrait_tree
from ..rig.sidecar import PortraitRig
from . import actions, controls, eye_rig, kept_rig, splat_object, store

_DEGREE_BY_COEFFICIENTS = {0: 0, 3: 1, 8: 2, 15: 3}

_log = logging.getLogger(__name__)

# About the open file.
_will_not_work: list[str] = []


def bring_up_to_date() -> list[str]:
    """Do what an opened file needs and changes no picture; return a sentence for each thing done, or that will not work."""
    lost = _what_will_not_work()
    told = [f"{name}: drivers written by another Blender work here now." for name in _translate_paths()]
    kept_rig.adopt_rigs()
    for root in [one for one in bpy.data.objects if store.is_root(one) and one.library is None and one[store.ROOT_KEY]["rigged"]]:
        if int(root[store.ROOT_KEY].get("format", 1)) > store.FORMAT:
            lost.append(f"{root.name} was made by a newer GazeSplat: update the extension before you change it.")
        elif _add_controls(root):
            told.append(f"{root.name} was made by an earlier GazeSplat: controls that came later were added.")
    _will_not_work[:] = lost
    for sentence in (*lost, *told):
        _log.warning("%s", sentence)
    return [*lost, *told]


def will_not_work() -> list[str]:
    """Return a sentence for each thing in the open file that this Blender, or this GazeSplat, cannot do."""
    return list(_will_not_work)


def _what_will_not_work() -> list[str]:
    saved_by = compat.newer_blender_of_this_file()
    if saved_by is None:
        return []
    return [f"{owner} holds nodes of Blender {saved_by} that this one does not know: open the file there." for owner in _unknown_nodes()]


def renew_drivers(root: bpy.types.Object) -> bool:
    """Write the pose's drivers as they are now on a portrait that has older ones; return whether that was needed."""
    if int(root[store.ROOT_KEY].get("format", 1)) >= store.FORMAT:
        return False
    _add_controls(root)
    eye_rig.drive_eyes(root)
    root[store.ROOT_KEY]["format"] = store.FORMAT
    return True


def is_old(root: bpy.types.Object) -> bool:
    """Return whether a portrait's node tree was built by an older GazeSplat."""
    modifier = store.display_modifier(root)
    return modifier is not None and versions.is_old(modifier.node_group)


def can_upgrade(root: bpy.types.Object) -> bool:
    """Return whether ``upgrade`` would change something."""
    told = root[store.ROOT_KEY]
    return root.library is None and (is_old(root) or (bool(told["rigged"]) and int(told.get("format", 1)) < store.FORMAT))


def upgrade(root: bpy.types.Object) -> list[str]:
    """Give a portrait the node tree and drivers of this GazeSplat; settings and motion stay. Return what was changed.

    Raises GazeSplatError ``portrait-old`` when its rig is nowhere to be found, ``part-deleted`` without its splats.
    """
    modifier = store.display_modifier(root)
    if modifier is None:
        raise GazeSplatError("part-deleted", f"{root.name} has lost its splats or their display.", "Undo, or load the portrait again.")
    rigged, carrier, changes = root[store.ROOT_KEY]["rigged"], modifier.id_data, []
    if versions.is_old(modifier.node_group):
        rig = _rig_of(root) if rigged else None
        _add_controls(root)
        coefficients = sum(attributes.HARMONIC.format(index) in carrier.data.attributes for index in range(15))
        splat_object.replace_tree(carrier, portrait_tree(carrier.name, _DEGREE_BY_COEFFICIENTS[coefficients], rig))
        changes.append(f"{root.name}: the newest node tree")
        root[store.ROOT_KEY]["format"] = 1    # the new tree has no pose drivers yet
    if rigged and renew_drivers(root):
        changes.append(f"{root.name}: the newest drivers")
    return changes


def _rig_of(root: bpy.types.Object) -> PortraitRig:
    try:
        return kept_rig.rig_of(store.part_of(root, store.SPLATS))
    except GazeSplatError as error:
        raise GazeSplatError("portrait-old", f"{root.name} was saved before files kept their eye rig, and its folder has none.",
                             "Put the folder back where it was, then try again.") from error


def _add_controls(root: bpy.types.Object) -> bool:
    """Add controls and limits that an older portrait lacks; at their defaults they change nothing. Return whether it lacked any."""
    lacking = any(control.name not in root for control in controls.CONTROLS)
    if lacking:
        controls.add_controls(root)
    if not eye_rig.rest_frames(root) and store.display_modifier(root) is not None:
        eye_rig.keep_limits(root, eye_rig.driven_limits(root))
        lacking = True
    return lacking


def _translate_paths() -> list[str]:
    """Rewrite paths of modifier inputs that another Blender has written; return the carriers' names."""
    mended = []
    for carrier in [one for one in bpy.data.objects if one.get(store.PART_KEY) == store.SPLATS and one.library is None]:
        if carrier.animation_data is None:
            continue
        bag = actions.channelbag(carrier)
        foreign = [curve for curve in (*carrier.animation_data.drivers, *(bag.fcurves if bag is not None else ()))
                   if compat.path_for_this_blender(curve.data_path) != curve.data_path]
        for curve in foreign:
            curve.data_path = compat.path_for_this_blender(curve.data_path)
        if foreign:
            carrier.update_tag()
            mended.append(carrier.name)
    return mended


def _unknown_nodes() -> list[str]:
    """Return the names of what holds them: node groups, and materials, worlds, lights and compositors by their own names."""
    trees = {tree.name: tree for tree in bpy.data.node_groups}
    for owner in (*bpy.data.materials, *bpy.data.worlds, *bpy.data.lights, *bpy.data.scenes):
        if getattr(owner, "node_tree", None) is not None:    # scenes keep their compositor like this until Blender 4.5
            trees.setdefault(owner.name if not isinstance(owner, bpy.types.Scene) else f"The compositor of {owner.name}", owner.node_tree)
    return [name for name, tree in trees.items() if any(node.bl_idname == "NodeUndefined" for node in tree.nodes)]
