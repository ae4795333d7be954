# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats as a Blender object: a mesh of loose vertices that carries their attributes, and the modifier that shows them.

A mesh rather than a point cloud, because Python cannot size a point cloud before Blender 5.1.
"""
from __future__ import annotations

import bpy
import numpy as np

from .. import compat
from ..nodes import attributes
from ..nodes.portrait import portrait_tree
from ..splat.arrays import Splats
from .drivers import drive, scene_variable
from .material import disc_material, splat_material

MODIFIER = "GazeSplat"

# Attribute type -> name of the field that foreach_set fills.
_FIELDS = {"FLOAT": "value", "INT": "value", "FLOAT_VECTOR": "vector", "FLOAT_COLOR": "color", "QUATERNION": "value"}


def create_carrier(name: str, splats: Splats, groups: np.ndarray | None = None) -> bpy.types.Mesh:
    """Return a mesh with one vertex a splat and the attributes of ``nodes/attributes.py``; groups (N,) integers."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(splats))
    mesh.attributes["position"].data.foreach_set("vector", _flat(splats.means, np.float32))
    base = np.concatenate([splats.colours, splats.opacities[:, None]], axis=1)
    _add_attribute(mesh, attributes.BASE, "FLOAT_COLOR", base)
    _add_attribute(mesh, attributes.SCALE, "FLOAT_VECTOR", splats.scales)
    _add_attribute(mesh, attributes.ROTATION, "QUATERNION", splats.rotations)
    for index in range(splats.sh_rest.shape[1]):
        _add_attribute(mesh, attributes.HARMONIC.format(index), "FLOAT_VECTOR", splats.sh_rest[:, index])
    if groups is not None:
        _add_attribute(mesh, attributes.GROUP, "INT", groups)
    mesh.update()
    return mesh


def create_splat_object(name: str, splats: Splats, groups: np.ndarray | None = None, *,
                        collection: bpy.types.Collection) -> bpy.types.Object:
    """Return an object that shows the splats, linked to ``collection``."""
    carrier = bpy.data.objects.new(name, create_carrier(name, splats, groups))
    collection.objects.link(carrier)
    add_display(carrier, portrait_tree(name, splats.sh_degree))
    return carrier


def add_display(carrier: bpy.types.Object, tree: bpy.types.NodeTree) -> bpy.types.NodesModifier:
    """Add the modifier with a portrait's tree, its materials, and drivers that follow the render size."""
    modifier = carrier.modifiers.new(MODIFIER, "NODES")
    modifier.node_group = tree
    compat.set_modifier_input(modifier, "Material", splat_material())
    compat.set_modifier_input(modifier, "Viewport Material", disc_material())
    for axis in ("x", "y"):
        drive(carrier, compat.modifier_input_path(modifier, f"Resolution {axis.upper()}"), "size * percent / 100",
              size=scene_variable(f"render.resolution_{axis}"), percent=scene_variable("render.resolution_percentage"))
    return modifier


def _add_attribute(mesh: bpy.types.Mesh, name: str, kind: str, values: np.ndarray) -> None:
    attribute = mesh.attributes.new(name, kind, "POINT")
    attribute.data.foreach_set(_FIELDS[kind], _flat(values, np.int32 if kind == "INT" else np.float32))


def _flat(values: np.ndarray, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(values, dtype).ravel()
