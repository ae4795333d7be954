# SPDX-License-Identifier: GPL-3.0-or-later
"""What films need of a picture: alpha, blur, holdouts, several portraits, layers, against sums of the reference's pictures."""
from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from gazesplat.backend.render.interface import Camera
from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from gazesplat.gazesplat_addon.scene import actions, colour, duplicate, portrait_object, render_settings, store
from gazesplat.gazesplat_addon.scene.splat_object import create_splat_object
from gazesplat.gazesplat_addon.splat.arrays import Splats, concatenate
from gazesplat.gazesplat_addon.splat.ply import read_ply
from gazesplat.gazesplat_addon.splat.srgb import exact_light
from gazesplat.tests.golden import scenes
from tests.portrait_files import write_portrait
from tests.synthetic import synthetic_portrait

CYCLES_DB, EEVEE_DB, BLUR_DB = 80.0, 55.0, 40.0
SIZE_PX = 96
GREEN = (0.2, 0.5, 0.1)
WALL_LEFT_M, WALL_FAR_M = -0.05, 0.3


@pytest.fixture
def head(scene):
    """(carrier, splats) in front of the scene's camera; a seed without splats of equal depth."""
    splats = scenes.synthetic_splats(1200, seed=1)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, SIZE_PX, SIZE_PX)
    bpy.context.view_layer.update()
    return carrier, splats


@pytest.fixture(params=["CYCLES", "EEVEE"])
def engine(request) -> str:
    if request.param == "EEVEE":
        request.getfixturevalue("eevee")
    return request.param


def drawn(splats: Splats, camera: Camera) -> np.ndarray:
    return scenes.draw_reference(scenes.Posed(splats.means, splats.linear_factors(), splats.opacities, splats.colours,
                                              np.zeros(len(splats))), camera)


def render(scene, tmp_path, engine: str, **options) -> np.ndarray:
    for carrier in scene.objects:
        if carrier.modifiers:
            compat.set_modifier_input(carrier.modifiers[0], "Sort", engine != "CYCLES")
    return scenes.render(scene, tmp_path, engine=engine, **options)


def least_db(engine: str) -> float:
    return CYCLES_DB if engine == "CYCLES" else EEVEE_DB


def depths(splats: Splats, camera: Camera) -> np.ndarray:
    return splats.means @ camera.w2c[2, :3] + camera.w2c[2, 3]


def add_wall(scene, depth_m: float) -> tuple[bpy.types.Object, np.ndarray]:
    """Return an emitting plane across the view's right side, parallel to the picture, and the pixels it covers (H, W)."""
    mesh = bpy.data.meshes.new("Wall")
    left, far = WALL_LEFT_M, WALL_FAR_M
    mesh.from_pydata([(left, -far, 0.0), (far, -far, 0.0), (far, far, 0.0), (left, far, 0.0)], [], [(0, 1, 2, 3)])
    wall = bpy.data.objects.new("Wall", mesh)
    scene.collection.objects.link(wall)
    wall.matrix_world = scene.camera.matrix_world @ Matrix.Translation((0.0, 0.0, -depth_m))
    material = bpy.data.materials.new("Wall")
    compat.enable_material_nodes(material)
    nodes = material.node_tree.nodes
    nodes.clear()
    emission, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    emission.inputs[0].default_value = (*GREEN, 1.0)
    material.node_tree.links.new(emission.outputs[0], output.inputs[0])
    mesh.materials.append(material)
    camera = scenes.reference_camera(scene)
    x = (np.arange(SIZE_PX) + 0.5 - camera.cx) / camera.fx * depth_m
    return wall, np.broadcast_to(x > WALL_LEFT_M, (SIZE_PX, SIZE_PX))


def beside_edge(covered: np.ndarray) -> np.ndarray:
    """Return which pixels the wall's edge does not cross."""
    return ~(np.roll(covered, 1, 1) ^ np.roll(covered, -1, 1))


@pytest.mark.parametrize("place", ["behind", "amidst"])
@pytest.mark.parametrize("holdout", [True, False], ids=["holdout", "seen"])
def test_cg_among_splats_hides_what_is_behind_it(scene, head, tmp_path, engine, place, holdout):
    _, splats = head
    camera = scenes.reference_camera(scene)
    z = depths(splats, camera)
    depth_m = float(np.quantile(z, 0.45)) if place == "amidst" else float(z.max()) + 0.05
    wall, covered = add_wall(scene, depth_m)
    wall.is_holdout = holdout
    whole, before = drawn(splats, camera), drawn(splats.select(z < depth_m), camera)
    on_wall = before if holdout else np.concatenate([before[..., :3] + (1.0 - before[..., 3:]) * GREEN, np.ones_like(before[..., 3:])], 2)
    expected = np.where(covered[..., None], on_wall, whole)
    picture, judged = render(scene, tmp_path, engine), beside_edge(covered)
    assert scenes.psnr_db(picture[judged], expected[judged]) > least_db(engine)
    assert np.abs(picture[..., 3] - expected[..., 3])[judged].max() < 0.01
    if place == "amidst":
        assert scenes.psnr_db(whole[covered], on_wall[covered]) < 30.0, "the wall must matter"


def test_a_transparent_film_is_premultiplied_light(scene, head, tmp_path, engine):
    """Exact colour, as an EXR holds it: over any background what a compositor expects."""
    _, splats = head
    expected = exact_light(drawn(splats, scenes.reference_camera(scene)).astype(np.float32))
    render(scene, tmp_path, engine)
    colour.use_exact_colour(scene, view="Standard")
    picture = render(scene, tmp_path, engine)
    assert ((expected[..., 3] > 0.1) & (expected[..., 3] < 0.9)).mean() > 0.02, "there must be soft edges"
    assert scenes.psnr_db(picture, expected) > least_db(engine)
    for background in (0.0, 0.18, 1.0):
        over = [one[..., :3] + (1.0 - one[..., 3:]) * background for one in (picture, expected)]
        assert scenes.psnr_db(*over) > least_db(engine) - 3.0


def test_depth_of_field_is_the_mean_over_the_lens(scene, head, tmp_path, engine):
    """EEVEE draws the splats for as many places on the lens as it has samples; its blur by depth knows no films."""
    _, splats = head
    scenes.set_size(scene, 40, 40)
    camera, lens = scenes.reference_camera(scene), scene.camera.data
    focus_m, stop, count = 0.3, 0.7, 32
    lens.dof.use_dof, lens.dof.focus_distance, lens.dof.aperture_fstop = True, focus_m, stop
    render_settings.prepare_render(scene, engine=engine, transparent=True)
    if engine == "CYCLES":
        assert scene.cycles.samples == render_settings.BLUR_SAMPLES
        scene.cycles.samples, scene.cycles.filter_width = 48, 0.01
    else:
        assert scene.eevee.taa_render_samples == render_settings.BLUR_SAMPLES
        scene.eevee.taa_render_samples, scene.render.filter_size = 8, 0.01
    picture = render(scene, tmp_path, engine, prepare=False)
    mean = np.zeros_like(picture, np.float64)
    for k in range(count):
        radius, angle = lens.lens * 1e-3 / (2.0 * stop) * np.sqrt((k + 0.5) / count), k * np.pi * (3.0 - np.sqrt(5.0))
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        moved = camera.w2c.copy()
        moved[:2, 3] -= x, y
        # What lies at the focus distance stays where it is.
        shifted = replace(camera, w2c=moved, cx=camera.cx + x * camera.fx / focus_m, cy=camera.cy + y * camera.fy / focus_m)
        mean += drawn(splats, shifted) / count
    sharp = drawn(splats, camera)
    least = max(BLUR_DB, scenes.psnr_db(sharp, mean) + 10.0) if engine == "CYCLES" else scenes.psnr_db(sharp, mean) + 6.0
    assert scenes.psnr_db(picture, mean) > least


def test_two_heads_that_interpenetrate(scene, head, tmp_path):
    """Cycles orders every hit along its ray, whichever object it belongs to."""
    _, splats = head
    other = scenes.synthetic_splats(1000, seed=7)
    second = create_splat_object("Other", other, collection=scene.collection)
    second.location = (0.04, 0.02, 0.03)
    both = concatenate([splats, replace(other, means=(other.means + np.float32(second.location)).astype(np.float32))])
    bpy.context.view_layer.update()
    expected = drawn(both, scenes.reference_camera(scene))
    assert scenes.psnr_db(render(scene, tmp_path, "CYCLES"), expected) > CYCLES_DB


@pytest.mark.parametrize("offset_m", [-0.4, 0.4], ids=["in front", "behind"])
def test_two_heads_apart_in_eevee(scene, head, tmp_path, eevee, offset_m):
    """EEVEE sorts whole objects: right where one is wholly behind the other."""
    _, splats = head
    other = scenes.synthetic_splats(600, seed=7)
    second = create_splat_object("Other", other, collection=scene.collection)
    second.location = (0.04, offset_m, 0.03)
    if offset_m < 0:
        scene.camera.matrix_world = scenes.looking_at_origin((0.25, -1.3, 0.13))
    both = concatenate([splats, replace(other, means=(other.means + np.float32(second.location)).astype(np.float32))])
    bpy.context.view_layer.update()
    expected = drawn(both, scenes.reference_camera(scene))
    assert scenes.psnr_db(render(scene, tmp_path, "EEVEE"), expected) > EEVEE_DB


def test_a_linked_duplicate_is_right_where_it_stands(scene, head, tmp_path):
    """Alt-D shares the splats; each object makes quads for its own place."""
    carrier, splats = head
    twin = carrier.copy()
    scene.collection.objects.link(twin)
    twin.location, carrier.hide_render = (0.03, -0.1, 0.02), True
    twin.rotation_euler = (0.2, 0.1, 0.8)
    bpy.context.view_layer.update()
    assert twin.data == carrier.data
    picture = render(scene, tmp_path, "CYCLES")
    assert scenes.psnr_db(picture, scenes.reference_picture(scene, twin, splats)) > CYCLES_DB


def test_view_layers_part_splats_and_cg(scene, head, tmp_path):
    """A layer of splats with the CG as a holdout, and one of the CG alone: added they are the whole."""
    _, splats = head
    camera = scenes.reference_camera(scene)
    depth_m = float(np.quantile(depths(splats, camera), 0.45))
    wall, covered = add_wall(scene, depth_m)
    collection = bpy.data.collections.new("CG")
    scene.collection.children.link(collection)
    collection.objects.link(wall)
    scene.collection.objects.unlink(wall)
    people = scene.view_layers[0]
    people.layer_collection.children["CG"].holdout = True
    before, whole = drawn(splats.select(depths(splats, camera) < depth_m), camera), drawn(splats, camera)
    expected = np.where(covered[..., None], before, whole)
    judged = beside_edge(covered)
    assert scenes.psnr_db(render(scene, tmp_path, "CYCLES")[judged], expected[judged]) > CYCLES_DB


@pytest.fixture
def mara(scene, tmp_path) -> bpy.types.Object:
    """A portrait in a scene that is set up."""
    root = portrait_object.load_portrait(write_portrait(tmp_path / "mara", head_count=300))
    portrait_object.set_up_render(root, scene, engine="CYCLES")
    assert render_settings.render_problems(scene) == []
    return root


def test_instances_are_named_unless_they_stand_where_the_original_does(scene, mara):
    collection = mara.users_collection[0]
    instance = bpy.data.objects.new("Crowd", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", collection
    scene.collection.objects.link(instance)
    bpy.context.view_layer.update()
    assert render_settings.render_problems(scene) == []
    instance.location.x = 0.5
    bpy.context.view_layer.update()
    (problem,) = render_settings.render_problems(scene)
    assert "Crowd" in problem and "instance" in problem


def posed_in_world(root, splats, groups, rig, pose: Pose, camera: Camera) -> scenes.Posed:
    """Return the twin's pose of a portrait as it stands in the world."""
    carrier = store.part_of(root, store.SPLATS)
    world = np.array(carrier.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    posed = pose_splats(splats, groups, rig, pose, (np.linalg.inv(world) @ np.append(camera.position, 1.0))[:3])
    return scenes.Posed(posed.means @ world[:3, :3].T + world[:3, 3], world[:3, :3] @ posed.factors, posed.opacities, posed.colours,
                        posed.groups)


def test_duplicates_are_right_wherever_they_stand(scene, mara, tmp_path):
    """Two more of one portrait: shared splats, places and gazes of their own, also in front of each other."""
    splats = read_ply(tmp_path / "mara" / "portrait.ply")
    _, groups, rig = synthetic_portrait(head_count=300)
    store.part_of(mara, store.HEAD).rotation_euler = (0.0531, 0.1137, -0.0919)
    mara["look_at"] = 0.0
    mara["gaze_yaw"] = 5.0
    mara.keyframe_insert('["gaze_yaw"]', frame=1)
    poses = {mara: Pose.both(5.0)}
    for name, place, turn, yaw in (("Twin", (0.21, 0.1, 0.03), (0.1, 0.2, 0.5), -14.0),
                                   ("Third", (-0.1, 0.2, 0.1), (-0.2, 0.0, -0.7), 20.0)):
        twin = duplicate.duplicate(mara, scene, name)
        twin.location, twin.rotation_euler = place, turn
        actions.channelbag(twin).fcurves[0].keyframe_points[0].co.y = yaw
        poses[twin] = Pose.both(yaw)
    assert len({store.splats_of(root) for root in poses}) == 1
    assert set(store.portraits_in(scene)) == set(poses) and [root.name for root in poses][1:] == ["Twin", "Third"]
    scene.camera = scenes.add_camera(scene, position=(0.2, -0.9, 0.2))
    scenes.set_size(scene, 160, 120)
    scene.frame_set(1)
    camera = scenes.reference_camera(scene)
    parts = [posed_in_world(root, splats, groups, rig, pose, camera) for root, pose in poses.items()]
    together = scenes.Posed(*(np.concatenate([getattr(one, name) for one in parts])
                              for name in ("means", "factors", "opacities", "colours", "groups")))
    expected = scenes.draw_reference(together, camera)
    scene.render.use_compositing = False
    picture = scenes.render(scene, tmp_path)
    assert scenes.psnr_db(picture, expected) > CYCLES_DB
    assert not any("instance" in problem for problem in render_settings.render_problems(scene))
    store.delete(mara)
    assert len(store.splats_of(store.portraits_in(scene)[0]).vertices) == len(splats), "the others keep what they share"


def test_what_eevee_cannot_do_is_named(scene, mara, tmp_path):
    other = portrait_object.load_portrait(tmp_path / "mara")
    portrait_object.set_up_render(mara, scene, engine="EEVEE")
    assert any("overlap" in problem for problem in render_settings.render_problems(scene))
    store.delete(other)
    assert render_settings.render_problems(scene) == []
    scene.camera.data.dof.use_dof = scene.render.use_motion_blur = True
    told = " ".join(render_settings.render_problems(scene))
    assert "Jitter Camera" in told and "Over-blur" in told and "Motion Blur > Steps" in told
    portrait_object.set_up_render(mara, scene, engine="EEVEE")
    assert render_settings.render_problems(scene) == []
