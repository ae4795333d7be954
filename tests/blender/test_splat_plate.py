# SPDX-License-Identifier: GPL-3.0-or-later
"""The splat plate: Cycles' objects before, behind and through a head are merged with it as the two pictures and their depths say."""
from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Euler

from gazesplat.gazesplat_addon import compat
from tests.engine_pictures import HEIGHT, WIDTH, backend_python, rendered
from tests.portrait_files import write_portrait

# name: place, turn, side in metres, colour; the head's eyes lie at the origin and it looks along -Y.
THINGS = {"before": ((0.05, -0.15, 0.03), (1.57, 0.4, 0.0), 0.05, (0.9, 0.1, 0.05)),
          "behind": ((-0.05, 0.5, 0.0), (1.57, 0.2, 0.0), 0.3, (0.05, 0.2, 0.8)),
          "through": ((-0.03, 0.0, -0.03), (1.57, 0.0, 1.1), 0.16, (0.1, 0.7, 0.1))}


@pytest.fixture
def stage(gs, clean, tmp_path):
    """A head among flat things of one colour each, which Cycles renders without noise."""
    backend_python()
    portrait = gs.load(write_portrait(tmp_path / "Mara", head_count=600), name="Mara")
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_adaptive_sampling, scene.cycles.use_denoising = 1, False, False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.render.film_transparent, scene.render.dither_intensity = True, 0.0
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode, scene.render.image_settings.color_depth = "RGBA", "32"
    scene.view_settings.view_transform = "Standard"
    for name, (place, turn, side, colour) in THINGS.items():
        add_thing(scene, name, place, turn, side, colour)
    return scene, portrait


def add_thing(scene, name, place, turn, side, colour):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(side * x / 2, side * y / 2, 0.0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], [], [(0, 1, 2, 3)])
    thing = bpy.data.objects.new(name, mesh)
    thing.location, thing.rotation_euler = place, Euler(turn)
    material = bpy.data.materials.new(name)
    compat.enable_material_nodes(material)
    material.node_tree.nodes.clear()
    light, out = (material.node_tree.nodes.new(kind) for kind in ("ShaderNodeEmission", "ShaderNodeOutputMaterial"))
    light.inputs["Color"].default_value = (*colour, 1.0)
    material.node_tree.links.new(light.outputs[0], out.inputs["Surface"])
    mesh.materials.append(material)
    scene.collection.objects.link(thing)


def routed(scene, tmp_path, node, socket):
    """Render with one socket of the compositor as the picture."""
    tree = compat.compositor_tree(scene, create=False)
    target = compat.compositor_output(tree).inputs[0]
    before = target.links[0].from_socket
    tree.links.new(node.outputs[socket], target)
    try:
        return rendered(tmp_path, "routed").astype(np.float64)
    finally:
        tree.links.new(before, target)


def plate_nodes(scene):
    """Return (render layers of the scene, of the plate, group)."""
    nodes = compat.compositor_tree(scene, create=False).nodes
    layers = [node for node in nodes if node.bl_idname == "CompositorNodeRLayers"]
    return (next(n for n in layers if n.scene == scene), next(n for n in layers if n.scene != scene),
            next(n for n in nodes if n.bl_idname == "CompositorNodeGroup"))


def merged(rest, rest_depth, splats, splats_depth):
    """The merge in numpy, and which splats are in front."""
    nearer = (splats_depth < rest_depth)[..., None]
    return np.where(nearer, splats + (1.0 - splats[..., 3:]) * rest, rest + (1.0 - rest[..., 3:]) * splats), nearer[..., 0]


@pytest.mark.parametrize("view", ["Standard", "AgX"])
def test_picture_is_merged_by_depth(gs, stage, tmp_path, view):
    scene, _ = stage
    scene.view_settings.view_transform = view
    gs.splat_plate(scene)
    own, other, group = plate_nodes(scene)
    picture = rendered(tmp_path).astype(np.float64)
    rest, splats = (routed(scene, tmp_path, node, "Image") for node in (own, other))
    depths = [routed(scene, tmp_path, node, "Depth")[..., 0] for node in (own, other)]
    expected, nearer = merged(rest, depths[0], splats, depths[1])
    np.testing.assert_allclose(picture, expected, atol=2e-5)
    # Every case is there: the rest in front of splats, behind them, neither alone, and soft edges.
    both = (rest[..., 3] > 0.99) & (splats[..., 3] > 0.5)
    assert (both & nearer).sum() > 50 and (both & ~nearer).sum() > 50
    assert ((splats[..., 3] > 0.05) & (splats[..., 3] < 0.95) & nearer & (rest[..., 3] > 0.99)).sum() > 20
    through = np.all(np.isclose(rest[..., :3], THINGS["through"][3], atol=1e-3), axis=2) & (splats[..., 3] > 0.5)
    assert (through & nearer).any() and (through & ~nearer).any()
    # No halo: between a splat and what is behind it nothing is brighter or darker than both.
    straight = np.divide(splats[..., :3], splats[..., 3:], out=np.zeros_like(splats[..., :3]), where=splats[..., 3:] > 0)
    edge = (rest[..., 3] > 0.99) & (splats[..., 3] > 0.0)
    low, high = np.minimum(straight, rest[..., :3])[edge], np.maximum(straight, rest[..., :3])[edge]
    assert (picture[..., :3][edge] >= low - 1e-4).all() and (picture[..., :3][edge] <= high + 1e-4).all()
    hidden = np.where(nearer, 0.0, rest[..., 3])
    for name in ("Head", "Irises"):
        matte, seen = (routed(scene, tmp_path, node, name)[..., 0] for node in (other, group))
        np.testing.assert_allclose(seen, matte * (1.0 - hidden), atol=2e-5)
        assert matte.any()


def test_plate_follows_the_format_and_the_pose(gs, stage, tmp_path):
    scene, portrait = stage
    gs.splat_plate(scene)
    for thing in THINGS:
        bpy.data.objects[thing].hide_render = True
    before = rendered(tmp_path)
    portrait.look_at(None)
    portrait.gaze = (20.0, 0.0)
    turned = rendered(tmp_path)
    assert before[..., 3].max() > 0.9 and np.abs(turned - before).max() > 0.05
    scene.render.resolution_percentage = 50
    half = rendered(tmp_path)
    assert half.shape[:2] == (HEIGHT // 2, WIDTH // 2)
    scene.render.engine = "GAZESPLAT"
    scene.render.use_compositing = False
    np.testing.assert_allclose(half, rendered(tmp_path), atol=2e-5)


def names():
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in ("scenes", "objects", "node_groups", "collections")}


def test_set_up_twice_changes_nothing_and_remove_puts_back(gs, stage):
    scene, portrait = stage
    gs.splat_plate(scene)
    tree = compat.compositor_tree(scene, create=True)
    gs.remove_splat_plate(scene)
    before, links, depth = names(), len(tree.links), scene.view_layers[0].use_pass_z
    changes = gs.splat_plate(scene)
    assert len(changes) == 3, changes
    built = names()
    assert gs.splat_plate(scene) == [] and names() == built
    assert not modifier_of(portrait).show_render and portrait.render_problems() == []
    assert gs.portraits(scene)[0].scene == scene
    assert gs.remove_splat_plate(scene) and not gs.remove_splat_plate(scene)
    after = names()
    for kind in ("scenes", "objects", "collections"):
        assert after[kind] == before[kind]
    assert len(tree.links) == links and scene.view_layers[0].use_pass_z == depth and modifier_of(portrait).show_render


def modifier_of(portrait):
    return next(part for part in portrait.root.children_recursive if part.get("gazesplat_part") == "splats").modifiers[0]


def test_operator_can_be_undone(gs, stage):
    scene, portrait = stage
    bpy.context.view_layer.objects.active = portrait.root
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.gazesplat.set_up_splat_plate() == {"FINISHED"}
    bpy.ops.ed.undo_push(message="plate")
    assert len(bpy.data.scenes) == 2
    bpy.ops.ed.undo()
    assert len(bpy.data.scenes) == 1 and modifier_of(gs.portraits()[0]).show_render
    assert bpy.ops.gazesplat.set_up_splat_plate() == {"FINISHED"} and len(bpy.data.scenes) == 2
    assert bpy.ops.gazesplat.remove_splat_plate() == {"FINISHED"} and len(bpy.data.scenes) == 1


def test_new_portraits_and_instances_join(gs, stage, tmp_path):
    scene, portrait = stage
    gs.splat_plate(scene)
    other = gs.load(write_portrait(tmp_path / "Noa", seed=7, head_count=300), name="Noa")
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", portrait.root.users_collection[0]
    scene.collection.objects.link(instance)
    other.root.users_collection[0].hide_render = True
    gs.splat_plate(scene)
    plate = next(one for one in bpy.data.scenes if one != scene)
    assert {one.name for one in plate.collection.objects} == {"Mara.splats", "Instance"} and modifier_of(other).show_render
    other.root.users_collection[0].hide_render = False
    gs.splat_plate(scene)
    assert "Noa.splats" in plate.collection.objects and not modifier_of(other).show_render


def test_refusals(gs, clean, stage):
    scene, portrait = stage
    with pytest.raises(gs.GazeSplatError) as error:
        gs.splat_plate(scene, engine="luxcore")
    assert error.value.code == "bad-value"
    scene.camera = None
    with pytest.raises(gs.GazeSplatError) as error:
        gs.splat_plate(scene)
    assert error.value.code == "no-camera"
    portrait.delete()
    with pytest.raises(gs.GazeSplatError) as error:
        gs.splat_plate(scene)
    assert error.value.code == "no-portraits" and len(bpy.data.scenes) == 1
