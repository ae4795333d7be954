# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips that phones and people really hand over: which frames come out, and what is said of those that give none."""
from __future__ import annotations

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.video import container, tone
from gazesplat.backend.video import frames as choosing
from gazesplat.backend.video.faces import Reading, _check
from gazesplat.backend.video.source import ClipSource, fitted, folder_pictures
from tests.clips import label_colours, write_clip


class Told:
    """A job context that keeps its warnings."""

    def __init__(self):
        self.codes = []

    def progress(self, fraction, text=""):
        assert 0.0 <= fraction <= 1.0

    def warn(self, code, message, hint=""):
        self.codes.append(code)


@pytest.fixture
def told():
    return Told()


@pytest.fixture(scope="module")
def texture():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (60, 100, 3), dtype=np.uint8), (500, 300), interpolation=cv2.INTER_CUBIC)


def panned(texture, count, width=160, height=120):
    return [texture[40:40 + height, 3 * i:3 * i + width] for i in range(count)]


@pytest.mark.parametrize("make", ["zero", "noise", "cut-short"])
def test_a_damaged_file_is_one_clear_sentence(tmp_path, told, texture, make):
    path = tmp_path / "clip.mp4"
    if make == "zero":
        path.write_bytes(b"")
    elif make == "noise":
        path.write_bytes(bytes(range(256)) * 40)
    else:
        write_clip(path, panned(texture, 12))
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(GazeSplatError) as caught:
        choosing._collect(path, 8, 540, told)
    assert caught.value.code == ("clip-empty" if make == "zero" else "clip-unreadable") and caught.value.hint


def test_sound_without_pictures_is_named(tmp_path):
    hdlr = struct.pack(">I4sI4s4s12s", 32, b"hdlr", 0, bytes(4), b"soun", bytes(12))
    mdia = struct.pack(">I4s", 8 + len(hdlr), b"mdia") + hdlr
    trak = struct.pack(">I4s", 8 + len(mdia), b"trak") + mdia
    (tmp_path / "voice.m4a").write_bytes(b"\0\0\0\x10ftypM4A \0\0\0\0" + struct.pack(">I4s", 8 + len(trak), b"moov") + trak)
    with pytest.raises(GazeSplatError) as caught:
        ClipSource(tmp_path / "voice.m4a", 540)
    assert caught.value.code == "no-pictures"


def test_frames_are_spread_sharp_and_even(tmp_path, told, texture):
    """Every third frame is blurred as by a shake: none of those is taken where a sharp neighbour exists."""
    pictures = panned(texture, 96, 161, 121)
    for i in range(0, 96, 3):
        pictures[i] = cv2.GaussianBlur(pictures[i], (0, 0), 4)
    stretches = choosing._collect(write_clip(tmp_path / "clip.mp4", pictures), 12, 540, told)
    assert 12 <= len(stretches) <= 24
    best = [choosing._best(stretch) for stretch in choosing._spread(stretches, 12)]
    places = np.array([one.index for one in best])
    assert not (places % 3 == 0).any()
    assert len(best) == 12 and np.diff(places).max() <= 20 and places[0] < 10 and places[-1] > 85
    assert best[0].pixels().shape[0] % 2 == 0 and best[0].pixels().shape[1] % 2 == 0


def test_memory_is_bounded_whatever_the_length():
    picture = np.random.default_rng(1).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    buckets, looked = choosing.Buckets(20), 0
    for index in range(5000):
        if buckets.wants(index):
            buckets.add(choosing.Picture(index, index / 30.0, picture))
            looked += 1
    assert 10 <= len(buckets.held) <= 20 and sum(map(len, buckets.held.values())) <= 60
    assert looked < 1500


def test_a_cut_leaves_the_longest_shot(tmp_path, told, texture):
    other = 255 - texture[::-1] // 3
    stretches = choosing._collect(write_clip(tmp_path / "clip.mp4", panned(texture, 50) + panned(other, 20)), 20, 540, told)
    shot = choosing._longest_shot(stretches, told)
    assert told.codes == ["clip-cut"]
    assert max(one.index for stretch in shot for one in stretch) < 50


def test_a_clip_of_short_shots_is_refused(tmp_path, told, texture):
    shots = [texture, 255 - texture[::-1] // 3, texture[:, ::-1] // 4, 255 - texture // 5]
    pictures = [picture for shot in shots for picture in panned(shot, 5)]
    with pytest.raises(GazeSplatError) as caught:
        choosing._longest_shot(choosing._collect(write_clip(tmp_path / "clip.mp4", pictures), 20, 540, told), told)
    assert caught.value.code == "too-many-cuts" and "3 cuts" in caught.value.message and not told.codes


def test_an_uncut_clip_stays_whole(tmp_path, told, texture):
    stretches = choosing._collect(write_clip(tmp_path / "clip.mp4", panned(texture, 60)), 20, 540, told)
    assert len(choosing._longest_shot(stretches, told)) == len(stretches) and not told.codes


def test_three_pictures_are_too_few(tmp_path, told, texture):
    for i, picture in enumerate(panned(texture, 3)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    with pytest.raises(GazeSplatError) as caught:
        choosing.choose_frames(tmp_path, tmp_path / "work", 40, 540, told)
    assert caught.value.code == "too-few-frames"


def test_a_folder_is_read_in_natural_order_and_odd_ones_are_named(tmp_path, told, texture):
    for name, size in (("b2.png", 160), ("b10.png", 160), ("b1.png", 160), ("c.png", 120)):
        cv2.imwrite(str(tmp_path / name), texture[:100, :size])
    (tmp_path / "notes.txt").write_text("no picture")
    assert [p.index for p in folder_pictures(tmp_path, 540, told.warn)] == [0, 1, 2]
    assert told.codes == ["picture-size"]


def test_nobody_and_a_crowd_are_refused():
    face = SimpleNamespace(size_px=200.0)
    blue = np.array([5.0, -30.0])
    nobody = [SimpleNamespace(reading=Reading(face, 0, blue) if i < 2 else None) for i in range(30)]
    from_behind = [SimpleNamespace(reading=Reading(face, 0, blue) if i % 15 == 0 else None) for i in range(60)]
    crowd = [SimpleNamespace(reading=Reading(face, int(i % 2), blue)) for i in range(30)]
    turns = [SimpleNamespace(reading=Reading(face, 0, blue if i < 18 else -blue)) for i in range(30)]
    _check([SimpleNamespace(reading=Reading(face, 0, blue + i % 5)) for i in range(30)])
    _check(from_behind)
    for pictures, code in ((nobody, "no-face"), (crowd, "several-faces"), (turns, "several-faces")):
        with pytest.raises(GazeSplatError) as caught:
            _check(pictures)
        assert caught.value.code == code


@pytest.mark.parametrize(("width", "height", "fitted_size"), [(1920, 1080, (960, 540)), (1081, 1921, (540, 960)), (301, 201, (300, 200))])
def test_sizes_are_even_and_never_grow(width, height, fitted_size):
    assert fitted(np.zeros((height, width, 3), np.uint8), 540).shape[1::-1] == fitted_size


def test_an_hdr_clip_is_recognised_and_toned(tmp_path, told):
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (48, 1, 3))
    path = write_clip(tmp_path / "clip.mp4", [ramp] * 10)
    assert container.describe(path).pictures and not container.describe(path).high_dynamic_range
    label_colours(path, 9, container.HLG, 9)
    assert container.describe(path).transfer == container.HLG
    choosing._collect(path, 8, 540, told)
    assert told.codes == ["clip-hdr"]


@pytest.mark.parametrize(("transfer", "white"), [(container.HLG, 0.75), (container.PQ, 0.58)])
def test_tone_mapping_keeps_order_greys_and_diffuse_white_bright(transfer, white):
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (2, 1, 3))
    out = tone.to_ordinary(ramp, transfer)[0].astype(int)
    assert (np.diff(out, axis=0) >= 0).all() and np.ptp(out, axis=1).max() <= 2
    assert out[0].max() == 0 and 215 < out[round(white * 255), 0] < 250
