# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with motion: odd values, things that are gone, and many portraits at once."""
from __future__ import annotations

import time

import bpy
import numpy as np
import pytest


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    bpy.context.scene.frame_end = 120
    return gs.portraits()[0]


@pytest.mark.parametrize(("wrong", "code"), [
    (lambda p: p.animate("listening", seed=1, start=50, end=50), "bad-range"),
    (lambda p: p.animate("listening", seed=1, start=50, end=20), "bad-range"),
    (lambda p: p.animate("listening", seed=-1), "bad-seed"),
    (lambda p: p.animate("dancing", seed=1), "unknown-preset"),
    (lambda p: p.add_blinks(seed=1, per_minute=-3), "bad-rate"),
    (lambda p: p.add_blinks(seed=1, per_minute=float("nan")), "bad-rate"),
    (lambda p: p.add_blinks(seed=1, slowness=0.0), "bad-amount"),
    (lambda p: p.add_head_drift(seed=1, propensity=1.5), "bad-amount"),
    (lambda p: p.add_heavy_lids(seed=1, closed=2.0), "bad-amount"),
    (lambda p: p.check_motion(start=9, end=3), "bad-range"),
    (lambda p: p.layers["gaze"].reseed(1), "no-recipe"),
    (lambda p: p.layers["mouth"], "no-layer"),
    (lambda p: p.live_follow(seed=1, attention=2.0), "bad-amount"),
])
def test_wrong_values_are_refused_and_leave_no_keys(portrait, gs, wrong, code):
    with pytest.raises(gs.GazeSplatError) as caught:
        wrong(portrait)
    assert caught.value.code == code and caught.value.hint
    assert not any(layer.keys for layer in portrait.layers)


@pytest.mark.parametrize("fps", [1, 12, 120, 1000])
def test_odd_frame_rates_still_play_saccades(portrait, fps):
    bpy.context.scene.render.fps = fps
    bpy.context.scene.frame_end = max(12 * fps, 12)
    portrait.animate("interview", seed=2)
    checked = portrait.check_motion()
    assert checked.report.in_band > 0.95, checked.text


def test_eyes_whose_target_was_deleted_stay_calm_and_the_check_still_answers(portrait):
    candle = bpy.data.objects.new("Candle", None)
    bpy.context.scene.collection.objects.link(candle)
    portrait.look_at(candle)
    portrait.animate("listening", seed=1)
    bpy.data.objects.remove(candle)
    bpy.context.scene.frame_set(30)
    assert np.isfinite([portrait.eyes.left.now.yaw_deg, portrait.eyes.left.now.pitch_deg]).all()
    assert portrait.check_motion().report.saccades >= 0


def test_a_portrait_scaled_to_nothing_gives_no_traceback(portrait):
    portrait.animate("listening", seed=1)
    portrait.root.scale = (0.0, 0.0, 0.0)
    bpy.context.view_layer.update()
    assert np.isfinite(portrait.eyes.left.now.yaw_deg)
    text = portrait.check_motion().text
    assert "Fixed gaze" in text


def test_a_deleted_part_is_named(portrait, gs):
    bpy.data.objects.remove(portrait.gaze_target)
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.animate("listening", seed=1)
    assert caught.value.code == "part-deleted"


def test_fifty_portraits_cost_fifty_times_one_and_no_more(clean, gs, loaded_blend):
    """Operation counts cannot be had from Blender, so one program is held against itself: 50 portraits and 5."""
    def seconds(count):
        bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
        bpy.context.scene.frame_end = 240
        first = gs.portraits()[0]
        for _ in range(count - 1):
            gs.load(first.folder)
        portraits = gs.portraits()
        for number, portrait in enumerate(portraits):
            portrait.object.modifiers[0].show_viewport = False
            portrait.animate("listening", seed=number)
        started = time.process_time()
        for frame in range(1, 25):
            bpy.context.scene.frame_set(frame)
        return (time.process_time() - started) / count
    few, many = seconds(5), seconds(50)
    assert many < 3 * few
