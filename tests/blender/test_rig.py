# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig as an animator meets it: eyes land on their target wherever the portrait is, layers add up, limits hold."""
from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix, Vector

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.rig.globe import globe_transform
from gazesplat.gazesplat_addon.scene import controls, eye_rig, store


def pose_of(root: bpy.types.Object) -> dict[str, float]:
    """Return what the drivers have written to the modifier."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    depsgraph.update()
    modifier = store.display_modifier(root.evaluated_get(depsgraph))
    return {f"{name} {letter}": compat.get_modifier_input(modifier, f"{name} {letter}")
            for name in ("Yaw", "Pitch", "Blink", "Pupil") for letter in "LR"}


def set_controls(root: bpy.types.Object, **values: float) -> None:
    for name, value in values.items():
        root[name] = float(value)
    root.update_tag()


def gaze_errors_deg(root: bpy.types.Object, rig, target: Vector) -> list[float]:
    """Return, for each eye, the angle between the posed iris axis in the world and the line from the iris to the target."""
    pose = pose_of(root)
    carrier = store.part_of(root, store.SPLATS).evaluated_get(bpy.context.evaluated_depsgraph_get())
    errors = []
    for side, letter in (("left", "L"), ("right", "R")):
        eye = rig.eyes[side]
        turn = globe_transform(eye, math.radians(pose[f"Yaw {letter}"]), math.radians(pose[f"Pitch {letter}"]))
        iris, front = (Vector((turn @ np.append(point, 1.0))[:3]) for point in
                       (eye.iris_centre_m, np.add(eye.iris_centre_m, eye.rest_axis)))
        iris, front = carrier.matrix_world @ iris, carrier.matrix_world @ front
        errors.append(math.degrees((front - iris).angle(target - iris)))
    return errors


@pytest.fixture
def target(stage) -> bpy.types.Object:
    candle = bpy.data.objects.new("Candle", None)
    stage.collection.objects.link(candle)
    return candle


PLACES = {
    "at the origin": Matrix(),
    "moved and turned": Matrix.LocRotScale((0.5, -0.3, 1.6), Euler((0.2, -0.1, 2.0)), None),
    "scaled": Matrix.LocRotScale((0.1, 0.2, 0.0), Euler((0.0, 0.4, -0.5)), (2.5, 2.5, 2.5)),
}
# From the face, metres: straight ahead, to both sides, up, down, close and far.
TARGETS = ((0.0, -0.6, 0.0), (0.25, -0.55, 0.1), (-0.2, -0.5, -0.15), (0.1, -0.6, 0.25), (0.05, -0.4, -0.1), (-1.0, -4.0, 0.8))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("parented", [False, True], ids=["free", "parented"])
def test_eyes_land_on_a_target(root, made_up, target, place, parented):
    if parented:
        parent = bpy.data.objects.new("Parent", None)
        bpy.context.scene.collection.objects.link(parent)
        parent.matrix_world = Matrix.LocRotScale((-0.2, 0.1, 0.3), Euler((0.1, 0.2, 0.3)), None)
        root.parent = parent
    root.matrix_basis = PLACES[place]
    eye_rig.look_at(root, target)
    for point in TARGETS:
        bpy.context.view_layer.update()
        target.location = root.matrix_world @ Vector(point)
        bpy.context.view_layer.update()
        assert max(gaze_errors_deg(root, made_up[2], target.matrix_world.translation)) < 0.1


def test_eyes_hold_a_target_while_the_head_moves(root, made_up, target):
    target.location = (0.1, -0.7, 0.05)
    eye_rig.look_at(root, target)
    head = store.part_of(root, store.HEAD)
    for turn, shift in (((0.0, 0.0, 0.15), (0, 0, 0)), ((0.1, 0.05, -0.1), (0.004, 0.0, -0.002)), ((-0.12, 0.0, 0.2), (0, 0.005, 0))):
        head.rotation_euler, head.delta_rotation_euler = turn, (0.0, 0.02, 0.01)
        head.delta_location = shift
        bpy.context.view_layer.update()
        assert max(gaze_errors_deg(root, made_up[2], target.matrix_world.translation)) < 0.1


def test_both_eyes_converge(root, target):
    target.location = (0.0, -0.3, 0.0)
    eye_rig.look_at(root, target)
    pose = pose_of(root)
    assert pose["Yaw L"] < -5.0 < 5.0 < pose["Yaw R"]
    assert pose["Yaw L"] == pytest.approx(-pose["Yaw R"], abs=0.01)


def test_at_rest_nothing_turns(root):
    pose = pose_of(root)
    assert max(abs(pose[name]) for name in ("Yaw L", "Yaw R", "Pitch L", "Pitch R", "Blink L", "Blink R")) < 0.1
    assert pose["Pupil L"] == pose["Pupil R"] == pytest.approx(1.0)


def test_signs_of_the_hand_layer(root):
    set_controls(root, gaze_yaw=10.0, gaze_pitch=5.0, look_at=0.0)
    pose = pose_of(root)
    assert pose["Yaw L"] == pytest.approx(10.0, abs=1e-3)
    assert pose["Pitch R"] == pytest.approx(5.0, abs=1e-3)


def test_limits_hold(root, target):
    set_controls(root, gaze_yaw=80.0, gaze_pitch=80.0)
    assert (pose_of(root)["Yaw L"], pose_of(root)["Pitch L"]) == (pytest.approx(35.0), pytest.approx(25.0))
    set_controls(root, gaze_yaw=-80.0, gaze_pitch=-80.0)
    assert (pose_of(root)["Yaw R"], pose_of(root)["Pitch R"]) == (pytest.approx(-35.0), pytest.approx(-30.0))
    set_controls(root, gaze_yaw=0.0, gaze_pitch=0.0, blink_left=0.6, life_blink_left=1.0)
    target.location = (2.0, -0.5, 0.1)
    eye_rig.look_at(root, target)
    assert pose_of(root)["Yaw L"] == pytest.approx(35.0)


def test_layers_add_up(root):
    set_controls(root, look_at=0.0, gaze_yaw=4.0, life_gaze_yaw=6.0, life_gaze_pitch=-3.0, blink_left=0.3, blink_right=0.8,
                 life_blink_left=0.5, life_blink_right=0.5, pupil=1.2, life_pupil=0.1)
    pose = pose_of(root)
    assert pose["Yaw L"] == pytest.approx(10.0, abs=1e-3)
    assert pose["Pitch L"] == pytest.approx(-3.0, abs=1e-3)
    assert (pose["Blink L"], pose["Blink R"]) == (pytest.approx(0.5), pytest.approx(0.8))
    assert pose["Pupil L"] == pytest.approx(1.32, abs=1e-3)
    set_controls(root, life=0.0)
    pose = pose_of(root)
    assert pose["Yaw L"] == pytest.approx(4.0, abs=1e-3)
    assert (pose["Blink L"], pose["Pupil L"]) == (pytest.approx(0.3), pytest.approx(1.2))


def test_eyes_dip_down_and_towards_the_nose_under_a_blink(root):
    set_controls(root, look_at=0.0, life_gaze_dip=2.0)
    pose = pose_of(root)
    assert pose["Yaw L"] < -1.0 and pose["Yaw R"] > 1.0
    assert pose["Pitch L"] == pose["Pitch R"] < -1.0


def test_look_at_fades(root, target):
    target.location = (0.2, -0.6, 0.0)
    eye_rig.look_at(root, target)
    full = pose_of(root)["Yaw L"]
    set_controls(root, look_at=0.5)
    assert pose_of(root)["Yaw L"] == pytest.approx(full / 2, abs=0.2)
    eye_rig.look_at(root, None)
    assert pose_of(root)["Yaw L"] == pytest.approx(0.0, abs=0.1)


def test_a_point_stays_in_the_world(root, made_up):
    point = (0.1, -0.6, 0.05)
    eye_rig.look_at(root, point)
    root.location = (0.03, 0.0, -0.02)
    bpy.context.view_layer.update()
    assert max(gaze_errors_deg(root, made_up[2], Vector(point))) < 0.1
    eye_rig.look_at(root, None)
    eye_rig.look_at(root, point)
    assert len(store.part_of(root, store.GAZE).constraints) == 1, "doing it twice leaves one target"


def test_a_bone_can_be_the_target(root, made_up, stage):
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    stage.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.data.edit_bones.new("Hand")
    bone.head, bone.tail = (0.1, -0.5, 0.0), (0.1, -0.5, 0.1)
    bpy.ops.object.mode_set(mode="OBJECT")
    eye_rig.look_at(root, armature, "Hand")
    bpy.context.view_layer.update()
    assert max(gaze_errors_deg(root, made_up[2], Vector((0.1, -0.5, 0.0)))) < 0.1


def test_every_driver_is_simple_and_valid(root):
    found = 0
    for owner in bpy.data.objects:
        for curve in owner.animation_data.drivers if owner.animation_data is not None else ():
            assert curve.driver.is_simple_expression and curve.driver.is_valid, curve.driver.expression
            found += 1
    assert found == 2 + 2 * 4 + 2      # render size, pose of both eyes, weight of both constraints


def test_controls_have_limits_and_a_word_each(root):
    for control in controls.CONTROLS:
        ui = root.id_properties_ui(control.name).as_dict()
        assert (ui["min"], ui["max"]) == (control.low, control.high)
        assert ui["description"] == control.description
        assert root[control.name] == control.default


def test_keys_on_controls_drive_the_eyes(root, stage):
    for frame, yaw in ((1, 0.0), (11, 20.0)):
        root["gaze_yaw"] = yaw
        root.keyframe_insert('["gaze_yaw"]', frame=frame)
    set_controls(root, look_at=0.0)
    stage.frame_set(11)
    assert pose_of(root)["Yaw L"] == pytest.approx(20.0, abs=1e-3)
    stage.frame_set(1)
    assert pose_of(root)["Yaw L"] == pytest.approx(0.0, abs=1e-3)


def test_a_copy_has_eyes_of_its_own(root, stage):
    bpy.ops.object.select_all(action="DESELECT")
    for part in (root, *store.parts_of(root).values()):
        part.select_set(True)
    bpy.ops.object.duplicate()
    copy = next(r for r in store.portraits_in(stage) if r != root)
    set_controls(copy, look_at=0.0, gaze_yaw=15.0)
    assert pose_of(copy)["Yaw L"] == pytest.approx(15.0, abs=1e-3)
    assert abs(pose_of(root)["Yaw L"]) < 0.1
