# SPDX-License-Identifier: GPL-3.0-or-later
"""The two materials that all portraits share."""
from __future__ import annotations

import bpy

from .. import compat
from ..nodes.shader import disc_shader_group, splat_shader_group

SPLAT_MATERIAL = "GazeSplat"
DISC_MATERIAL = "GazeSplat Viewport"


def splat_material() -> bpy.types.Material:
    """Return the material of the exact quads: blended without a depth write, the quads carry their order."""
    return _ensure_material(SPLAT_MATERIAL, splat_shader_group(), "BLENDED")


def disc_material() -> bpy.types.Material:
    """Return the material of the viewport's discs."""
    return _ensure_material(DISC_MATERIAL, disc_shader_group(), "DITHERED")


def _ensure_material(name: str, group: bpy.types.NodeTree, method: str) -> bpy.types.Material:
    for material in bpy.data.materials:
        if material.library is None and material.get("gazesplat_material") == name and _group_of(material) == group:
            return material
    material = bpy.data.materials.new(name)
    material["gazesplat_material"] = name
    compat.enable_material_nodes(material)
    material.surface_render_method = method
    material.use_transparency_overlap = True
    # Splats show light, they do not cast it: as lamps, 150K quads would only slow Cycles down (an add-on: it may be off).
    if hasattr(material, "cycles"):
        material.cycles.emission_sampling = "NONE"
    material.diffuse_color = (0.6, 0.45, 0.38, 1.0)
    nodes = material.node_tree.nodes
    nodes.clear()
    shader = nodes.new("ShaderNodeGroup")
    shader.node_tree = group
    output = nodes.new("ShaderNodeOutputMaterial")
    output.location.x = 250.0
    material.node_tree.links.new(shader.outputs["Shader"], output.inputs["Surface"])
    return material


def _group_of(material: bpy.types.Material) -> bpy.types.NodeTree | None:
    return next((node.node_tree for node in material.node_tree.nodes if node.bl_idname == "ShaderNodeGroup"), None)
