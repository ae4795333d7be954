# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes that follow live, and what of it becomes keys."""
from __future__ import annotations

import bpy
import numpy as np
import pytest

FPS = 60


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    bpy.context.scene.frame_end = 240
    return gs.portraits()[0]


def gaze_of(portrait):
    bpy.context.view_layer.update()
    now = portrait.eyes.left.now
    return np.array([now.yaw_deg, now.pitch_deg])


def off_target_deg(portrait, point):
    """Angle between where the left eye looks and a point, small life aside."""
    portrait.root["life"] = 0.0
    followed = gaze_of(portrait)
    portrait.look_at(point)
    wanted = gaze_of(portrait)
    portrait.root["life"] = 1.0
    return float(np.hypot(*(followed - wanted)))


def test_eyes_reach_what_has_jumped_within_a_third_of_a_second_and_stay_on_it(portrait):
    follow = portrait.live_follow(seed=1)
    for _ in range(20):
        follow.step(1 / FPS, (0.25, -0.9, 0.1))
    assert off_target_deg(portrait, (0.25, -0.9, 0.1)) < 0.3


def test_a_dart_is_as_fast_as_a_saccade_whatever_the_display_rate(portrait):
    frames = {}
    for rate in (30, 60, 144):
        follow = portrait.live_follow(seed=1)
        portrait.root["life"] = 0.0
        start, track = gaze_of(portrait), []
        for _ in range(rate // 2):
            follow.step(1 / rate, (0.3, -1.0, 0.0))
            track.append(gaze_of(portrait))
        follow.stop()
        off = np.hypot(*(np.array(track) - track[-1]).T) / np.hypot(*(track[-1] - start))
        frames[rate] = np.sum((off > 0.03) & (off < 0.97)) / rate
    assert all(spent_s <= 0.10 for spent_s in frames.values()), frames


def test_gentle_attention_glides(portrait):
    follow = portrait.live_follow(seed=1, attention=0.1)
    portrait.root["life"] = 0.0
    goal = (0.3, -1.0, 0.0)
    halfway = []
    for _ in range(FPS):
        follow.step(1 / FPS, goal)
        halfway.append(gaze_of(portrait)[0])
    assert np.abs(np.diff(halfway)).max() * FPS < 80.0, "deg/s: far below a saccade"


def test_eyes_go_home_slowly_when_there_is_nothing_to_see(portrait):
    follow = portrait.live_follow(seed=1)
    portrait.root["life"] = 0.0
    for _ in range(30):
        follow.step(1 / FPS, (0.3, -1.0, 0.0))
    away = np.hypot(*gaze_of(portrait))
    for _ in range(FPS // 2):
        follow.step(1 / FPS, None)
    assert 0.3 * away < np.hypot(*gaze_of(portrait)) < 0.9 * away
    for _ in range(5 * FPS):
        follow.step(1 / FPS, None)
    assert np.hypot(*gaze_of(portrait)) < 1.0, "the drifting head aside"


def test_the_cursor_over_the_viewers_own_eye_line_meets_the_viewer(portrait):
    follow = portrait.live_follow(seed=1)
    viewer = np.array([0.4, -1.2, 0.3])
    eyes = np.array(follow._between_eyes())
    point = np.array(follow.cursor_goal(viewer, eyes - viewer))
    across = np.cross(point - eyes, viewer - eyes)
    assert np.linalg.norm(across) < 1e-6, "the gaze runs to where the viewer is, also from the side"
    assert 0.1 < np.linalg.norm(point - eyes) < np.linalg.norm(viewer - eyes)


def test_idle_life_plays_and_everything_comes_back(portrait):
    candle = bpy.data.objects.new("Candle", None)
    bpy.context.scene.collection.objects.link(candle)
    candle.location = (-0.2, -1.5, 0.0)
    portrait.look_at(candle)
    portrait.animate("interview", seed=5)
    bpy.context.scene.frame_set(77)
    before, names = gaze_of(portrait), [c.name for c in portrait.gaze_target.constraints]
    head = portrait.head.delta_rotation_euler.copy()
    follow = portrait.live_follow(seed=3)
    blinks = []
    for _ in range(12 * 20):
        follow.step(1 / 20, (0.2, -1.0, 0.0))
        blinks.append(portrait.root["life_blink_left"])
    assert max(blinks) > 0.5, "twelve seconds without a blink"
    follow.stop()
    np.testing.assert_allclose(gaze_of(portrait), before, atol=1e-3)
    assert [c.name for c in portrait.gaze_target.constraints] == names
    np.testing.assert_allclose(portrait.head.delta_rotation_euler, head, atol=1e-6)


def test_a_recording_plays_again(portrait):
    scene = bpy.context.scene
    fps = scene.render.fps
    follow = portrait.live_follow(seed=3)
    follow.start_recording()
    seen = []
    for tick in range(4 * FPS):
        goal = (0.25, -1.0, 0.0) if tick > FPS else (-0.2 + 0.001 * tick, -1.0, 0.05)
        follow.step(1 / FPS, goal)
        seen.append(np.array(follow._live.at))
    made = follow.keep(start=11)
    follow.stop()
    assert 6 < made < 3 * 4 * FPS
    for tick in (5, 50, 70, 100, 200):
        frame = 11 + tick / FPS * fps
        scene.frame_set(int(frame), subframe=frame % 1)
        target = np.array(portrait.gaze_target.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.translation)
        np.testing.assert_allclose(target, seen[tick], atol=0.004)
    assert portrait.layers["blinks"].recipe["start"] == 11
    assert not portrait.gaze_target.constraints


def test_a_list_of_targets_is_darted_along(portrait):
    scene = bpy.context.scene
    first, second = (bpy.data.objects.new(name, None) for name in ("A", "B"))
    for one, where in ((first, (0.3, -1.0, 0.0)), (second, (-0.3, -1.2, 0.15))):
        scene.collection.objects.link(one)
        one.location = where
    bpy.context.view_layer.update()
    assert portrait.look_at_list([(48, second), (1, first), (96, (0.0, -1.0, -0.3)), (140, None)]) > 10
    wanted = {}
    for frame, target in ((20, first), (60, second), (120, (0.0, -1.0, -0.3)), (230, None)):
        scene.frame_set(frame)
        wanted[frame] = gaze_of(portrait), target
    scene.frame_set(49)
    during = gaze_of(portrait)
    scene.frame_set(51)
    landed = gaze_of(portrait)
    for gaze, target in wanted.values():
        portrait.look_at(target)
        assert np.hypot(*(gaze_of(portrait) - gaze)) < (0.05 if target is not None else 0.15), target
    off = np.hypot(*(during - wanted[60][0])) / np.hypot(*(wanted[20][0] - wanted[60][0]))
    assert 0.2 < off < 0.8, "on its way one frame after it left"
    assert np.hypot(*(landed - wanted[60][0])) < 0.05, "and there two frames later"
    assert not any("influence" in curve.data_path for curve in getattr(channels(portrait.gaze_target), "fcurves", ()))


def channels(owner):
    from gazesplat.gazesplat_addon.scene import actions
    return actions.channelbag(owner)


def test_a_list_with_nothing_in_it_is_refused(portrait, gs):
    for wrong in ([], [(1,)], [(1, portrait.object)], [(1, "there")]):
        with pytest.raises(gs.GazeSplatError):
            portrait.look_at_list(wrong)
