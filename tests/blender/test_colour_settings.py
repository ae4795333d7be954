# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's settings: what is changed is told, and what would render wrongly is noticed."""
from __future__ import annotations

import bpy
import pytest

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.scene import colour, portrait_object, render_settings, store


def test_setting_up_tells_what_it_changed_and_leaves_no_problem(root, stage):
    stage.render.engine = "CYCLES"
    assert render_settings.render_problems(stage)
    changes = portrait_object.set_up_render(root, stage, engine="CYCLES")
    assert "Light Paths > Max Bounces > Transparent: 8 -> 1024" in map(str, changes)
    assert "Color Management > View Transform: AgX -> Standard" in map(str, changes)
    assert render_settings.render_problems(stage) == []
    assert portrait_object.set_up_render(root, stage, engine="CYCLES") == []


@pytest.mark.parametrize("spoil, word", [
    (lambda scene: setattr(scene.render, "engine", "BLENDER_WORKBENCH"), "Workbench"),
    (lambda scene: setattr(scene.cycles, "transparent_max_bounces", 8), "Transparent"),
    (lambda scene: setattr(scene.cycles, "min_transparent_bounces", 256), "Transparent"),
    (lambda scene: setattr(scene.cycles, "use_denoising", True), "Denoise"),
    (lambda scene: colour.remove_decoder(scene), "colour"),
    (lambda scene: setattr(scene.view_settings, "view_transform", "AgX"), "View Transform"),
    (lambda scene: setattr(scene.view_settings, "exposure", 1.0), "Exposure"),
    (lambda scene: setattr(scene.render, "use_compositing", False), "Compositing"),
    (lambda scene: add_cube(scene), "other objects"),
])
def test_problems_are_noticed(root, stage, spoil, word):
    portrait_object.set_up_render(root, stage, engine="CYCLES")
    spoil(stage)
    (problem,) = render_settings.render_problems(stage)
    assert word in problem


def add_cube(scene: bpy.types.Scene) -> None:
    scene.collection.objects.link(bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube")))


def test_each_engine_gets_its_order(root, stage, portrait_folder):
    portrait_object.set_up_render(root, stage, engine="EEVEE")
    assert stage.render.engine == compat.EEVEE_ENGINE
    assert compat.get_modifier_input(store.display_modifier(root), "Sort")
    assert render_settings.render_problems(stage) == []
    portrait_object.load_portrait(portrait_folder, scene=stage)
    portrait_object.set_up_render(root, stage, engine="EEVEE")
    (problem,) = render_settings.render_problems(stage)
    assert "sorts every portrait as a whole" in problem
    portrait_object.set_up_render(root, stage, engine="CYCLES")
    assert not compat.get_modifier_input(store.display_modifier(root), "Sort")


def test_blur_gets_samples(root, stage):
    portrait_object.set_up_render(root, stage, engine="CYCLES")
    assert stage.cycles.samples == 1
    stage.render.use_motion_blur = True
    portrait_object.set_up_render(root, stage, engine="CYCLES")
    assert stage.cycles.samples > 8


def test_an_empty_scene_has_no_problems(scene):
    assert render_settings.render_problems(scene) == []
