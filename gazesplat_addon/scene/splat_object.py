# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats as a Blender object: a mesh of loose vertices that carries their attributes, and the modifier that shows them.

A mesh rather than a point cloud, because Python cannot size a point cloud before Blender 5.1.
"""
from __future__ import annotations

import bpy
import numpy as np

from .. import compat
from ..nodes import attributes
from ..nodes.library import VERSION_KEY
from ..nodes.portrait import portrait_tree
from ..rig.sidecar import PortraitRig
from ..splat.arrays import Splats
from ..splat.linear_refit import LinearRefit
from ..splat.ply import BLOCK_ROWS
from . import actions
from .drivers import drive, scene_variable
from .kept_rig import keep_rig
from .material import disc_material, splat_material

MODIFIER = "GazeSplat"
# Settings that an artist may have changed and that other splats keep.
_KEPT_INPUTS = ("Exact in Viewport", "Sort", "Scene Linear", "Alpha Cap", "Low Pass")

# Attribute type -> name of the field that foreach_set fills.
_FIELDS = {"FLOAT": "value", "INT": "value", "FLOAT_VECTOR": "vector", "FLOAT_COLOR": "color", "QUATERNION": "value"}


def create_carrier(name: str, splats: Splats, groups: np.ndarray | None = None, refit: LinearRefit | None = None) -> bpy.types.Mesh:
    """Return a mesh with one vertex a splat and the attributes of ``nodes/attributes.py``; groups (N,) integers."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(splats))
    mesh.attributes["position"].data.foreach_set("vector", _flat(splats.means, np.float32))
    base = np.concatenate([splats.colours, splats.opacities[:, None]], axis=1)
    _add_attribute(mesh, attributes.BASE, "FLOAT_COLOR", base)
    _add_attribute(mesh, attributes.SCALE, "FLOAT_VECTOR", splats.scales)
    _add_attribute(mesh, attributes.ROTATION, "QUATERNION", splats.rotations)
    for index, values in enumerate(_by_coefficient(splats.sh_rest)):
        _add_attribute(mesh, attributes.HARMONIC.format(index), "FLOAT_VECTOR", values)
    if groups is not None:
        _add_attribute(mesh, attributes.GROUP, "INT", groups)
    if refit is not None:
        _add_attribute(mesh, attributes.LINEAR, "FLOAT_COLOR", np.concatenate([refit.colours, refit.opacities[:, None]], axis=1))
    mesh.update()
    return mesh


def create_splat_object(name: str, splats: Splats, groups: np.ndarray | None = None, rig: PortraitRig | None = None, *,
                        refit: LinearRefit | None = None, collection: bpy.types.Collection) -> bpy.types.Object:
    """Return an object that shows the splats, linked to ``collection``; ``rig`` brings the inputs of its eyes."""
    carrier = bpy.data.objects.new(name, create_carrier(name, splats, groups, refit))
    keep_rig(carrier.data, rig)
    collection.objects.link(carrier)
    modifier = carrier.modifiers.new(MODIFIER, "NODES")
    show_tree(modifier, portrait_tree(name, splats.sh_degree, rig))
    return carrier


def replace_splats(carrier: bpy.types.Object, splats: Splats, groups: np.ndarray | None, rig: PortraitRig | None,
                   refit: LinearRefit | None = None) -> None:
    """Give a carrier other splats and a new tree; the settings on its modifier stay."""
    old_mesh = carrier.data
    carrier.data = create_carrier(old_mesh.name, splats, groups, refit)
    keep_rig(carrier.data, rig)
    replace_tree(carrier, portrait_tree(carrier.name, splats.sh_degree, rig))
    if old_mesh.users == 0:
        bpy.data.meshes.remove(old_mesh)


def replace_tree(carrier: bpy.types.Object, tree: bpy.types.NodeTree) -> None:
    """Show a carrier by another tree; the artist's settings stay, and keys and drivers on them. The pose's are for the rig to write."""
    modifier = next(m for m in carrier.modifiers if m.type == "NODES" and m.node_group is not None and VERSION_KEY in m.node_group)
    settings = {name: compat.get_modifier_input(modifier, name) for name in _KEPT_INPUTS if compat.has_modifier_input(modifier, name)}
    paths = {compat.modifier_input_path(modifier, name): name for name in settings}
    bag = actions.channelbag(carrier)
    kept = [(curve, paths[curve.data_path]) for curve in (*carrier.animation_data.drivers, *(bag.fcurves if bag is not None else ()))
            if curve.data_path in paths]
    for curve in [c for c in carrier.animation_data.drivers
                  if c.data_path.startswith(f'modifiers["{modifier.name}"]') and c.data_path not in paths]:
        carrier.animation_data.drivers.remove(curve)
    old_tree = modifier.node_group
    show_tree(modifier, tree)
    for name, value in settings.items():
        compat.set_modifier_input(modifier, name, value)
    for curve, name in kept:
        curve.data_path = compat.modifier_input_path(modifier, name)
    if old_tree.users == 0:
        bpy.data.node_groups.remove(old_tree)


def show_tree(modifier: bpy.types.NodesModifier, tree: bpy.types.NodeTree) -> None:
    """Give a modifier a portrait's tree, its materials, and drivers that follow the render size."""
    modifier.node_group = tree
    compat.set_modifier_input(modifier, "Material", splat_material())
    compat.set_modifier_input(modifier, "Viewport Material", disc_material())
    for axis in ("x", "y"):
        drive(modifier.id_data, compat.modifier_input_path(modifier, f"Resolution {axis.upper()}"), "size * percent / 100",
              size=scene_variable(f"render.resolution_{axis}"), percent=scene_variable("render.resolution_percentage"))


def _add_attribute(mesh: bpy.types.Mesh, name: str, kind: str, values: np.ndarray) -> None:
    attribute = mesh.attributes.new(name, kind, "POINT")
    attribute.data.foreach_set(_FIELDS[kind], _flat(values, np.int32 if kind == "INT" else np.float32))


def _by_coefficient(sh_rest: np.ndarray) -> np.ndarray:
    """Return the harmonics (K, N, 3) of (N, K, 3), turned block by block: a column at a time would read a large file K times."""
    turned = np.empty((sh_rest.shape[1], len(sh_rest), 3), np.float32)
    for start in range(0, len(sh_rest), BLOCK_ROWS):
        turned[:, start:start + BLOCK_ROWS] = sh_rest[start:start + BLOCK_ROWS].transpose(1, 0, 2)
    return turned


def _flat(values: np.ndarray, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(values, dtype).ravel()
