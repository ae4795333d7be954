# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's files become objects that are found again, and nothing stays where that fails."""
from __future__ import annotations

import json
import math

import bpy
import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.nodes import attributes
from gazesplat.gazesplat_addon.scene import camera, portrait_object, store
from gazesplat.gazesplat_addon.splat.ply import write_ply
from tests.synthetic import synthetic_portrait


def values(mesh: bpy.types.Mesh, name: str, field: str, width: int) -> np.ndarray:
    found = np.empty(len(mesh.vertices) * width, np.float32)
    mesh.attributes[name].data.foreach_get(field, found)
    return found.reshape(-1, width)


def blocks() -> dict[str, int]:
    return {name: len(getattr(bpy.data, name)) for name in ("objects", "meshes", "cameras", "collections", "actions")}


def test_the_carrier_speaks_the_language_of_native_splats(root, made_up):
    splats, groups, _ = made_up
    mesh = store.part_of(root, store.SPLATS).data
    assert np.allclose(values(mesh, "position", "vector", 3), splats.means, atol=1e-6)
    base = values(mesh, "radiance:base", "color", 4)
    assert np.allclose(base[:, :3], splats.colours, atol=1e-5)
    assert np.allclose(base[:, 3], splats.opacities, atol=1e-5)
    assert np.allclose(values(mesh, "scale", "vector", 3), splats.scales, rtol=1e-4)
    rotations = values(mesh, "rotation", "value", 4)
    assert np.allclose(np.abs((rotations * splats.rotations).sum(1)), 1.0, atol=1e-5)
    assert (values(mesh, attributes.GROUP, "value", 1)[:, 0] == groups).all()


def test_harmonics_become_attributes(scene, tmp_path):
    splats, _, _ = synthetic_portrait(head_count=50, sh_degree=2)
    write_ply(tmp_path / "splat.ply", splats)
    mesh = store.part_of(portrait_object.load_portrait(tmp_path / "splat.ply", scene=scene), store.SPLATS).data
    assert np.allclose(values(mesh, "radiance:sh_7", "vector", 3), splats.sh_rest[:, 7], atol=1e-6)
    assert "radiance:sh_8" not in mesh.attributes


def test_objects_of_a_portrait(root, stage):
    parts = store.parts_of(root)
    assert set(parts) == {"splats", "head", "gaze", "eye.L", "eye.R", "camera"}
    assert parts["splats"].parent == parts["eye.L"].parent == parts["head"]
    assert parts["gaze"].parent == parts["head"].parent == root
    assert store.portraits_in(stage) == [root]
    assert all(tuple(part.location) == (0.0, 0.0, 0.0) for kind, part in parts.items() if kind != "camera"), "rest is zero"


def test_two_portraits_of_one_name_keep_apart(root, stage, portrait_folder):
    other = portrait_object.load_portrait(portrait_folder, name="Mara", scene=stage)
    assert other.name == "Mara.001"
    assert store.portraits_in(stage) == [root, other]
    assert not set(store.parts_of(root).values()) & set(store.parts_of(other).values())
    store.delete(other)
    assert len(store.parts_of(root)) == 6
    assert store.display_modifier(root) is not None


def test_delete_leaves_nothing_of_the_portrait(scene, portrait_folder):
    before = blocks()
    root = portrait_object.load_portrait(portrait_folder, scene=scene)
    prop = bpy.data.objects.new("Hat", None)
    scene.collection.objects.link(prop)
    prop.parent = store.part_of(root, store.HEAD)
    root["gaze_yaw"] = 3.0
    root.keyframe_insert('["gaze_yaw"]')
    store.delete(root)
    assert blocks() == {**before, "objects": before["objects"] + 1}
    assert prop.name == "Hat", "what the artist has added stays"


def test_a_portrait_survives_renaming_saving_and_appending(root, tmp_path):
    root.name = "Someone Else"
    for part in store.parts_of(root).values():
        part.name = f"x {part.name}"
    collection = root.users_collection[0].name
    path = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    (found,) = store.portraits_in(bpy.context.scene)
    assert found.name == "Someone Else"
    assert len(store.parts_of(found)) == 6

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(path), link=False) as (_, wanted):
        wanted.collections = [collection]
    bpy.context.scene.collection.children.link(wanted.collections[0])
    (found,) = store.portraits_in(bpy.context.scene)
    assert len(store.parts_of(found)) == 6
    assert len(bpy.data.scenes) == 1, "drivers must not drag the old scene along"
    compat.set_modifier_input(store.display_modifier(found), "Exact in Viewport", True)
    evaluated = store.part_of(found, store.SPLATS).evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert len(evaluated.data.polygons) == len(store.part_of(found, store.SPLATS).data.vertices)


def test_loading_can_be_undone(scene, portrait_folder):
    bpy.ops.ed.undo_push(message="before")
    portrait_object.load_portrait(portrait_folder, name="Mara", scene=scene)
    bpy.ops.ed.undo_push(message="loaded")
    bpy.ops.ed.undo()
    assert not store.portraits_in(bpy.context.scene)
    bpy.ops.ed.redo()
    (root,) = store.portraits_in(bpy.context.scene)
    assert len(store.parts_of(root)) == 6


def test_a_foreign_ply_is_a_plain_splat(scene, tmp_path, made_up):
    write_ply(tmp_path / "bicycle.ply", made_up[0])
    root = portrait_object.load_portrait(tmp_path / "bicycle.ply", scene=scene)
    assert root.name == "bicycle"
    assert set(store.parts_of(root)) == {"splats"}
    assert store.splat_roots_in(scene) == [root]
    assert store.portraits_in(scene) == []


def test_the_photo_camera_has_the_photos_projection(root, stage, made_up):
    source = made_up[2].camera
    assert stage.camera == store.part_of(root, store.CAMERA)
    assert (stage.render.resolution_x, stage.render.resolution_y) == (source.width, source.height)
    projected = project(stage, np.array([[0.03, 0.01, 0.02]]))
    expected = source.fx * 0.03 / 0.61 + source.cx, source.cy - source.fy * 0.02 / 0.61
    assert np.allclose(projected, expected, atol=1e-3)


@pytest.mark.parametrize("size, fx, fy, cx, cy", [((640, 480), 700.0, 700.0, 330.0, 228.0), ((300, 400), 500.0, 500.0, 141.0, 215.0),
                                                  ((320, 240), 400.0, 320.0, 150.0, 130.0), ((6000, 4000), 9000.0, 9000.0, 3010.0, 1990.0)])
def test_any_photo_camera_is_reproduced(root, stage, made_up, size, fx, fy, cx, cy):
    source = type(made_up[2].camera)(*size, fx, fy, cx, cy, made_up[2].camera.w2c)
    camera.set_photo_camera(store.part_of(root, store.CAMERA), source)
    portrait_object.frame_photo(root, stage)
    points = np.array([[0.03, 0.01, 0.02], [-0.08, 0.05, -0.1]])
    cameras = points @ np.asarray(source.w2c)[:3, :3].T + np.asarray(source.w2c)[:3, 3]
    expected = cameras[:, :2] / cameras[:, 2:] * (fx, fy) + (cx, cy)
    share = stage.render.resolution_x / size[0]
    assert max(stage.render.resolution_x, stage.render.resolution_y) <= 2048
    assert np.allclose(project(stage, points) / share, expected, atol=0.6 / share if share < 1 else 0.01)


def project(scene: bpy.types.Scene, points: np.ndarray) -> np.ndarray:
    """Return pixels (N, 2) of world points as Blender's own projection has them."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    depsgraph.update()
    render, seen = scene.render, scene.camera.evaluated_get(depsgraph)
    matrix = np.array(seen.calc_matrix_camera(depsgraph, x=render.resolution_x, y=render.resolution_y,
                                              scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y))
    clip = np.concatenate([points, np.ones((len(points), 1))], 1) @ (matrix @ np.array(seen.matrix_world.inverted())).T
    device = clip[:, :2] / clip[:, 3:]
    return (device * (1, -1) + 1) / 2 * (render.resolution_x, render.resolution_y)


def test_a_portrait_suits_the_scene_it_comes_into(root, stage, portrait_folder):
    def settings(one):
        return tuple(compat.get_modifier_input(store.display_modifier(one), name) for name in ("Scene Linear", "Sort"))

    assert settings(root) == (True, True), "an untouched scene has no decoder, and EEVEE"
    portrait_object.set_up_render(root, stage, engine="CYCLES")
    assert settings(portrait_object.load_portrait(portrait_folder, scene=stage)) == settings(root) == (False, False)


def test_reload_keeps_place_animation_and_settings(root, made_up):
    root.location.x = 0.4
    root["blink_left"] = 0.7
    root.keyframe_insert('["blink_left"]')
    compat.set_modifier_input(store.display_modifier(root), "Alpha Cap", 0.9)
    portrait_object.reload_portrait(root)
    modifier = store.display_modifier(root)
    assert compat.get_modifier_input(modifier, "Alpha Cap") == pytest.approx(0.9)
    assert root.location.x == pytest.approx(0.4)
    assert len(bpy.data.meshes) == 1
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = store.display_modifier(root.evaluated_get(depsgraph))
    assert compat.get_modifier_input(evaluated, "Blink L") == pytest.approx(0.7)


@pytest.mark.parametrize("break_it, code", [
    (lambda folder: (folder / "portrait.ply").unlink(), "no-file"),
    (lambda folder: (folder / "portrait.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\nelement vertex 9\nend_header\n"), None),
    (lambda folder: (folder / "portrait.npz").unlink(), "sidecar-missing"),
    (lambda folder: (folder / "portrait.json").write_text("{", "utf-8"), "sidecar-invalid"),
    (lambda folder: edit(folder, version=99), "sidecar-newer"),
])
def test_what_cannot_be_read_leaves_nothing(scene, portrait_folder, break_it, code):
    before = blocks()
    break_it(portrait_folder)
    with pytest.raises(GazeSplatError) as caught:
        portrait_object.load_portrait(portrait_folder, scene=scene)
    assert code is None or caught.value.code == code
    assert caught.value.hint
    assert blocks() == before


def test_failing_halfway_leaves_nothing(scene, portrait_folder, monkeypatch):
    before = blocks()

    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(portrait_object.camera, "create_photo_camera", fail)
    with pytest.raises(MemoryError):
        portrait_object.load_portrait(portrait_folder, scene=scene)
    assert blocks() == before


def edit(folder, **changes):
    path = folder / "portrait.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_the_viewport_shows_cheap_discs_until_asked(root, made_up):
    carrier = store.part_of(root, store.SPLATS)
    mesh = carrier.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    assert len(mesh.polygons) <= len(made_up[0])
    assert attributes.QUAD_UV not in mesh.attributes
    assert [m.name for m in mesh.materials if m is not None] == ["GazeSplat Viewport"]
    radius = max(v.co.length for v in mesh.vertices)
    assert math.isfinite(radius) and radius < 0.3
