# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips that hold less than they seem to: tripod shots, turning tripods, ten minutes, lenses that bend, pictures on their side."""
from __future__ import annotations

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model.landmarks import FaceReader
from gazesplat.backend.video import cameras, container, metric, sfm
from gazesplat.backend.video import frames as choosing
from gazesplat.backend.video.poses import straightened
from gazesplat.backend.video.prepare import prepare_clip
from gazesplat.backend.video.upright import quarter_turns, read_any_way_up, turned_points
from tests.clips import label_colours, repeat, ticks_a_second, turn_on_its_side, uneven_times, write_clip
from tests.faces import RecordingContext, astronaut


def noisy(picture, rng):
    return np.clip(picture + rng.normal(0.0, 3.0, picture.shape), 0, 255).astype(np.uint8)


def turned_camera(picture, yaw_deg, focal=700.0):
    """Return what a camera sees that only turns on its tripod."""
    height, width = picture.shape[:2]
    k = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    a = np.radians(yaw_deg)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    return cv2.warpPerspective(picture, k @ turn @ np.linalg.inv(k), (width, height), borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("yaws", [np.zeros(9), np.linspace(-7.0, 7.0, 9)], ids=["tripod", "pure rotation"])
def test_a_head_seen_from_one_side_is_offered_the_selfie_road(tmp_path, yaws):
    rng = np.random.default_rng(0)
    clip = write_clip(tmp_path / "clip.mp4", [noisy(turned_camera(astronaut(), yaw), rng) for yaw in yaws])
    with pytest.raises(GazeSplatError) as refusal:
        prepare_clip(clip, tmp_path / "work", {"num_frames": 9}, RecordingContext())
    assert refusal.value.code == "too-little-parallax" and "photo" in refusal.value.hint
    assert cv2.imread(str(tmp_path / "work" / cameras.BEST_FRAME)).shape == (512, 512, 3)
    assert not (tmp_path / "work" / "sfm").exists()


def test_ten_minutes_are_looked_at_here_and_there(tmp_path):
    rng = np.random.default_rng(1)
    clip = write_clip(tmp_path / "clip.mp4", [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(24)], fps=60.0)
    repeat(clip, 1500)
    told = RecordingContext()
    stretches = choosing._collect(clip, 10, 540, told)
    indices = [one.index for stretch in stretches for one in stretch]
    assert told.codes == ["clip-long"] and "600 s" in told.warnings[0][1]
    assert 15 <= len(indices) <= 30 and min(indices) < 3000 and max(indices) > 33_000


def test_a_clip_that_is_stored_on_its_side_comes_out_upright(tmp_path):
    lying = np.full((96, 128, 3), (200, 40, 40), np.uint8)
    lying[:48] = (40, 40, 200)                      # blue above red; turned clockwise, blue is on the right
    clip = write_clip(tmp_path / "clip.mp4", [lying] * 9)
    turn_on_its_side(clip)
    upright = choosing._collect(clip, 9, 540, RecordingContext())[0][0].pixels()
    assert upright.shape == (128, 96, 3)
    assert upright[64, 80, 2] > 150 > 90 > upright[64, 80, 0] and upright[64, 16, 0] > 150 > 90 > upright[64, 16, 2]


def test_uneven_frames_keep_their_own_times(tmp_path):
    rng = np.random.default_rng(4)
    clip = write_clip(tmp_path / "clip.mp4", [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(10)])
    lasts = np.array([1, 1, 5, 1, 1, 1, 9, 1, 1, 1])
    unit = ticks_a_second(clip) // 30
    uneven_times(clip, (lasts * unit).tolist())
    stretches = choosing._collect(clip, 10, 540, RecordingContext())
    times = np.array([one.time_s for stretch in stretches for one in stretch])
    assert np.allclose(times - times[0], np.concatenate([[0.0], np.cumsum(lasts[:-1])]) / 30.0, atol=2e-3)


@pytest.mark.parametrize(("ending", "codec"), [("webm", "VP80"), ("webm", "VP90"), ("mkv", "mp4v"), ("mkv", "MJPG")])
def test_matroska_says_what_it_holds(tmp_path, ending, codec):
    rng = np.random.default_rng(2)
    clip = write_clip(tmp_path / f"clip.{ending}", [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(10)], codec=codec)
    said = container.describe(clip)
    assert said.pictures and not said.sound and not said.high_dynamic_range
    assert len(choosing._collect(clip, 8, 540, RecordingContext())) == 10


def test_matroska_says_hdr_and_sound_alone(tmp_path):
    def element(number, content):
        return bytes.fromhex(number) + struct.pack(">Q", 1 << 56 | len(content)) + content

    def segment(*tracks):       # of unknown length, as live recorders write it
        return element("1a45dfa3", element("4282", b"webm")) + bytes.fromhex("18538067" "01ffffffffffffff") \
            + element("ec", bytes(40)) + element("1654ae6b", b"".join(element("ae", track) for track in tracks)) + element("1f43b675", b"")

    sound, hdr = element("83", b"\x02"), element("83", b"\x01") + element("e0", element("55b0", element("55ba", b"\x10")))
    (tmp_path / "hdr.webm").write_bytes(segment(sound, hdr))
    (tmp_path / "voice.webm").write_bytes(segment(sound))
    said = container.describe(tmp_path / "hdr.webm")
    assert said.pictures and said.sound and said.transfer == container.PQ
    said = container.describe(tmp_path / "voice.webm")
    assert said.sound and not said.pictures


def test_the_colour_matrix_that_a_clip_names_is_obeyed(tmp_path):
    """The same luma and chroma named BT.601 and BT.709: the pictures differ as the two matrices do."""
    flat = np.tile(np.array([180, 70, 60], np.uint8), (48, 64, 1))
    read = {}
    for matrix in (6, 1):
        clip = write_clip(tmp_path / f"{matrix}.mp4", [flat] * 10)
        label_colours(clip, 1, 1, matrix)
        read[matrix] = choosing._collect(clip, 8, 540, RecordingContext())[0][0].pixels()[24, 32].astype(float)
    weights = {6: (0.299, 0.114), 1: (0.2126, 0.0722)}

    def to_rgb(matrix):
        (red, blue), inverse = weights[matrix], np.zeros((3, 3))
        luma = np.array([red, 1.0 - red - blue, blue])
        inverse[0], inverse[1:] = luma, [[(-luma[0]), -luma[1], 1.0 - luma[2]], [1.0 - luma[0], -luma[1], -luma[2]]]
        return np.linalg.inv(inverse / np.array([[1.0], [2.0 * (1.0 - blue)], [2.0 * (1.0 - red)]]))

    expected = to_rgb(1) @ np.linalg.inv(to_rgb(6)) @ read[6]
    assert np.abs(read[1] - expected).max() < 3.0
    assert np.abs(read[1] - read[6]).max() > 8.0


@pytest.mark.parametrize(("last_words", "free"), [("sys.exit('sqlite3 error: database or disk is full')", 1 << 30), ("os.abort()", 0)])
def test_a_full_disk_is_named_and_leaves_nothing_half_done(tmp_path, monkeypatch, last_words, free):
    """On a disk that is really full COLMAP aborts and its log stays empty: then what is free tells."""
    child = tmp_path / "child.py"
    child.write_text(f"import os, sys\n{last_words}\n")
    monkeypatch.setattr(sfm, "_CHILD", child)
    monkeypatch.setattr(sfm.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    place = tmp_path / "sfm" / "sfm-head"
    place.mkdir(parents=True)
    (place.parent / "features.db.part-wal").touch()
    (place / "request.json").write_text("{}")
    with pytest.raises(GazeSplatError) as refusal:
        sfm._run_child(place / "request.json", RecordingContext())
    assert refusal.value.code == "disk-full" and not list(place.parent.iterdir())


@pytest.mark.parametrize(("code", "kept"), [(3, True), (1, False)])
def test_only_an_answer_is_remembered(tmp_path, monkeypatch, code, kept):
    """That pictures give no cameras need not be found out twice; that the child broke down says nothing about them."""
    child = tmp_path / "child.py"
    child.write_text(f"import pathlib, sys\nopen(pathlib.Path(sys.argv[1]).with_name('runs'), 'a').write('x')\nsys.exit({code})\n")
    monkeypatch.setattr(sfm, "_CHILD", child)
    frames = SimpleNamespace(folder=tmp_path, names=("0000.png",))
    for _ in range(2):
        assert sfm.run_sfm(frames, np.array([0]), "sfm-head", tmp_path / "sfm", RecordingContext()) is None
    assert (tmp_path / "sfm" / "sfm-head" / "runs").read_text() == ("x" if kept else "xx")


@pytest.mark.parametrize("radial", [-0.3, -0.08, 0.25])
def test_a_bending_lens_is_straightened(radial):
    """Dots where the bent lens shows a grid: in the straightened picture they lie on the grid."""
    focal, width, height = 420.0, 640, 480
    grid = np.stack(np.meshgrid(np.linspace(-0.55, 0.55, 7), np.linspace(-0.42, 0.42, 5)), -1).reshape(-1, 2)
    bent = grid * (1.0 + radial * (grid ** 2).sum(1, keepdims=True))
    assert np.abs(straightened(bent, radial) - grid).max() < 1e-6
    lens = (focal, width / 2, height / 2, radial)
    picture = np.zeros((height, width, 3), np.uint8)
    for x, y in bent * focal + [width / 2, height / 2]:
        cv2.circle(picture, (round((x - 0.5) * 16), round((y - 0.5) * 16)), 3 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    straight = cameras._undistorted(picture, lens)
    for x, y in grid * focal + [width / 2, height / 2]:
        rows, columns = np.mgrid[int(y) - 7:int(y) + 8, int(x) - 7:int(x) + 8]
        light = straight[rows, columns, 0].astype(float)
        assert abs((light * (columns + 0.5)).sum() / light.sum() - x) < 0.25 and abs((light * (rows + 0.5)).sum() / light.sum() - y) < 0.25


@pytest.mark.parametrize("looks_ahead", [0.0, 1.0])
def test_irises_that_grow_narrow_from_the_side_give_their_true_size(looks_ahead):
    yaws = np.array([3.0, -8.0, 10.0, 15.0, -17.0, 19.0, -22.0])
    noise = 1.0 + np.array([0.004, -0.006, 0.003, 0.002, -0.004, 0.005, -0.002])
    readings = 0.012 * (1.0 - looks_ahead * (1.0 - np.cos(np.radians(yaws)))) * noise
    assert metric.face_on(readings, yaws) == pytest.approx(0.012, rel=0.01)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_is_read_in_a_picture_on_its_side(turns):
    upright = astronaut()[20:240, 90:360]
    lying = np.ascontiguousarray(np.rot90(upright, -turns))
    with FaceReader() as reader:
        expected, found = reader.read(upright)[0].points_px, read_any_way_up(reader, lying)[0].points_px
    assert quarter_turns(found) == turns
    back = turned_points(found, turns, lying.shape[1::-1])
    assert np.median(np.linalg.norm((back - expected)[:, :2], axis=1)) < (0.01 if turns == 0 else 2.0)
