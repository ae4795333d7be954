# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated keys in real F-curves: between frames, replaced by range, removed without touching an artist's own."""
from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Vector

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.gaze import check, schedule
from gazesplat.gazesplat_addon.gaze.curve import from_keys
from gazesplat.gazesplat_addon.scene import actions

FPS = 24.0
START, END = 1.0, 481.0
GAZE = '["life_gaze_yaw"]'


@pytest.fixture
def clean():
    """``bpy`` with an empty file open; these rooms need no registration."""
    bpy.ops.wm.read_homefile(use_empty=True)
    return bpy


@pytest.fixture
def portrait(clean):
    """A root and a head Empty with the properties of a portrait."""
    root, head = (clean.data.objects.new(name, None) for name in ("Mara", "Mara.head"))
    for owner in (root, head):
        clean.context.scene.collection.objects.link(owner)
    head.parent = root
    for name, channel in actions.CHANNELS.items():
        if not channel.on_head:
            root[name] = 0.0
    root["gaze_yaw"] = 0.0
    return root, head


@pytest.fixture
def take():
    return schedule.make_take(0.0, (END - START) / FPS, preset="talking", seed=3)


def play(owner, path, frames, index=0):
    fcurve = actions.fcurve_for(owner, path, index)
    return np.array([fcurve.evaluate(frame) for frame in frames])


def test_keys_land_between_frames_and_play_the_curves(portrait, take):
    root, head = portrait
    made = actions.write_take(root, head, take, start_frame=START, fps=FPS)
    frames = np.arange(START, END, 1 / 13)
    total = 0
    for name, curve in take.curves.items():
        channel = actions.CHANNELS[name]
        owner = head if channel.on_head else root
        fcurve = actions.fcurve_for(owner, channel.data_path, channel.index)
        total += len(fcurve.keyframe_points)
        wanted = channel.factor * curve.evaluate((frames - START) / FPS)
        played = play(owner, channel.data_path, frames, channel.index)
        assert np.abs(played - wanted).max() <= abs(channel.factor) * max(1.2 * schedule.TOLERANCES[name], 5e-4), name
        assert fcurve.group.name == f"GazeSplat {channel.layer.capitalize()}"
        assert {point.type for point in fcurve.keyframe_points} == {"GENERATED"}
        assert {point.handle_left_type for point in fcurve.keyframe_points} == {"ALIGNED"}
    assert total == made
    at = np.array([point.co[0] for point in actions.fcurve_for(root, GAZE).keyframe_points])
    assert np.mean(np.abs(at - np.round(at)) > 0.01) > 0.9


def test_saccades_played_by_blender_lie_in_the_published_band(portrait, take):
    root, head = portrait
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    times = check.sample_times(0.0, (END - START) / FPS)
    yaw, pitch = (play(root, f'["life_gaze_{axis}"]', START + times * FPS) for axis in ("yaw", "pitch"))
    found, peaks = check.find_saccades(times, yaw, pitch)
    assert len(found) > 30
    assert check.in_band(found, peaks).mean() > 0.97


def test_the_evaluated_object_moves(portrait, take, clean):
    root, head = portrait
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    scene = clean.context.scene
    rotations, yaws = [], []
    for frame in range(20, 200, 10):
        scene.frame_set(frame, subframe=0.25)
        evaluated = clean.context.evaluated_depsgraph_get()
        rotations.append(head.evaluated_get(evaluated).delta_rotation_euler[2])
        yaws.append(root.evaluated_get(evaluated)["life_gaze_yaw"])
    wanted = take.curves["life_gaze_yaw"].evaluate((np.arange(20, 200, 10) + 0.25 - START) / FPS)
    assert yaws == pytest.approx(wanted, abs=0.02)
    assert np.std(rotations) > 1e-4


def test_head_channels_turn_the_face_the_way_they_say(portrait, clean):
    root, head = portrait
    for name, moved in (("head_yaw", 0), ("head_pitch", 2)):
        up = from_keys(np.array([1.0]), np.array([20.0]), np.zeros(1), 0.0, 2.0)
        actions.write_take(root, head, schedule.Take(0.0, 2.0, {name: up}), start_frame=1, fps=FPS)
        clean.context.scene.frame_set(25)
        forward = head.evaluated_get(clean.context.evaluated_depsgraph_get()).matrix_world.to_3x3() @ Vector((0, -1, 0))
        assert forward[moved] == pytest.approx(np.sin(np.radians(20)), abs=1e-3)   # +X is the subject's left, +Z up
        actions.clear_take(root, head, 1, 49, fps=FPS)


def test_hand_keys_on_other_channels_are_never_touched(portrait, take, clean):
    root, head = portrait
    root["gaze_yaw"] = 4.0
    root.keyframe_insert('["gaze_yaw"]', frame=10)
    head.rotation_euler[2] = 0.3
    head.keyframe_insert("rotation_euler", index=2, frame=50)
    action, slot = root.animation_data.action, root.animation_data.action_slot
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    assert (root.animation_data.action, root.animation_data.action_slot) == (action, slot)
    actions.clear_take(root, head, START, END, fps=FPS)
    assert play(root, '["gaze_yaw"]', [10]) == pytest.approx([4.0])
    assert play(head, "rotation_euler", [50], 2) == pytest.approx([0.3])
    assert actions.channels_of(root) == actions.channels_of(head) == []
    assert [group.name for group in actions.channelbag(root).groups] != ["GazeSplat"]


def test_the_same_seed_writes_the_same_keys(portrait):
    root, head = portrait
    written = []
    for _ in range(2):
        take = schedule.make_take(0.0, 10.0, preset="listening", seed=5)
        actions.write_take(root, head, take, start_frame=START, fps=FPS)
        written.append([tuple(point.co) for point in actions.fcurve_for(root, GAZE).keyframe_points])
    assert written[0] == written[1]


def test_regenerating_a_range_changes_that_range_only(portrait, take):
    root, head = portrait
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    frames = np.arange(START, END, 0.25)
    outside = (frames <= 100) | (frames >= 340)
    paths = actions.channels_of(root)
    before = {path: play(root, path, frames, index) for path, index in paths}
    untouched = {path: [tuple(p.co) for p in actions.fcurve_for(root, path, index).keyframe_points if not 100 <= p.co[0] <= 340]
                 for path, index in paths}
    actions.write_take(root, head, schedule.make_take(0, 10, preset="thinking", seed=77), start_frame=100, fps=FPS)
    for path, index in paths:
        after = play(root, path, frames, index)
        assert np.abs(after - before[path])[outside].max() < 2e-3, path
        kept = {tuple(p.co) for p in actions.fcurve_for(root, path, index).keyframe_points}
        assert set(untouched[path]) <= kept
    assert np.abs(play(root, GAZE, frames) - before[GAZE])[~outside].max() > 1.0


def test_separate_generators_combine(portrait):
    root, head = portrait
    seconds = (END - START) / FPS
    gaze = schedule.saccade_curves(0, seconds, seed=3, state="thinking")
    actions.write_take(root, head, gaze, start_frame=START, fps=FPS)
    yaw = play(root, GAZE, np.arange(START, END))
    found = actions.gaze_shifts(root, START, END, fps=FPS)
    large = gaze.saccades.select(gaze.saccades.amplitude_deg > 1.5)
    assert all(np.abs(found.start_s - start).min() < 0.01 for start in large.start_s)
    actions.write_take(root, head, schedule.blink_curves(0, seconds, seed=3, saccades=found), start_frame=START, fps=FPS)
    actions.write_take(root, head, schedule.head_drift_curves(0, seconds, seed=3), start_frame=START, fps=FPS)
    assert np.array_equal(play(root, GAZE, np.arange(START, END)), yaw)
    assert len(actions.channels_of(root)) == 5 and len(actions.channels_of(head)) == 6
    actions.clear_take(root, head, START, END, fps=FPS, names=("life_blink_left", "life_blink_right", "life_gaze_dip"))
    assert len(actions.channels_of(root)) == 2


def test_gaze_shifts_are_none_where_there_are_no_keys(portrait):
    assert actions.gaze_shifts(portrait[0], 1, 100, fps=FPS) is None


def test_clearing_leaves_a_clean_rest_and_the_other_frames(portrait, take):
    root, head = portrait
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    frames = np.arange(START, END, 0.25)
    before = play(root, GAZE, frames)
    assert actions.clear_take(root, head, 100, 140, fps=FPS) > 10
    after = play(root, GAZE, frames)
    outside = (frames <= 100) | (frames >= 140)
    assert after[outside] == pytest.approx(before[outside], abs=2e-3)
    assert after[(frames > 102) & (frames < 138)] == pytest.approx(0.0, abs=1e-6)
    seams = {p.type for p in actions.fcurve_for(root, GAZE).keyframe_points if 99.9 < p.co[0] < 140.1}
    assert seams <= {"BREAKDOWN"}
    assert actions.clear_take(root, head, 100, 140, fps=FPS) == 0
    for start, end in ((1, 90), (90, 481)):
        actions.clear_take(root, head, start, end, fps=FPS)
    assert actions.channels_of(root) == actions.channels_of(head) == []


def test_an_edited_key_outside_keeps_all_that_it_holds(portrait):
    root, _ = portrait
    frames = np.linspace(1, 101, 11)
    actions.write_curve(root, GAZE, 0, frames, np.sin(frames) * (frames > 1) * (frames < 101))
    point = actions.fcurve_for(root, GAZE).keyframe_points[3]
    point.interpolation, point.easing, point.handle_left_type, point.type = "ELASTIC", "EASE_OUT", "VECTOR", "EXTREME"
    point.amplitude, point.select_control_point = 2.0, True
    actions.write_curve(root, GAZE, 0, [75.0, 95.0], [0.0, 0.0])
    point = actions.fcurve_for(root, GAZE).keyframe_points[3]
    assert (point.interpolation, point.easing, point.handle_left_type, point.type) == ("ELASTIC", "EASE_OUT", "VECTOR", "EXTREME")
    assert point.amplitude == 2.0 and point.select_control_point


def test_write_curve_draws_lines_and_exact_cubics(portrait):
    root, _ = portrait
    actions.write_curve(root, GAZE, 0, [1.0, 3.5, 11.0], [0.0, 5.0, 0.0], interpolation="LINEAR")
    assert play(root, GAZE, [2.25, 7.25]) == pytest.approx([2.5, 2.5], abs=1e-5)
    assert actions.fcurve_for(root, GAZE).keyframe_points[0].interpolation == "LINEAR"
    times = np.linspace(1, 11, 9)
    actions.write_curve(root, GAZE, 0, times, np.sin(times), slopes=np.cos(times))
    at = np.linspace(1, 11, 200)
    assert play(root, GAZE, at) == pytest.approx(np.sin(at), abs=0.01)
    with pytest.raises(ValueError, match="increasing"):
        actions.write_curve(root, GAZE, 0, [3.0, 1.0], [0.0, 0.0])


def test_numpy_reads_fcurves_as_blender_plays_them(portrait):
    root, _ = portrait
    rng = np.random.default_rng(2)
    for frame in np.cumsum(rng.uniform(0.3, 9, 40)):
        root["gaze_yaw"] = float(rng.normal(0, 10))
        root.keyframe_insert('["gaze_yaw"]', frame=float(frame))
    fcurve = actions.fcurve_for(root, '["gaze_yaw"]')
    for point, mode in zip(fcurve.keyframe_points, ("BEZIER", "LINEAR", "CONSTANT", "BEZIER") * 10, strict=True):
        point.interpolation = mode
    frames = np.linspace(-5, 210, 2001)
    assert actions.read_keys(fcurve).evaluate(frames) == pytest.approx([fcurve.evaluate(f) for f in frames], abs=2e-3)


def test_keys_survive_saving_and_opening(portrait, take, clean, tmp_path: Path):
    root, head = portrait
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    frames = np.arange(START, END, 0.5)
    before = play(root, GAZE, frames)
    clean.ops.wm.save_as_mainfile(filepath=str(tmp_path / "life é.blend"))
    clean.ops.wm.read_homefile(use_empty=True)
    clean.ops.wm.open_mainfile(filepath=str(tmp_path / "life é.blend"))
    root, head = clean.data.objects["Mara"], clean.data.objects["Mara.head"]
    assert np.array_equal(play(root, GAZE, frames), before)
    assert len(actions.channels_of(root)) == 6 and len(actions.channels_of(head)) == 6
    actions.clear_take(root, head, START, END, fps=FPS)
    assert actions.channels_of(root) == []


def test_undo_takes_the_keys_back(portrait, take, clean):
    root, head = portrait
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    clean.context.preferences.edit.use_global_undo = True
    clean.ops.ed.undo_push(message="life")
    actions.clear_take(root, head, START, END, fps=FPS)
    clean.ops.ed.undo_push(message="clear")
    if clean.ops.ed.undo() != {"FINISHED"}:
        pytest.skip("no undo in this bpy module")
    root, head = clean.data.objects["Mara"], clean.data.objects["Mara.head"]
    assert len(actions.channels_of(root)) == 6
    actions.clear_take(root, head, 100, 140, fps=FPS)
    assert len(actions.channels_of(root)) == 6


def test_two_portraits_may_share_an_action(portrait, take, clean):
    root, head = portrait
    action = clean.data.actions.new("Shared")
    for owner in (root, head):
        owner.animation_data_create().action = action
    actions.write_take(root, head, take, start_frame=START, fps=FPS)
    assert root.animation_data.action_slot != head.animation_data.action_slot
    assert len(actions.channels_of(root)) == len(actions.channels_of(head)) == 6


def test_what_is_no_portrait_or_not_ours_is_refused(portrait, take, clean, tmp_path: Path):
    root, head = portrait
    with pytest.raises(GazeSplatError, match="lacks the properties") as caught:
        actions.write_take(head, root, take, start_frame=START, fps=FPS)
    assert caught.value.code == "not-a-portrait"
    assert head.animation_data is None and root.animation_data is None
    with pytest.raises(GazeSplatError, match="frame rate") as caught:
        actions.write_take(root, head, take, start_frame=START, fps=0)
    assert caught.value.code == "bad-fps"
    actions.write_take(root, head, take, start_frame=1, fps=FPS)
    with pytest.raises(GazeSplatError, match="not after its start") as caught:
        actions.clear_take(root, head, 20, 10, fps=FPS)
    assert caught.value.code == "bad-range"
    clean.data.libraries.write(str(tmp_path / "lib.blend"), {root, head})
    clean.ops.wm.read_homefile(use_empty=True)
    with clean.data.libraries.load(str(tmp_path / "lib.blend"), link=True) as (_, into):
        into.objects = ["Mara", "Mara.head"]
    with pytest.raises(GazeSplatError, match="another file") as caught:
        actions.write_take(clean.data.objects["Mara"], clean.data.objects["Mara.head"], take, start_frame=1, fps=FPS)
    assert caught.value.code == "not-editable"
