# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene-linear colour with a refit: Blender blends exactly the colours and opacities that the backend fitted, posed eyes too.

How near they bring the picture to the exact one is the backend's business (tests/backend/test_linear_refit.py).
"""
from __future__ import annotations

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.nodes.attributes import BASE, LINEAR
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.scene import portrait_object, render_settings, store
from gazesplat.gazesplat_addon.splat.linear_refit import LinearRefit, path_beside, save_refit
from gazesplat.gazesplat_addon.splat.ply import read_ply
from gazesplat.gazesplat_addon.splat.srgb import decoded
from gazesplat.tests.golden import scenes
from tests.portrait_files import write_portrait
from tests.synthetic import synthetic_portrait

QUIET_DB, WITH_TIES_DB = 80.0, 65.0     # as in test_golden_portrait.py
POSE = Pose({"left": EyePose(14.0, -9.0, 0.5), "right": EyePose(14.0, -9.0, 0.8)})


@pytest.fixture(params=[0, 2], ids=["flat colours", "harmonics"])
def made(request, tmp_path):
    """(folder, splats with the refit's colours, groups, rig) of a small portrait with a refit unlike its own colours."""
    size = {"head_count": 900, "sh_degree": request.param}
    folder = write_portrait(tmp_path / "mara", **size)
    splats = read_ply(folder / "portrait.ply")
    random = np.random.default_rng(5)
    colours = (splats.colours * random.uniform(0.6, 1.2, splats.colours.shape)).astype(np.float16).astype(np.float32)
    opacities = (splats.opacities * random.uniform(0.5, 1.0, len(splats))).astype(np.float16).astype(np.float32)
    refit = LinearRefit(colours, opacities)
    save_refit(path_beside(folder / "portrait.ply"), refit, splats)
    _, groups, rig = synthetic_portrait(**size)
    return folder, refit.applied(splats), groups, rig


def test_the_display_blends_the_refitted_colours(scene, made, tmp_path):
    folder, splats, groups, rig = made
    root = portrait_object.load_portrait(folder)
    # At an angle that fits its grids, the made-up portrait has rows of splats at equal depth.
    store.part_of(root, store.HEAD).rotation_euler = (0.0531, 0.1137, -0.0919)
    controls = {"look_at": 0.0, "gaze_yaw": 14.0, "gaze_pitch": -9.0, "blink_left": 0.5, "blink_right": 0.8}
    for name, value in controls.items():
        root[name] = value
    portrait_object.set_up_render(root, scene, engine="CYCLES", colour_mode="SCENE_LINEAR")
    assert render_settings.render_problems(scene) == []
    scenes.set_size(scene, 144, 144)
    picture = scenes.render(scene, tmp_path)

    camera = scenes.reference_camera(scene)
    world = np.array(store.part_of(root, store.SPLATS).evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    posed = pose_splats(splats, groups, rig, POSE, (np.linalg.inv(world) @ np.append(camera.position, 1.0))[:3])
    expected = scenes.draw_reference(scenes.Posed(posed.means @ world[:3, :3].T + world[:3, 3], world[:3, :3] @ posed.factors,
                                                  posed.opacities, decoded(posed.colours), posed.groups), camera)
    errors = np.abs(picture - expected).max(axis=2)
    assert scenes.psnr_db(np.where(errors[..., None] < 1e-4, picture, expected), expected) > QUIET_DB
    assert np.quantile(errors, 0.99) < 1e-4
    assert scenes.psnr_db(picture, expected) > WITH_TIES_DB


def test_only_scene_linear_colour_reads_the_refit(scene, made):
    """Exact colour, and the discs of the viewport in either mode, show the colours that were fitted."""
    folder, splats, _, _ = made
    root = portrait_object.load_portrait(folder)
    carrier, modifier = store.part_of(root, store.SPLATS), store.display_modifier(root)
    base, linear = (np.empty(4 * len(splats), np.float32) for _ in range(2))
    carrier.data.attributes[BASE].data.foreach_get("color", base)
    carrier.data.attributes[LINEAR].data.foreach_get("color", linear)
    np.testing.assert_allclose(linear.reshape(-1, 4)[:, :3], splats.colours, atol=1e-6)
    np.testing.assert_allclose(linear.reshape(-1, 4)[:, 3], splats.opacities, atol=1e-6)
    shown = {}
    for name in ("Scene Linear", "Exact in Viewport"):
        for value in (False, True):
            compat.set_modifier_input(modifier, name, value)
            mesh = carrier.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
            values = np.empty(4 * len(mesh.vertices), np.float32)
            mesh.attributes["gs_colour"].data.foreach_get("color", values)
            shown[name, value] = values.reshape(-1, 4)
    discs, discs_too = shown["Scene Linear", False], shown["Scene Linear", True]
    np.testing.assert_array_equal(discs, discs_too)
    opacities = shown["Exact in Viewport", True][::4, 3]
    assert len(opacities) == len(splats)
    np.testing.assert_allclose(np.sort(opacities), np.sort(splats.opacities), atol=1e-6)


def test_a_portrait_without_a_refit_is_named(scene, made):
    folder, *_ = made
    path_beside(folder / "portrait.ply").unlink()
    root = portrait_object.load_portrait(folder)
    portrait_object.set_up_render(root, scene, engine="CYCLES", colour_mode="SCENE_LINEAR")
    (problem,) = render_settings.render_problems(scene)
    assert "refit" in problem and root.name in problem
    portrait_object.set_up_render(root, scene, engine="CYCLES")
    assert render_settings.render_problems(scene) == []
