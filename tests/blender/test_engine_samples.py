# SPDX-License-Identifier: GPL-3.0-or-later
"""Blur, filter, stereo and large pictures of the engine: each is what single pictures of it add up to."""
from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector

from gazesplat.gazesplat_addon.engine import sampling
from tests.engine_pictures import HEIGHT, WIDTH, db, engine_scene, pixels_of, rendered

SAMPLES = 4
LEAST_DB = 70.0
FOCUS_M = 0.55


@pytest.fixture
def portrait(gs, clean, tmp_path):
    portrait = engine_scene(gs, tmp_path)
    bpy.context.scene.gazesplat_render.blur_samples = SAMPLES
    bpy.context.scene.render.filter_size = 0.01
    return portrait


def seen_from(tmp_path, right_m=0.0, down_m=0.0, focus_m=1.0, pixel=(0.0, 0.0)):
    """Render with a camera that stands aside and is shifted back, so that what is in focus stays where it was; a sharp picture."""
    camera = bpy.context.scene.camera
    stood, lens = camera.matrix_world.copy(), camera.data
    focal_px = WIDTH * lens.lens / lens.sensor_width
    was = lens.shift_x, lens.shift_y, lens.dof.use_dof
    lens.dof.use_dof = False
    camera.matrix_world = stood @ Matrix.Translation(Vector((right_m, -down_m, 0.0)))
    lens.shift_x -= (focal_px * right_m / focus_m - pixel[0]) / WIDTH
    lens.shift_y += (focal_px * down_m / focus_m - pixel[1]) / WIDTH
    picture = rendered(tmp_path, "sharp")
    camera.matrix_world, (lens.shift_x, lens.shift_y, lens.dof.use_dof) = stood, was
    return picture


@pytest.mark.parametrize("position", ["START", "CENTER", "END"])
def test_motion_blur_is_the_mean_of_moments_of_the_open_shutter(portrait, tmp_path, position):
    scene = bpy.context.scene
    # Keys between frames: a saccade that begins and ends while the shutter is open, and a head that passes by.
    for frame, yaw_deg, x_m in ((9.0, -15.0, -0.02), (9.9, -15.0, -0.01), (10.1, 15.0, 0.01), (11.0, 15.0, 0.02)):
        portrait.gaze = (yaw_deg, 0.0)
        portrait.root.location.x = x_m
        portrait.root.keyframe_insert('["gaze_yaw"]', frame=frame)
        portrait.root.keyframe_insert("location", frame=frame)
    unit = sampling.sequence(SAMPLES)[:, sampling.TIME]
    moments = []
    for time in 10.0 + sampling.shutter_times(unit, 0.8, position):
        scene.frame_set(int(time), subframe=time % 1.0)
        moments.append(rendered(tmp_path))
    scene.frame_set(10)
    scene.render.use_motion_blur, scene.render.motion_blur_shutter, scene.render.motion_blur_position = True, 0.8, position
    blurred = rendered(tmp_path)
    assert scene.frame_current_final == 10.0
    assert db(blurred, np.mean(moments, axis=0)) > LEAST_DB
    assert db(blurred, moments[0]) < 40.0


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_depth_of_field_is_the_mean_over_the_lens(portrait, tmp_path, kind):
    lens = bpy.context.scene.camera.data
    lens.dof.use_dof, lens.dof.focus_distance, lens.dof.aperture_fstop = True, FOCUS_M, 1.4
    radius_m = 0.001 * lens.lens / 2.8
    if kind == "ORTHO":
        lens.type, lens.ortho_scale, lens.dof.aperture_fstop = "ORTHO", 0.2, 20.0
        radius_m = 1.0 / 40.0
    blurred = rendered(tmp_path)
    points = radius_m * sampling.lens_points(sampling.sequence(SAMPLES)[:, [sampling.LENS_X, sampling.LENS_Y]])
    if kind == "ORTHO":
        # Rays that lean: what lies in focus stays, what is nearer or farther moves.
        lens.dof.use_dof = False
        assert 15.0 < db(blurred, rendered(tmp_path)) < 45.0
        return
    sharp = [seen_from(tmp_path, x, -y, FOCUS_M) for x, y in points]
    assert db(blurred, np.mean(sharp, axis=0)) > LEAST_DB
    assert db(blurred, sharp[0]) < 50.0
    target = bpy.data.objects.new("Focus", None)
    bpy.context.scene.collection.objects.link(target)
    target.location = bpy.context.scene.camera.matrix_world @ Vector((0.3, 0.1, -FOCUS_M))
    lens.dof.focus_object, lens.dof.focus_distance = target, 30.0
    assert db(rendered(tmp_path), blurred) > LEAST_DB


def test_several_samples_are_spread_over_the_films_filter(portrait, tmp_path):
    scene = bpy.context.scene
    scene.gazesplat_render.samples, scene.render.filter_size = SAMPLES, 1.5
    unit = sampling.sequence(SAMPLES)
    offsets = [sampling.filter_offsets(unit[:, axis], 1.5) for axis in (sampling.PIXEL_X, sampling.PIXEL_Y)]
    filtered = rendered(tmp_path)
    scene.gazesplat_render.samples = 1
    sharp = [seen_from(tmp_path, pixel=(x, y)) for x, y in zip(*offsets, strict=True)]
    assert db(filtered, np.mean(sharp, axis=0)) > LEAST_DB
    assert db(filtered, sharp[0]) < 50.0


def test_stereo_draws_each_eye(portrait, tmp_path):
    scene = bpy.context.scene
    stereo = scene.camera.data.stereo
    # Blender 4.5 cannot read the EXR that it writes of one eye.
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "PNG", "16"
    stereo.convergence_mode, stereo.pivot = "OFFAXIS", "CENTER"
    stereo.convergence_distance, stereo.interocular_distance = FOCUS_M, 0.065
    expected = {side: seen_from(tmp_path, x, 0.0, FOCUS_M) for side, x in (("L", -0.0325), ("R", 0.0325))}
    scene.render.use_multiview, scene.render.views_format = True, "STEREO_3D"
    scene.render.image_settings.views_format = "INDIVIDUAL"
    scene.render.filepath = str(tmp_path / "stereo")
    bpy.ops.render.render(write_still=True)
    for side, picture in expected.items():
        assert db(pixels_of(tmp_path / f"stereo_{side}.png"), picture) > LEAST_DB
    assert db(expected["L"], expected["R"]) < 30.0


def test_a_large_picture_is_drawn_in_bands_of_bounded_size(portrait, room, monkeypatch, tmp_path):
    engine = room("gazesplat_addon.engine.render_engine")
    whole = rendered(tmp_path)
    monkeypatch.setattr(engine, "BAND_PIXELS", 20 * WIDTH)
    np.testing.assert_allclose(rendered(tmp_path), whole, atol=1e-5)
    scene = bpy.context.scene
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x, scene.render.border_min_y, scene.render.border_max_y = 0.25, 0.75, 0.25, 0.75
    shown = (slice(HEIGHT // 4, HEIGHT * 3 // 4), slice(WIDTH // 4, WIDTH * 3 // 4))
    np.testing.assert_allclose(rendered(tmp_path), whole[shown], atol=1e-5)
    scene.render.use_border = False
    # 16K wide, a few rows high.
    monkeypatch.undo()
    scene.render.resolution_x, scene.render.resolution_y = 16384, 24
    picture = rendered(tmp_path)
    assert picture.shape == (24, 16384, 4) and picture[..., 3].max() > 0.9
    for width, height in ((15360, 8640), (16384, 16384), (65536, 2)):
        runs = engine.bands(width, height)
        assert max(rows for _, rows in runs) * width <= engine.BAND_PIXELS
        assert [top for top, _ in runs] == np.cumsum([0, *(rows for _, rows in runs)])[:-1].tolist() and sum(r for _, r in runs) == height
