# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of generated motion: made anew without losing what an artist did, muted, moved, baked, marked, checked."""
from __future__ import annotations

import json
import os
from pathlib import Path

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon.scene import actions, layers

END = 240


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    bpy.context.scene.frame_end = END
    return gs.portraits()[0]


def keys_of(portrait, layer):
    """Frames and values of every key of a layer, by channel."""
    return {name: actions.read_keys(fcurve).points.tolist()
            for name, fcurve in layers.fcurves(portrait.root, portrait.head, layer).items()}


def played(portrait, layer, frames):
    return {name: actions.read_keys(fcurve).evaluate(frames)
            for name, fcurve in layers.fcurves(portrait.root, portrait.head, layer).items()}


def pose(portrait, frames):
    """Yaw, pitch, blink and pupil of both eyes and the head's place at frames, as evaluated."""
    rows = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame), subframe=float(frame - int(frame)))
        depsgraph = bpy.context.evaluated_depsgraph_get()
        head = portrait.head.evaluated_get(depsgraph).matrix_world
        eyes = [value for eye in portrait.eyes for value in (eye.now.yaw_deg, eye.now.pitch_deg, eye.now.blink, eye.now.pupil)]
        rows.append([*eyes, *(1e3 * x for row in head for x in row)])
    return np.array(rows)


@pytest.mark.parametrize("name", ["Interview", "listening", "thinking", "reading", "stare", "tired"])
def test_a_preset_fills_its_layers_and_passes_the_check(portrait, name):
    portrait.root.keyframe_insert('["gaze_yaw"]', frame=3)
    assert portrait.animate(name, seed=4) > 100
    filled = {layer.name for layer in portrait.layers if layer.keys}
    assert filled == {"gaze", "blinks", "head", "pupils"} | ({"lids"} if name == "tired" else set())
    checked = portrait.check_motion()
    assert checked.passed, checked.text
    assert checked.report.in_band > 0.95
    assert portrait.clear() > 100
    assert not any(layer.keys for layer in portrait.layers)
    assert actions.fcurve_for(portrait.root, '["gaze_yaw"]') is not None, "hand keys stay"


def test_presets_of_the_artist_are_found_and_bad_ones_named(portrait, gs):
    folder = gs.motion_preset_folder()
    folder.mkdir(parents=True)
    (folder / "wired.json").write_text(json.dumps({"format": 1, "label": "Wired", "state": "talking", "blinks_per_minute": 40}), "utf-8")
    assert gs.motion_presets()["wired"].blinks_per_minute == 40
    portrait.animate("wired", seed=1)
    assert portrait.layers["blinks"].recipe["per_minute"] == 40
    (folder / "wired.json").write_text(json.dumps({"format": 1, "blinks": 40}), "utf-8")
    with pytest.raises(gs.GazeSplatError, match=r"wired\.json.*blinks") as caught:
        portrait.animate("wired", seed=1)
    assert caught.value.code == "bad-preset"
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.animate("nobody", seed=1)
    assert caught.value.code == "unknown-preset"
    (folder / "wired.json").unlink()


def test_reseeding_keeps_what_was_edited_by_hand(portrait):
    portrait.animate("thinking", seed=1)
    gaze = portrait.layers["gaze"]
    assert gaze.edited == []
    curve = actions.fcurve_for(portrait.root, '["life_gaze_yaw"]')
    middle = min(range(len(curve.keyframe_points)), key=lambda i: abs(curve.keyframe_points[i].co[0] - 120))
    curve.keyframe_points[middle].co[1] += 7.0
    curve.update()
    (low, high), = gaze.edited
    frames = np.linspace(low, high, 15)
    before, others = played(portrait, "gaze", frames), keys_of(portrait, "blinks")

    gaze.reseed(2)

    after = played(portrait, "gaze", frames)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], atol=1e-3)
    assert keys_of(portrait, "blinks") == others, "other layers stay"
    assert gaze.edited == [(low, high)], "it is still the artist's"
    elsewhere = np.linspace(1, low - 2, 200)
    assert np.abs(played(portrait, "gaze", elsewhere)["life_gaze_yaw"]).max() > 1.0
    gaze.reseed(2, keep_edits=False)
    assert gaze.edited == []
    assert np.abs(played(portrait, "gaze", frames)["life_gaze_yaw"] - before["life_gaze_yaw"]).max() > 1.0


def test_a_removed_and_an_added_key_count_as_edits(portrait):
    portrait.animate("listening", seed=5)
    curve = actions.fcurve_for(portrait.root, '["life_blink_left"]')
    frames = [point.co[0] for point in curve.keyframe_points]
    curve.keyframe_points.remove(curve.keyframe_points[len(frames) // 2])
    head = actions.fcurve_for(portrait.head, "delta_rotation_euler", 2)
    head.keyframe_points.insert(101.5, 0.05)
    assert [low < frames[len(frames) // 2] < high for low, high in portrait.layers["blinks"].edited] == [True]
    assert [low < 101.5 < high for low, high in portrait.layers["head"].edited] == [True]
    assert portrait.layers["pupils"].edited == []
    assert not any(f.holds is False for f in portrait.check_motion().findings if f.title == "Same seed, same keys")


def test_the_same_seed_gives_the_same_keys_and_a_later_start_the_same_motion(portrait):
    portrait.animate("interview", seed=9)
    first = {name: keys_of(portrait, name) for name in layers.NAMES}
    portrait.animate("interview", seed=9)
    assert {name: keys_of(portrait, name) for name in layers.NAMES} == first
    gaze = portrait.layers["gaze"]
    old = played(portrait, "gaze", np.arange(1.0, 200.0))["life_gaze_yaw"]
    gaze.retime(31)
    assert gaze.range == (31.0, 270.0)
    np.testing.assert_allclose(played(portrait, "gaze", np.arange(31.0, 230.0))["life_gaze_yaw"], old, atol=0.03)
    assert gaze.edited == []


def test_a_muted_layer_is_not_played_and_stays_muted(portrait):
    portrait.animate("interview", seed=3)
    frames = np.arange(1, END, 7.0)
    moving = pose(portrait, frames)
    for layer in portrait.layers:
        layer.muted = True
    still = pose(portrait, frames)
    assert np.ptp(still, axis=0).max() < 1e-4
    portrait.layers["blinks"].reseed(8)
    assert portrait.layers["blinks"].muted
    portrait.layers["blinks"].reseed(3)
    for layer in portrait.layers:
        layer.muted = False
    np.testing.assert_allclose(pose(portrait, frames), moving, atol=1e-4)


@pytest.mark.parametrize("preset", ["interview", "tired"])
def test_baking_moves_the_motion_to_the_artists_channels(portrait, preset):
    portrait.gaze = (4.0, 1.0)
    portrait.head.rotation_euler = (0.02, 0.0, 0.1)
    portrait.head.keyframe_insert("rotation_euler", frame=50)
    portrait.animate(preset, seed=6)
    for name in ("blinks", "lids"):     # the sideways part of a dip has no channel of the artist's
        portrait.layers[name].muted = False
    dip = actions.fcurve_for(portrait.root, '["life_gaze_dip"]')
    actions.channelbag(portrait.root).fcurves.remove(dip)
    portrait.root["life_gaze_dip"] = 0.0
    frames = np.arange(1.0, END, 2.5)
    before = pose(portrait, frames)
    made = sum(layer.bake() for layer in portrait.layers)
    assert made > 100 and not any(layer.keys for layer in portrait.layers)
    after = pose(portrait, frames)
    # a blink under heavy lids is the larger of the two instead of closing what they left open
    closing = [2, 6]
    angles = [0, 1, 4, 5]
    assert np.abs(after - before)[:, angles].max() < 0.1
    assert np.abs(after - before)[:, closing].max() < (0.15 if preset == "tired" else 0.02)
    assert np.abs(after - before)[:, 8:].max() < 1.0, "millimetres, and thousandths of the head's axes"
    portrait.clear()
    np.testing.assert_allclose(pose(portrait, frames[:10]), after[:10], atol=1e-6)


def test_events_are_marked_once(portrait):
    portrait.animate("interview", seed=3)
    count = portrait.mark_events()
    markers = bpy.context.scene.timeline_markers
    assert count == len(markers) > 3
    blinks = [marker.frame for marker in markers if marker.name == "Mara blink"]
    closed = played(portrait, "blinks", np.array(blinks, float))["life_blink_left"]
    assert (closed > 0.5).all()
    markers.new("mine", frame=3)
    assert portrait.mark_events() == count and len(markers) == count + 1
    assert portrait.clear_events() == count and [marker.name for marker in markers] == ["mine"]


def test_blinks_come_on_the_frames_that_are_asked_for(portrait):
    portrait.add_blinks(seed=1, per_minute=0, at_frames=[48, 120])
    shut = played(portrait, "blinks", np.array([40.0, 48, 56, 120, 130]))["life_blink_left"]
    assert (shut > 0.9).tolist() == [False, True, False, True, False]


def test_the_check_finds_a_slow_saccade_and_a_gaze_that_slides(portrait):
    portrait.look_at((0.0, -2.0, 0.1))
    root = portrait.root
    for frame, yaw in ((1, 0.0), (40, 0.0), (64, 15.0), (240, 15.0)):   # an eye that glides for a second
        root["gaze_yaw"] = yaw
        root.keyframe_insert('["gaze_yaw"]', frame=frame)
    slow = portrait.check_motion()
    assert not slow.passed
    assert {f.title for f in slow.findings if f.holds is False} >= {"Saccade speed"}

    root.animation_data_clear()
    root["gaze_yaw"] = 0.0
    portrait.animate("listening", seed=2)
    driver = next(d for d in portrait.object.animation_data.drivers if "clamp(degrees(eye) + hand" in d.driver.expression)
    driver.driver.expression = driver.driver.expression.replace("degrees(eye)", "0.2 * degrees(eye)")
    portrait.head.rotation_euler.z = 0.3
    broken = portrait.check_motion()
    assert {f.title for f in broken.findings if f.holds is False} == {"Fixed gaze"}, broken.text


@pytest.mark.parametrize("target", [(0.3, -1.0, 0.2), None])
def test_gaze_holds_while_generators_turn_the_head_with_and_without_a_target(portrait, target):
    portrait.look_at(target)
    portrait.add_saccades(seed=11, state="thinking")
    portrait.add_head_drift(seed=11, propensity=1.0, turn_deg=1.0)
    assert np.ptp(played(portrait, "head", np.arange(1.0, END))["head_yaw"]) > 0.1, "the head does turn"
    held = next(f for f in portrait.check_motion().findings if f.title == "Fixed gaze")
    assert held.holds, held.sentence


def test_the_report_is_a_page_with_plots(portrait, tmp_path):
    if "GAZESPLAT_BACKEND_PYTHON" not in os.environ:
        pytest.skip("GAZESPLAT_BACKEND_PYTHON names no backend")
    portrait.animate("interview", seed=3)
    page = tmp_path / "Bericht für Mara.html"
    checked = portrait.check_motion(report=page)
    assert checked.saved == page and not list(tmp_path.glob("*.part"))
    text = Path(page).read_text("utf-8")
    assert "Saccade speed" in text and "data:image/png;base64," in text
