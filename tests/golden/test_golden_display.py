# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender draws is the splat: its pictures against the readable rasteriser."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.scene.splat_object import create_splat_object
from gazesplat.tests.golden import scenes

CYCLES_DB = 80.0
EEVEE_DB = 55.0


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_cycles_matches_the_reference(scene, tmp_path, degree):
    splats = scenes.synthetic_splats(3000, degree)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, 160, 120)
    picture, expected = scenes.render(scene, tmp_path), scenes.reference_picture(scene, carrier, splats)
    assert scenes.psnr_db(picture, expected) > CYCLES_DB
    np.testing.assert_allclose(picture[..., 3], expected[..., 3], atol=2e-3)


def shifted_lens(scene, carrier):
    scene.camera.data.shift_x, scene.camera.data.shift_y = 0.12, -0.2


def vertical_sensor(scene, carrier):
    scene.camera.data.sensor_fit, scene.camera.data.sensor_height = "VERTICAL", 30.0


def portrait_format(scene, carrier):
    scenes.set_size(scene, 90, 140)


def horizontal_sensor_portrait_format(scene, carrier):
    scene.camera.data.sensor_fit = "HORIZONTAL"
    scenes.set_size(scene, 90, 140)


def wide_pixels(scene, carrier):
    scene.render.pixel_aspect_x = 1.6


def tall_pixels(scene, carrier):
    scene.render.pixel_aspect_y = 1.5


def half_percentage(scene, carrier):
    scenes.set_size(scene, 288, 216, 50)


def parallel_camera(scene, carrier):
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 0.3
    scene.camera.data.shift_x = 0.05


def close_wide_camera(scene, carrier):
    scene.camera.data.lens = 18.0
    scene.camera.matrix_world = scenes.looking_at_origin((0.05, -0.17, 0.03))


def placed_object(scene, carrier):
    parent = bpy.data.objects.new("Parent", None)
    scene.collection.objects.link(parent)
    parent.matrix_world = Matrix.LocRotScale((0.02, 0.03, -0.01), Euler((0.3, -0.2, 0.5)), (1.2, 0.8, 1.0))
    carrier.parent = parent
    carrier.rotation_euler, carrier.scale = (0.4, 0.9, -0.3), (0.9, 1.1, 0.7)


def scaled_camera(scene, carrier):
    # A camera below a scaled parent: engines leave the scale out.
    parent = bpy.data.objects.new("Rig", None)
    scene.collection.objects.link(parent)
    parent.scale = (3.0, 3.0, 3.0)
    world = scene.camera.matrix_world.copy()
    scene.camera.parent = parent
    scene.camera.matrix_parent_inverse = Matrix()
    scene.camera.matrix_basis = Matrix.LocRotScale(world.translation / 3.0, world.to_quaternion(), None)


VIEWS: list[Callable] = [shifted_lens, vertical_sensor, portrait_format, horizontal_sensor_portrait_format, wide_pixels, tall_pixels,
                         half_percentage, parallel_camera, close_wide_camera, placed_object, scaled_camera]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_cycles_matches_the_reference_from_any_camera(scene, tmp_path, view):
    # A seed in which no two overlapping splats have equal depth to float32 precision: their order is anyone's guess.
    splats = scenes.synthetic_splats(1200, 1, seed=1)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, 144, 108)
    view(scene, carrier)
    picture, expected = scenes.render(scene, tmp_path), scenes.reference_picture(scene, carrier, splats)
    assert picture.shape == expected.shape
    assert expected[..., 3].mean() > 0.05, "the camera looks past the splats"
    assert scenes.psnr_db(picture, expected) > CYCLES_DB


# One of each kind that changes the projection: EEVEE takes seconds a picture, and Cycles is tested with these nodes in all cases.
EEVEE_VIEWS = [shifted_lens, wide_pixels, half_percentage, parallel_camera, placed_object]


@pytest.mark.parametrize("view", EEVEE_VIEWS, ids=lambda view: view.__name__)
def test_eevee_matches_the_reference_from_any_camera(scene, tmp_path, eevee, view):
    splats = scenes.synthetic_splats(600, 1, seed=1)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    compat.set_modifier_input(carrier.modifiers[0], "Sort", True)
    scenes.add_camera(scene)
    scenes.set_size(scene, 96, 72)
    view(scene, carrier)
    picture, expected = scenes.render(scene, tmp_path, engine="EEVEE"), scenes.reference_picture(scene, carrier, splats)
    assert picture.shape == expected.shape
    assert scenes.psnr_db(picture, expected) > EEVEE_DB


def test_a_moving_camera_and_cameras_switched_by_markers(scene, tmp_path):
    """Quads face the camera of their frame: one that moves along keys, and another that a marker cuts to."""
    splats = scenes.synthetic_splats(1200, 1, seed=1)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    moving = scenes.add_camera(scene)
    for frame, position in ((1, (0.16, -0.52, 0.08)), (9, (-0.35, -0.4, 0.2))):
        moving.matrix_world = scenes.looking_at_origin(position)
        moving.keyframe_insert("location", frame=frame)
        moving.keyframe_insert("rotation_euler", frame=frame)
        moving.data.lens = 40.0 + 3.0 * frame
        moving.data.keyframe_insert("lens", frame=frame)
    still = scenes.add_camera(scene, lens_mm=35.0, position=(0.4, 0.1, 0.3))
    for frame, camera in ((1, moving), (10, still)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    scenes.set_size(scene, 96, 72)
    pictures = []
    for frame, camera in ((1, moving), (5, moving), (12, still)):
        scene.frame_set(frame)
        picture, expected = scenes.render(scene, tmp_path), scenes.reference_picture(scene, carrier, splats)
        assert scene.camera == camera
        assert scenes.psnr_db(picture, expected) > CYCLES_DB
        pictures.append(picture)
    assert all(scenes.psnr_db(pictures[i], pictures[j]) < 30.0 for i, j in ((0, 1), (1, 2))), "the views differ"


def test_parameters_of_the_display(scene, tmp_path):
    splats = scenes.synthetic_splats(1200)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, 96, 96)
    modifier = carrier.modifiers[0]
    compat.set_modifier_input(modifier, "Alpha Cap", 0.8)
    compat.set_modifier_input(modifier, "Low Pass", 1.5)
    settings = scenes.RenderSettings(low_pass_px2=1.5, alpha_cap=0.8, transmittance_stop=0.0)
    picture, expected = scenes.render(scene, tmp_path), scenes.reference_picture(scene, carrier, splats, settings)
    assert scenes.psnr_db(picture, expected) > CYCLES_DB


def test_the_render_follows_a_changed_size(scene, tmp_path):
    """The low-pass is in pixels: the drivers have to notice a new render size."""
    splats = scenes.synthetic_splats(1200)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    scenes.add_camera(scene)
    for width in (160, 48):
        scenes.set_size(scene, width, width)
        picture, expected = scenes.render(scene, tmp_path), scenes.reference_picture(scene, carrier, splats)
        assert scenes.psnr_db(picture, expected) > CYCLES_DB


def test_splats_of_equal_depth_are_all_met(scene, tmp_path):
    """A flat wall seen head on: one distance to float precision. A ray tracer that skips equals would leave holes."""
    grid = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 40), [0.0], np.linspace(-0.1, 0.1, 40)), -1).reshape(-1, 3)
    wall = scenes.synthetic_splats(len(grid))
    colours = np.full_like(wall.colours, 0.6)
    wall = replace(wall, means=grid.astype(np.float32), rotations=np.tile(np.float32([1, 0, 0, 0]), (len(grid), 1)),
                   scales=np.full_like(wall.scales, 0.004), opacities=np.full_like(wall.opacities, 0.3), colours=colours)
    carrier = create_splat_object("Wall", wall, collection=scene.collection)
    scenes.add_camera(scene, position=(0.0, -0.6, 0.0))
    scenes.set_size(scene, 96, 96)
    picture, expected = scenes.render(scene, tmp_path), scenes.reference_picture(scene, carrier, wall)
    assert scenes.psnr_db(picture, expected) > CYCLES_DB


def test_eevee_matches_the_reference(scene, tmp_path, eevee):
    splats = scenes.synthetic_splats(3000)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    compat.set_modifier_input(carrier.modifiers[0], "Sort", True)
    scenes.add_camera(scene)
    scenes.set_size(scene, 160, 120)
    for azimuth in (0.3, 2.4):
        scene.camera.matrix_world = scenes.looking_at_origin((0.55 * math.sin(azimuth), -0.55 * math.cos(azimuth), 0.1))
        picture, expected = scenes.render(scene, tmp_path, engine="EEVEE"), scenes.reference_picture(scene, carrier, splats)
        assert scenes.psnr_db(picture, expected) > EEVEE_DB


def test_a_million_splats(scene, tmp_path):
    """A cheek seen along its surface: a ray meets far more than 256 quads, many of them at one distance to float precision."""
    splats = scenes.synthetic_splats(1_000_000)
    create_splat_object("Crowd", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, 512, 512)
    window = 160, 320, 32, 32
    scenes.set_window(scene, *window)
    picture = scenes.render(scene, tmp_path)
    expected = scenes.reference_window(splats, scenes.reference_camera(scene), *window)
    assert picture.shape == expected.shape and 0.2 < expected[..., 3].mean() < 0.99, "an edge of the head"
    assert scenes.psnr_db(picture, expected) > CYCLES_DB
