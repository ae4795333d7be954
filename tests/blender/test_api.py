# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist types: the console API on a small made-up portrait."""
from __future__ import annotations

import bpy
import pytest
from mathutils import Vector


@pytest.fixture
def folder(loaded_blend):
    """Where the portrait's files lie."""
    return loaded_blend.parent


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    bpy.context.scene.frame_end = 240
    return gs.portraits()[0]


def evaluated(eye):
    now = eye.now
    return now.yaw_deg, now.pitch_deg, now.blink, now.pupil


def keys_of(portrait):
    """Every key in the file, by owner and channel."""
    from bpy_extras import anim_utils
    found = {}
    for owner in (portrait.root, portrait.head):
        animation = owner.animation_data
        if animation is None or animation.action is None:
            continue
        bag = anim_utils.action_get_channelbag_for_slot(animation.action, animation.action_slot)
        for curve in bag.fcurves if bag is not None else ():
            found[owner.name, curve.data_path, curve.array_index] = [tuple(point.co) for point in curve.keyframe_points]
    return found


def test_load_names_and_finds_a_portrait(portrait, gs, folder):
    assert portrait.name == "Mara"
    assert portrait.rigged and portrait.alive
    assert gs.portraits() == [portrait]
    assert portrait.folder.resolve() == folder.resolve()
    assert portrait.object.type == "MESH"
    assert {part.type for part in (portrait.root, portrait.head, portrait.gaze_target)} == {"EMPTY"}
    assert portrait.camera.type == "CAMERA"


def test_load_takes_the_ply_and_the_json_too(clean, gs, folder):
    assert gs.load(folder / "portrait.ply").rigged
    assert gs.load(str(folder / "portrait.json")).rigged
    assert len(gs.portraits()) == 2


def test_two_portraits_live_side_by_side(portrait, gs, folder):
    other = gs.load(folder, name="Mara")
    assert other != portrait and other.name != portrait.name
    other.gaze = (10.0, 0.0)
    assert portrait.gaze == (0.0, 0.0)
    other.delete()
    assert portrait.alive and not other.alive


def test_load_refuses_what_is_not_there(clean, gs, tmp_path):
    with pytest.raises(gs.GazeSplatError) as caught:
        gs.load(tmp_path / "nothing.ply")
    assert caught.value.code == "no-file" and caught.value.hint


def test_gaze_turns_both_eyes_and_keeps_to_the_limits(portrait):
    portrait.look_at(None)
    portrait.gaze = (12.0, -4.0)
    assert portrait.gaze == (12.0, -4.0)
    for eye in portrait.eyes:
        assert evaluated(eye)[:2] == pytest.approx((12.0, -4.0), abs=1e-3)
    portrait.gaze = (80.0, 80.0)
    for eye in portrait.eyes:
        assert evaluated(eye)[:2] == pytest.approx((35.0, 25.0), abs=1e-3)


def test_lids_and_pupils(portrait):
    portrait.eyes.left.openness = 0.4
    assert portrait.eyes.left.blink == pytest.approx(0.6)
    assert portrait.eyes.right.openness == 1.0
    assert evaluated(portrait.eyes.left)[2] == pytest.approx(0.6, abs=1e-3)
    assert evaluated(portrait.eyes.right)[2] == pytest.approx(0.0, abs=1e-3)
    portrait.eyes.blink = 1.0
    assert portrait.eyes.openness == 0.0
    portrait.pupil = 1.4
    assert evaluated(portrait.eyes.right)[2:] == pytest.approx((1.0, 1.4), abs=1e-3)


@pytest.mark.parametrize("value", [float("nan"), 91.0, "left", None])
def test_values_out_of_reason_are_refused_with_a_way_out(portrait, gs, value):
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.gaze = (value, 0.0)
    assert caught.value.code == "bad-value" and caught.value.hint
    assert portrait.gaze == (0.0, 0.0)


def test_openness_out_of_reason_is_refused(portrait, gs):
    with pytest.raises(gs.GazeSplatError, match="1.5"):
        portrait.eyes.left.openness = 1.5


def looked_at(portrait):
    """Yaw and pitch of both eyes."""
    return [evaluated(eye)[:2] for eye in portrait.eyes]


def test_look_at_an_object_a_bone_a_point_and_nothing(portrait):
    left_of_face = Vector((0.2, -0.6, 0.0))
    thing = bpy.data.objects.new("Candle", None)
    bpy.context.collection.objects.link(thing)
    thing.location = left_of_face
    portrait.look_at(thing)
    at_object = looked_at(portrait)
    assert at_object[0][0] == pytest.approx(15.7, abs=1.5) and at_object[1][0] == pytest.approx(21.1, abs=1.5)

    portrait.look_at(tuple(left_of_face))
    for now, before in zip(looked_at(portrait), at_object, strict=True):
        assert now == pytest.approx(before, abs=0.05)

    portrait.look_at(None)
    assert looked_at(portrait)[0] == pytest.approx((0.0, 0.0), abs=1e-3)


def test_look_at_a_pose_bone(portrait):
    armature = bpy.data.armatures.new("Rig")
    rig = bpy.data.objects.new("Rig", armature)
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.edit_bones.new("hand")
    bone.head, bone.tail = (0.2, -0.6, 0.0), (0.2, -0.6, 0.1)
    bpy.ops.object.mode_set(mode="OBJECT")
    portrait.look_at(rig.pose.bones["hand"])
    assert looked_at(portrait)[0][0] == pytest.approx(15.7, abs=1.5)


def test_the_eyes_do_not_look_at_their_own_head(portrait, gs):
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.look_at(portrait.head)
    assert caught.value.code == "looks-at-itself"


@pytest.mark.parametrize("target", ["Candle", (1.0, 2.0), (0.0, float("inf"), 0.0), 7])
def test_look_at_refuses_what_is_no_place(portrait, gs, target):
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.look_at(target)
    assert caught.value.code == "bad-target"


def test_same_seed_same_keys(portrait):
    def make(seed):
        portrait.clear()
        portrait.add_saccades(seed=seed, state="talking")
        portrait.add_blinks(seed=seed)
        portrait.add_head_drift(seed=seed)
        portrait.add_pupil_life(seed=seed)
        return keys_of(portrait)

    first, again, other = make(3), make(3), make(4)
    assert first and first == again
    assert first != other


def test_generators_keep_to_their_range(portrait):
    portrait.add_saccades(seed=1, start=50, end=100, state="talking")
    frames = [frame for points in keys_of(portrait).values() for frame, _ in points]
    assert min(frames) >= 50.0 and max(frames) <= 100.0


def test_clear_takes_generated_keys_only(portrait):
    portrait.root.keyframe_insert('["gaze_yaw"]', frame=10)
    portrait.head.rotation_euler.z = 0.1
    portrait.head.keyframe_insert("rotation_euler", frame=20)
    mine = keys_of(portrait)
    portrait.add_saccades(seed=2)
    portrait.add_blinks(seed=2)
    portrait.add_head_drift(seed=2)
    assert portrait.clear() > 0
    assert keys_of(portrait) == mine
    assert portrait.clear() == 0


def test_clear_a_range_leaves_the_rest(portrait):
    portrait.add_blinks(seed=5, per_minute=60.0)
    before = keys_of(portrait)
    portrait.clear(start=100, end=140)
    after = keys_of(portrait)
    for channel, points in after.items():
        outside = [point for point in before[channel] if not 99.0 <= point[0] <= 141.0]
        assert [point for point in points if not 99.0 <= point[0] <= 141.0] == outside
    assert sum(map(len, after.values())) < sum(map(len, before.values()))


def test_generated_motion_shows_and_fades(portrait):
    portrait.look_at(None)
    portrait.add_saccades(seed=2, state="talking")
    yaws = []
    for frame in range(1, 240, 6):
        bpy.context.scene.frame_set(frame)
        yaws.append(evaluated(portrait.eyes.left)[0])
    assert max(map(abs, yaws)) > 1.0
    portrait.life = 0.0
    bpy.context.scene.frame_set(100)
    assert evaluated(portrait.eyes.left)[:2] == pytest.approx((0.0, 0.0), abs=1e-3)


@pytest.mark.parametrize(("call", "code"), [
    (lambda p: p.add_saccades(seed=-1), "bad-seed"),
    (lambda p: p.add_saccades(seed=1, state="dancing"), "unknown-state"),
    (lambda p: p.add_blinks(seed=1, per_minute=500.0), "bad-rate"),
    (lambda p: p.add_head_drift(seed=1, start=9, end=9), "bad-range"),
    (lambda p: p.setup_render(engine="povray"), "bad-value"),
])
def test_wrong_arguments_get_a_code_and_a_hint(portrait, gs, call, code):
    with pytest.raises(gs.GazeSplatError) as caught:
        call(portrait)
    assert caught.value.code == code and caught.value.hint


def test_seed_must_be_named(portrait):
    with pytest.raises(TypeError):
        portrait.add_blinks(3)


def test_a_deleted_portrait_says_so(portrait, gs):
    names = {block.name for block in bpy.data.objects}
    portrait.delete()
    assert not portrait.alive and not gs.portraits()
    assert "deleted" in repr(portrait)
    assert not names & {block.name for block in bpy.data.objects}
    for act in (lambda: portrait.name, lambda: portrait.gaze, lambda: portrait.look_at(None), lambda: portrait.eyes.left.blink,
                lambda: portrait.add_blinks(seed=1), lambda: portrait.delete()):
        with pytest.raises(gs.GazeSplatError) as caught:
            act()
        assert caught.value.code == "portrait-deleted" and "Mara" in caught.value.message


def test_a_deleted_part_says_so(portrait, gs):
    bpy.data.objects.remove(portrait.gaze_target)
    for act in (lambda: portrait.look_at((0.0, -1.0, 0.0)), lambda: portrait.add_saccades(seed=1), lambda: portrait.gaze_target):
        with pytest.raises(gs.GazeSplatError) as caught:
            act()
        assert caught.value.code == "part-deleted"


def test_renaming_does_not_lose_it(portrait):
    portrait.root.name = "Somebody Else"
    portrait.gaze = (1.0, 1.0)
    assert portrait.name == "Somebody Else"
    assert portrait.alive


def test_reload_keeps_place_and_animation(portrait):
    portrait.root.location = (1.0, 2.0, 3.0)
    portrait.gaze = (5.0, 0.0)
    portrait.add_blinks(seed=1)
    keys, count = keys_of(portrait), len(portrait.object.data.vertices)
    portrait.reload()
    assert tuple(portrait.root.location) == (1.0, 2.0, 3.0)
    assert portrait.gaze == (5.0, 0.0) and keys_of(portrait) == keys
    assert len(portrait.object.data.vertices) == count
    assert evaluated(portrait.eyes.left)[0] == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("engine", ["cycles", "eevee"])
def test_set_up_render_says_what_it_changed_and_is_quiet_the_second_time(portrait, engine):
    assert portrait.setup_render(engine=engine)
    assert portrait.render_problems() == []
    assert portrait.setup_render(engine=engine) == []


def test_the_library_needs_no_active_object(portrait):
    bpy.context.view_layer.objects.active = None
    portrait.look_at((0.0, -1.0, 0.0))
    portrait.add_blinks(seed=1)
    portrait.setup_render()
