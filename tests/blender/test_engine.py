# SPDX-License-Identifier: GPL-3.0-or-later
"""F12 with the engine: its pictures are the readable reference's of the numpy twin's pose, in every kind of view."""
from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.jobs import environment
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose
from tests.engine_pictures import (
    HEIGHT,
    PLACE,
    WIDTH,
    backend_python,
    carrier_of,
    db,
    display,
    encoded,
    engine_scene,
    photo_camera,
    pixels_of,
    reference,
    rendered,
)
from tests.portrait_files import write_portrait

LEAST_DB = 70.0
POSE = Pose.both(6.0, -4.0)


@pytest.fixture
def portrait(gs, clean, tmp_path):
    return engine_scene(gs, tmp_path)


@pytest.fixture
def engine_worker(room):
    """The worker of the enabled extension's engine."""
    return room("gazesplat_addon.engine.render_engine")._worker


def test_frame_is_the_reference_of_the_twin(portrait, tmp_path):
    portrait.gaze = (14.0, -6.0)
    portrait.root["blink_left"], portrait.root["pupil"] = 0.6, 1.3
    portrait.root.update_tag()
    picture = rendered(tmp_path)
    pose = Pose({"left": EyePose(14.0, -6.0, 0.6, 1.3), "right": EyePose(14.0, -6.0, 0.0, 1.3)})
    expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, pose))
    assert expected["rgba"][..., 3].mean() > 0.1
    assert db(display(picture), expected["rgba"]) > LEAST_DB


def test_8_bit_file_holds_the_fitted_colours(portrait, tmp_path):
    scene = bpy.context.scene
    scene.render.film_transparent = False
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = (0.2, 0.1, 0.05)
    tree = scene.world.node_tree
    if tree is not None:
        background = next(n for n in tree.nodes if n.bl_idname == "ShaderNodeBackground")
        background.inputs["Color"].default_value, background.inputs["Strength"].default_value = (0.1, 0.05, 0.025, 1.0), 2.0
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "PNG", "8"
    picture = rendered(tmp_path)
    expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, POSE))["rgba"]
    expected = np.clip(expected[..., :3] + (1.0 - expected[..., 3:]) * encoded(np.array([0.2, 0.1, 0.05])), 0.0, 1.0)
    assert np.abs(picture[..., :3] - expected).max() <= 0.501 / 255 and (picture[..., 3] == 1.0).all()


@pytest.mark.parametrize("view", ["AgX", "Filmic"])
def test_other_views_show_the_fitted_colours_too(portrait, tmp_path, view):
    scene = bpy.context.scene
    scene.render.film_transparent = False
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "PNG", "8"
    standard = rendered(tmp_path)
    scene.view_settings.view_transform = view
    images = len(bpy.data.images)
    assert db(rendered(tmp_path)[..., :3], standard[..., :3]) > 50.0
    assert len(bpy.data.images) == images


def test_multilayer_file_holds_every_pass(portrait, tmp_path):
    scene, layer = bpy.context.scene, bpy.context.scene.view_layers[0]
    layer.use_pass_z = layer.gazesplat.use_pass_mattes = True
    if hasattr(scene.render.image_settings, "media_type"):
        scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.filepath = str(tmp_path / "layers.exr")
    bpy.ops.render.render(write_still=True)
    header = (tmp_path / "layers.exr").read_bytes()[:8000]
    for name in ("Combined.R", "Combined.A", "Depth.Z", "Head.X", "Irises.X", "Scleras.X", "Lids.X"):
        assert f"{layer.name}.{name}\0".encode() in header, name


def wide_lens(scene, camera):
    camera.data.lens, camera.data.shift_x, camera.data.shift_y = 50.0, 0.1, -0.05
    focal = 50.0 / 36.0 * WIDTH
    return photo_camera(fx=focal, fy=focal, cx=WIDTH / 2 - 0.1 * WIDTH, cy=HEIGHT / 2 - 0.05 * WIDTH), ...


def vertical_fit(scene, camera):
    camera.data.sensor_fit, camera.data.sensor_height, camera.data.lens = "VERTICAL", 24.0, 60.0
    camera.data.shift_x = 0.1
    focal = 60.0 / 24.0 * HEIGHT
    return photo_camera(fx=focal, fy=focal, cx=WIDTH / 2 - 0.1 * HEIGHT), ...


def tall_pixels(scene, camera):
    scene.render.pixel_aspect_y = 1.5
    return photo_camera(fy=500.0 * WIDTH / 256 / 1.5), ...


def parallel(scene, camera):
    camera.data.type, camera.data.ortho_scale = "ORTHO", 0.2
    camera.data.shift_x, camera.data.shift_y = 0.05, 0.1
    focal = WIDTH / 0.2
    return photo_camera(fx=focal, fy=focal, cx=WIDTH / 2 - 0.05 * WIDTH, cy=HEIGHT / 2 + 0.1 * WIDTH, orthographic=True), ...


def half_size(scene, camera):
    scene.render.resolution_percentage = 50
    return photo_camera(WIDTH // 2, HEIGHT // 2), ...


def border(scene, camera):
    scene.render.use_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.3, 0.7
    scene.render.border_min_y, scene.render.border_max_y = 0.25, 0.9
    return photo_camera(), (slice(HEIGHT - int(0.9 * HEIGHT), HEIGHT - int(0.25 * HEIGHT)), slice(int(0.3 * WIDTH), int(0.7 * WIDTH)))


def cropped_border(scene, camera):
    scene.render.use_crop_to_border = True
    return border(scene, camera)


@pytest.mark.parametrize("set_up", [wide_lens, vertical_fit, tall_pixels, parallel, half_size, border, cropped_border])
def test_views(portrait, tmp_path, set_up):
    scene = bpy.context.scene
    camera, shown = set_up(scene, scene.camera)
    picture = display(rendered(tmp_path))
    expected = reference(tmp_path, camera, (tmp_path / "Mara", PLACE, POSE))["rgba"]
    if scene.render.use_border and not scene.render.use_crop_to_border:
        outside = picture.copy()
        outside[shown] = 0.0
        assert not outside.any()
        picture = picture[shown]
    assert picture.shape == expected[shown].shape and expected[shown][..., 3].mean() > 0.05
    assert db(picture, expected[shown]) > LEAST_DB


def test_portraits_that_overlap_are_sorted_together(gs, portrait, tmp_path):
    other = gs.load(write_portrait(tmp_path / "Noa", seed=7, head_count=300), name="Noa")
    other.look_at(None)
    other.gaze = (-10.0, 0.0)
    place = Matrix.LocRotScale((0.05, 0.0, 0.02), Euler((0.0, 0.3, -0.4)), (1.2, 1.2, 1.2))
    other.root.matrix_world = place
    picture = rendered(tmp_path)
    expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, POSE), (tmp_path / "Noa", place, Pose.both(-10.0)))
    assert db(display(picture), expected["rgba"]) > LEAST_DB


def test_animation_follows_its_keys(portrait, tmp_path):
    scene = bpy.context.scene
    for frame, yaw_deg in ((1, -12.0), (3, 12.0)):
        portrait.gaze = (yaw_deg, -4.0)
        portrait.root.keyframe_insert('["gaze_yaw"]', frame=frame)
    scene.frame_start, scene.frame_end, scene.render.filepath = 1, 3, str(tmp_path / "clip_")
    bpy.ops.render.render(animation=True)
    for frame, yaw_deg in ((1, -12.0), (2, 0.0), (3, 12.0)):
        expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, Pose.both(yaw_deg, -4.0)))
        assert db(display(pixels_of(tmp_path / f"clip_{frame:04d}.exr")), expected["rgba"]) > LEAST_DB


def test_hidden_portraits_are_not_drawn(portrait, tmp_path):
    for part in portrait.root.children_recursive:
        part.hide_render = True
    assert not rendered(tmp_path).any()


def test_instances_are_drawn_and_squeezed_portraits_left_out(portrait, tmp_path):
    scene = bpy.context.scene
    place = Matrix.Translation((0.04, 0.03, 0.01))
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", portrait.root.users_collection[0]
    instance.matrix_world = place
    scene.collection.objects.link(instance)
    picture = rendered(tmp_path)
    expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, POSE), (tmp_path / "Mara", place @ PLACE, POSE))
    assert db(display(picture), expected["rgba"]) > LEAST_DB
    portrait.root.scale = (1.0, 0.0, 1.0)
    assert not rendered(tmp_path)[..., 3].any()


def test_set_up_shows_the_fitted_colours_whatever_engine_came_before(portrait, tmp_path):
    scene = bpy.context.scene
    portrait.setup_render(engine="cycles")
    scene.view_settings.exposure, scene.render.dither_intensity = 1.0, 1.0
    changes = portrait.setup_render(engine="gazesplat")
    assert scene.render.engine == "GAZESPLAT" and len(changes) == 4, changes
    assert portrait.setup_render(engine="gazesplat") == [] and portrait.render_problems() == []
    expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, POSE))
    assert db(display(rendered(tmp_path)), expected["rgba"]) > LEAST_DB
    scene.view_settings.gamma = 2.0
    assert len(portrait.render_problems()) == 1


@pytest.mark.parametrize("name", ["Depth", "Head", "Irises", "Scleras", "Lids"])
def test_passes(portrait, tmp_path, name):
    scene = bpy.context.scene
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.gazesplat.use_pass_mattes = True
    tree = compat.compositor_tree(scene, create=True)
    layers = tree.nodes.new("CompositorNodeRLayers")
    tree.links.new(layers.outputs[name], compat.compositor_output(tree).inputs[0])
    picture = rendered(tmp_path)[..., 0]
    expected = reference(tmp_path, photo_camera(), (tmp_path / "Mara", PLACE, POSE))[name.lower() if name == "Depth" else name]
    if name == "Depth":
        expected = np.where(np.isfinite(expected), expected, 1e10)
    assert expected.any()
    np.testing.assert_allclose(picture, expected, atol=1e-4, rtol=1e-4)


def test_killed_worker_starts_again(portrait, engine_worker, tmp_path):
    before = rendered(tmp_path)
    first = engine_worker.pid
    os.kill(first, signal.SIGTERM)
    np.testing.assert_array_equal(rendered(tmp_path), before)
    assert engine_worker.pid not in (None, first)


def refused(capfd) -> str:
    """Render, and return the message that comes instead of a picture."""
    with pytest.raises(RuntimeError) as error:
        bpy.ops.render.render()
    written = capfd.readouterr()
    assert "Traceback" not in written.out + written.err
    return str(error.value)


def test_no_backend_is_said(portrait, capfd, monkeypatch):
    monkeypatch.setenv(environment.VARIABLE, str(Path(sys.prefix) / "no" / "python"))
    assert "backend is not set up" in refused(capfd)


def test_other_refusals_are_said(portrait, capfd):
    scene = bpy.context.scene
    scene.camera.data.type = "PANO"
    assert "not a perspective or orthographic camera" in refused(capfd)
    scene.camera.data.type = "PERSP"
    scene.render.use_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.5, 0.5001
    assert "too small" in refused(capfd)
    scene.render.use_border = False
    scene.camera = None
    assert "camera" in refused(capfd)


def test_saved_file_renders_where_its_folder_is_not(portrait, tmp_path):
    before = rendered(tmp_path)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    (tmp_path / "Mara").rename(tmp_path / "gone")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    np.testing.assert_array_equal(rendered(tmp_path), before)


def test_display_rests_during_the_render_and_only_then(portrait, room, monkeypatch, tmp_path):
    engine, scene, faces, saved = room("gazesplat_addon.engine.exposures"), bpy.context.scene, [], tmp_path / "during.blend"
    seen_portraits = engine.seen_portraits

    def spied(depsgraph, held):
        faces.append(len(carrier_of(portrait).evaluated_get(depsgraph).data.polygons))
        bpy.ops.wm.save_as_mainfile(filepath=str(saved), copy=True)
        return seen_portraits(depsgraph, held)

    monkeypatch.setattr(engine, "seen_portraits", spied)
    for modifier in (carrier_of(portrait).modifiers[0], carrier_of(portrait).modifiers.new("Not ours", "TRIANGULATE")):
        assert modifier.show_render
    rendered(tmp_path)
    assert faces == [0]
    assert [m.show_render for m in carrier_of(portrait).modifiers] == [True, True]
    with bpy.data.libraries.load(str(saved)) as (inside, taken):
        taken.objects = [name for name in inside.objects if name.endswith(".splats")]
    assert [m.show_render for m in taken.objects[0].modifiers] == [True, True]
    bpy.data.objects.remove(taken.objects[0])
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.render.resolution_percentage = 25
    assert rendered(tmp_path)[..., 3].max() > 0.5


def test_older_file_takes_in_its_rig_when_it_is_opened(gs, portrait, capfd, tmp_path):
    before = rendered(tmp_path)
    del carrier_of(portrait).data["gazesplat_rig"]
    np.testing.assert_array_equal(rendered(tmp_path), before)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "old.blend"))
    (tmp_path / "Mara").rename(tmp_path / "gone")
    np.testing.assert_array_equal(rendered(tmp_path), before)
    # Too late for this one: neither the file nor a folder has its rig.
    del carrier_of(gs.portraits()[0]).data["gazesplat_rig"]
    assert "is missing" in refused(capfd)


def test_empty_scene_renders_its_background(gs, clean, tmp_path):
    backend_python()
    scene = bpy.context.scene
    scene.render.engine, scene.render.film_transparent = "GAZESPLAT", True
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    assert not rendered(tmp_path)[..., 3].any()


def test_every_viewport_hears_of_the_inverse_of_its_view(room, monkeypatch):
    """Two viewports wait for one table: it is made once, and both draw with it."""
    inverse_view, timers, made, told = room("gazesplat_addon.engine.inverse_view"), [], [], []
    monkeypatch.setattr(inverse_view, "bpy", SimpleNamespace(app=SimpleNamespace(timers=SimpleNamespace(register=timers.append))))
    monkeypatch.setattr(inverse_view, "inverse_of", made.append)
    for name in ("left", "right"):
        inverse_view.make_soon("AgX", lambda name=name: told.append(name))
    (timer,) = timers
    assert timer() is None, "once"
    assert made == ["AgX"] and told == ["left", "right"]
    inverse_view.make_soon("AgX", lambda: told.append("later"))
    timers[-1]()
    assert told[-1] == "later"
