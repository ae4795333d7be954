# SPDX-License-Identifier: GPL-3.0-or-later
"""The node trees say the same as their numpy twins."""
from __future__ import annotations

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.nodes import attributes
from gazesplat.gazesplat_addon.nodes.builder import Builder
from gazesplat.gazesplat_addon.nodes.portrait import declare_pose_inputs, pose_input, posed_points
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.scene.splat_object import create_carrier
from tests.synthetic import synthetic_portrait, with_lower_lashes

INDEX = "test_index"


@pytest.fixture(scope="module")
def portrait():
    splats, groups, rig = synthetic_portrait()
    return splats, with_lower_lashes(groups), rig


@pytest.fixture(scope="module")
def posed_object(portrait):
    """An object whose modifier ends after the rig, so that its points can be read back."""
    splats, groups, rig = portrait
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mesh = create_carrier("Points", splats, groups)
    mesh.attributes.new(INDEX, "INT", "POINT").data.foreach_set("value", np.arange(len(splats), dtype=np.int32))
    points = bpy.data.objects.new("Points", mesh)
    bpy.context.scene.collection.objects.link(points)
    tree = bpy.data.node_groups.new("Posed Points", "GeometryNodeTree")
    b = Builder(tree)
    b.input("Geometry", "Geometry")
    declare_pose_inputs(b, rig.eyes)
    b.output("Geometry", "Geometry")
    given = b.group_inputs()
    b.finish({"Geometry": posed_points(b, given["Geometry"], given, rig.eyes)})
    points.modifiers.new("Posed", "NODES").node_group = tree
    return points


def evaluate(points: bpy.types.Object, pose: Pose) -> dict[str, np.ndarray]:
    """Return positions and the attributes of the rig, in the carrier's order."""
    for side, eye in pose.eyes.items():
        for name, value in (("Yaw", eye.yaw_deg), ("Pitch", eye.pitch_deg), ("Blink", eye.blink), ("Pupil", eye.pupil)):
            compat.set_modifier_input(points.modifiers[0], pose_input(name, side), float(value))
    mesh = points.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    order = np.argsort(read(mesh, INDEX, "value", 1, np.int32)[:, 0])
    wanted = {"position": ("vector", 3), attributes.SHADE: ("vector", 3), attributes.BASE: ("color", 4),
              **{name: ("vector", 3) for name in attributes.FACTORS}}
    return {name: read(mesh, name, *how)[order] for name, how in wanted.items()}


def read(mesh: bpy.types.Mesh, name: str, field: str, width: int, dtype: type = np.float32) -> np.ndarray:
    values = np.empty(len(mesh.vertices) * width, dtype)
    mesh.attributes[name].data.foreach_get(field, values)
    return values.reshape(-1, width)


POSES = {
    "rest": Pose.both(),
    "yaw": Pose.both(yaw_deg=20.0),
    "up": Pose.both(pitch_deg=15.0),
    "oblique": Pose.both(yaw_deg=-25.0, pitch_deg=-20.0),
    "half blink": Pose.both(blink=0.5),
    "shut": Pose.both(blink=1.0),
    "shut and turned": Pose.both(yaw_deg=30.0, pitch_deg=20.0, blink=1.0),
    "wide pupil": Pose.both(yaw_deg=5.0, pupil=1.6),
    "narrow pupil": Pose.both(pitch_deg=-5.0, pupil=0.4),
    "eyes apart": Pose({"left": EyePose(12.0, 3.0, 0.2, 1.1), "right": EyePose(-8.0, -6.0, 0.9, 0.8)}),
}


@pytest.mark.parametrize("name", POSES)
def test_the_rig_nodes_equal_the_twin(portrait, posed_object, name):
    splats, groups, rig = portrait
    expected = pose_splats(splats, groups, rig, POSES[name], np.array((0.0, -0.6, 0.0)))
    found = evaluate(posed_object, POSES[name])
    factors = np.stack([found[column] for column in attributes.FACTORS], axis=2)
    colours = np.maximum(found[attributes.BASE][:, :3], 0.0) * np.exp(found[attributes.SHADE])
    assert np.abs(found["position"] - expected.means).max() < 1e-6
    assert np.abs(factors - expected.factors).max() < 1e-6
    assert np.abs(colours - expected.colours).max() < 1e-4
    assert np.abs(found[attributes.BASE][:, 3] - expected.opacities).max() < 1e-4


def test_the_poses_do_move_something(portrait, posed_object):
    groups = portrait[1]
    rest, shut = evaluate(posed_object, POSES["rest"]), evaluate(posed_object, POSES["shut and turned"])
    moved = np.linalg.norm(shut["position"] - rest["position"], axis=1)
    assert np.abs(moved[groups == 0]).max() == 0.0
    for group in set(np.unique(groups)) - {0}:
        assert moved[groups == group].max() > 1e-4, f"group {group} does not move"
