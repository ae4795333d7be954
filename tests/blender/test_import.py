# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's files become objects that are found again, and nothing stays where that fails."""
from __future__ import annotations

import gzip
import json
import math
import struct

import bpy
import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.nodes import attributes
from gazesplat.gazesplat_addon.scene import camera, portrait_object, store
from gazesplat.gazesplat_addon.splat.ply import read_ply, write_ply
from gazesplat.gazesplat_addon.splat.spz import write_spz
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


def many_bytes(folder) -> bytes:
    return (folder / "portrait.ply").read_bytes()


def spz_of(folder, **changes) -> bytes:
    """A good SPZ of the portrait, its header's fields changed."""
    write_spz(folder / "made.spz", read_ply(folder / "portrait.ply"))
    content = bytearray(gzip.decompress((folder / "made.spz").read_bytes()))
    (folder / "made.spz").unlink()
    for at, (kind, value) in changes.items():
        struct.pack_into(kind, content, int(at[1:]), value)
    return gzip.compress(bytes(content))


def with_column(folder, name: str, value: float) -> bytes:
    """The portrait's PLY with one property of every splat set to a value."""
    header, end, rows = many_bytes(folder).partition(b"end_header\n")
    names = [line.split()[-1].decode() for line in header.splitlines() if line.startswith(b"property")]
    table = np.frombuffer(rows, "<f4").reshape(-1, len(names)).copy()
    for column in [i for i, one in enumerate(names) if one.startswith(name)]:
        table[:, column] = value
    return header + end + table.tobytes()


def noise(folder) -> bytes:
    return np.random.default_rng(0).bytes(10_000_000)


def with_count(folder, count: str) -> bytes:
    content = many_bytes(folder)
    start = content.index(b"element vertex ")
    return content[:start] + f"element vertex {count}".encode() + content[content.index(b"\n", start):]


# The list, each in both formats where the format can hold it; an SPZ has no bytes for what is not a number.
BAD = {
    "truncated": ("ply", lambda f: many_bytes(f)[:-999], "ply-truncated"),
    "truncated spz": ("spz", lambda f: spz_of(f)[:-99], "spz-truncated"),
    "a billion splats": ("ply", lambda f: with_count(f, "1000000000"), "ply-truncated"),
    "a billion splats spz": ("spz", lambda f: spz_of(f, _8=("<I", 10 ** 9)), "spz-header"),
    "minus five": ("ply", lambda f: with_count(f, "-5"), "ply-header"),
    "minus five spz": ("spz", lambda f: spz_of(f, _8=("<i", -5)), "spz-header"),
    "no count": ("ply", lambda f: with_count(f, ""), "ply-header"),
    "zero splats": ("ply", lambda f: with_count(f, "0"), "ply-empty"),
    "zero splats spz": ("spz", lambda f: spz_of(f, _8=("<I", 0)), "spz-empty"),
    "not a number": ("ply", lambda f: with_column(f, "x", np.nan), "ply-values"),
    "infinite": ("ply", lambda f: with_column(f, "f_dc", np.inf), "ply-values"),
    "zero quaternions": ("ply", lambda f: with_column(f, "rot_", 0.0), "ply-values"),
    "scales of e to a million": ("ply", lambda f: with_column(f, "scale_", 1e6), "ply-values"),
    "noise": ("ply", noise, "ply-not-ply"),
    "noise spz": ("spz", noise, "spz-not-spz"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_words_and_leave_nothing(scene, portrait_folder, tmp_path, name):
    suffix, made, code = BAD[name]
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(made(portrait_folder))
    before = blocks()
    with pytest.raises(GazeSplatError) as caught:
        portrait_object.load_portrait(path, scene=scene)
    assert caught.value.code == code and path.name in caught.value.message and caught.value.hint.endswith(".")
    assert blocks() == before


@pytest.mark.parametrize("suffix", ["ply", "spz"])
def test_files_that_may_not_be_read_are_refused_in_words_and_leave_nothing(scene, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"closed.{suffix}"
    path.write_bytes(b"content")
    before = blocks()

    def forbid(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbid)
    with pytest.raises(GazeSplatError) as caught:
        portrait_object.load_portrait(path, scene=scene)
    assert caught.value.code == f"{suffix}-unreadable" and "Permission denied" in caught.value.message
    assert blocks() == before


def test_scales_of_e_to_minus_a_million_are_thin_and_one_splat_is_enough(scene, portrait_folder, tmp_path):
    path = tmp_path / "thin.ply"
    path.write_bytes(with_column(portrait_folder, "scale_0", -1e6))
    mesh = store.part_of(portrait_object.load_portrait(path, scene=scene), store.SPLATS).data
    assert values(mesh, "scale", "vector", 3)[:, 0] == pytest.approx(1e-12)
    one = read_ply(portrait_folder / "portrait.ply").select(np.array([7]))
    for write, name in ((write_ply, "one.ply"), (write_spz, "one.spz")):
        write(tmp_path / name, one)
        assert len(store.part_of(portrait_object.load_portrait(tmp_path / name, scene=scene), store.SPLATS).data.vertices) == 1
    bpy.context.evaluated_depsgraph_get().update()


def test_an_spz_stands_upright_like_the_ply(scene, portrait_folder, tmp_path):
    splats = read_ply(portrait_folder / "portrait.ply")
    write_spz(tmp_path / "mara.spz", splats)
    root = portrait_object.load_portrait(tmp_path / "mara.spz", scene=scene)
    assert root.name == "mara" and not root[store.ROOT_KEY]["rigged"]
    assert np.allclose(values(store.part_of(root, store.SPLATS).data, "position", "vector", 3), splats.means, atol=1e-6)


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
