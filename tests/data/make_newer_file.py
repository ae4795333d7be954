# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the file of Blender 5.2 that Blender 4.5 cannot show whole: nodes it does not know in geometry, a material and the compositor.

    python tests/data/make_newer_file.py FILE.blend        in Blender 5.2's Python
"""
from __future__ import annotations

import sys
from pathlib import Path

import bpy


def main(target: str) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    mesh = bpy.data.meshes.new("Hair")
    carrier = bpy.data.objects.new("Hair", mesh)
    scene.collection.objects.link(carrier)
    beard = bpy.data.node_groups.new("Beard", "GeometryNodeTree")
    beard.nodes.new("GeometryNodeMeshBevel")
    carrier.modifiers.new("Beard", "NODES").node_group = beard
    skin = bpy.data.materials.new("Skin")
    skin.node_tree.nodes.new("ShaderNodeRaycast")
    mesh.materials.append(skin)
    scene.compositing_node_group = bpy.data.node_groups.new("Film", "CompositorNodeTree")
    scene.compositing_node_group.nodes.new("CompositorNodeConvolve")
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(target).resolve()), compress=True)


if __name__ == "__main__":
    main(sys.argv[1])
