# SPDX-License-Identifier: GPL-3.0-or-later
"""A filmed performance on a portrait: keys in the generators' layers, and a whole job from a clip."""
from __future__ import annotations

import os

import bpy
import numpy as np
import pytest

FPS = 24.0


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    bpy.context.scene.frame_end = 120
    return gs.portraits()[0]


@pytest.fixture
def readings(room):
    """Five seconds: a look to the side for a second, a blink, a head that turns."""
    times = np.arange(120) / FPS
    rng = np.random.default_rng(0)
    turn = np.stack([8 * np.sin(times), 0 * times, 0 * times], 1)
    gaze = np.where((times[:, None] > 2) & (times[:, None] < 3), [15.0, -4.0], [0.0, 0.0])
    aperture = np.full((120, 2), 0.9)
    aperture[60:66] = np.array([0.5, 0.05, 0.03, 0.2, 0.5, 0.8])[:, None]
    capture = room("gazesplat_addon.gaze.capture")
    return capture.Readings(times, gaze - turn[:, :2] + 0.4 * rng.standard_normal((120, 2)), aperture,
                            turn + 0.3 * rng.standard_normal((120, 3)), np.zeros((120, 3)), np.full(120, 0.01))


def perform(room, portrait, readings, **settings):
    return room("gazesplat_addon.capture_job").perform(
        portrait, readings, **{"start": 11.0, "head_share": 1.0, "contact_s": None, "only": ("gaze", "blinks", "head"), **settings})


def eye_at(portrait, frame):
    bpy.context.scene.frame_set(frame)
    return portrait.eyes.left.now


def test_a_performance_plays_on_the_portrait(portrait, room, readings):
    portrait.look_at(None)
    made = perform(room, portrait, readings)
    assert 2 <= made.saccades <= 3 and made.keys > 20
    assert made.blinks_s == pytest.approx([60 / FPS], abs=1 / FPS)
    assert eye_at(portrait, 11 + 62).blink > 0.95 and eye_at(portrait, 11 + 40).blink == 0.0
    side = eye_at(portrait, 11 + 56)
    head = np.degrees(portrait.head.delta_rotation_euler.z)
    assert side.yaw_deg + head == pytest.approx(15.0, abs=1.2), "eyes and head together look where the actor looked"
    assert abs(head) > 3.0
    assert portrait.layers["pupils"].keys == 0


def test_only_what_is_asked_for_is_taken_over(portrait, room, readings):
    portrait.add_blinks(seed=1, per_minute=17)
    before = portrait.layers["blinks"].keys
    perform(room, portrait, readings, only=("gaze",), start=1.0)
    assert portrait.layers["blinks"].keys == before and portrait.layers["head"].keys == 0
    assert portrait.layers["gaze"].edited == [], "it can be replaced like any generated layer"
    portrait.layers["gaze"].clear()
    assert portrait.layers["gaze"].keys == 0


def test_wrong_wishes_are_refused(portrait, gs, tmp_path):
    for wrong in ({"layers": ("nose",)}, {"layers": ()}, {"head_share": -1.0}, {"head_share": float("nan")}):
        with pytest.raises(gs.GazeSplatError):
            portrait.capture_gaze(tmp_path / "clip.mp4", **wrong)


def test_damaged_readings_are_refused(room, tmp_path, gs):
    load = room("gazesplat_addon.gaze.readings").load_readings
    bad = tmp_path / "readings.npz"
    bad.write_bytes(b"no zip")
    with pytest.raises(gs.GazeSplatError, match="cannot be read"):
        load(bad)
    np.savez(bad, times_s=np.arange(5), eye_deg=np.zeros((5, 2)), aperture=np.zeros((5, 2)), head_deg=np.zeros((5, 3)),
             head_m=np.zeros((4, 3)), spread=np.zeros(5))
    with pytest.raises(gs.GazeSplatError, match="readings of a clip"):
        load(bad)
    np.savez(bad, times_s=np.array([object()]), allow_pickle=True)
    with pytest.raises(gs.GazeSplatError, match="cannot be read"):
        load(bad)


def test_a_clip_becomes_keys_through_the_backend(portrait, tmp_path, backend_python):
    clip = tmp_path / "Schauspiel für 顔.mp4"
    _film(backend_python, clip)
    captured = portrait.capture_gaze(clip, start=5)
    assert captured.frames == 24 and captured.seen == 1.0
    assert portrait.layers["gaze"].keys and portrait.layers["gaze"].range[0] == 5.0


@pytest.fixture
def backend_python() -> str:
    """The backend's Python."""
    if "GAZESPLAT_BACKEND_PYTHON" not in os.environ:
        pytest.skip("GAZESPLAT_BACKEND_PYTHON names no backend")
    return os.environ["GAZESPLAT_BACKEND_PYTHON"]


def _film(python, clip):
    """Write a second of the astronaut's face, drifting a little, as a clip: Blender's Python has no video writer of its own."""
    import subprocess
    from pathlib import Path
    photo = Path(__file__).resolve().parents[2] / "docs" / "examples" / "astronaut.png"
    code = ("import cv2, sys, numpy as np\nim = cv2.imread(sys.argv[1])\n"
            "out = cv2.VideoWriter(sys.argv[2], cv2.VideoWriter_fourcc(*'mp4v'), 24, "
            "(400, 400))\n"
            "for i in range(24): out.write(np.ascontiguousarray(cv2.resize(im, (512, 512))[i // 4:i // 4 + 400, 40:440]))\n"
            "out.release()")
    subprocess.run([python, "-c", code, str(photo), str(clip)], check=True, capture_output=True)
