# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin of a shut lid: its tone and grain are those of the skin round the eye, whatever lies in fold and corner."""
from __future__ import annotations

import cv2
import numpy as np
import pytest

from gazesplat.backend.eyes.contour import LidContour
from gazesplat.backend.eyes.shut_lid import Restored, ShutLid, draw_out
from gazesplat.backend.eyes.skin_around import grain, skin_around

R = 18.0
SKIN = np.array([0.78, 0.60, 0.50])
LIDS = LidContour(np.array([110.0, 150.0]), np.array([1.0, 0.0]), np.array([0.0, -1.0]), 5.0 * R,
                  np.array([1.1 * R, 0, 0, 0, 0]), np.array([-0.6 * R, 0, 0, 0, 0]))
REACH = 2.6 * R


def octaves(field: np.ndarray, count: int = 4) -> np.ndarray:
    """Return the standard deviation of brightness (count,) octave by octave, finest first."""
    light = field.mean(-1).astype(np.float32)
    blurred = [light] + [cv2.GaussianBlur(light, (0, 0), 2.0 ** k) for k in range(count)]
    return np.array([(fine - coarse)[20:-20, 20:-20].std() for fine, coarse in zip(blurred, blurred[1:], strict=False)])


def uneven_skin(size: int = 320) -> np.ndarray:
    """Skin (size, size, 3) with pores and mottling."""
    chance = np.random.default_rng(5)
    sizes = ((0.02, 0.8), (0.03, 2.0), (0.03, 5.0))
    noise = sum(k * cv2.GaussianBlur(chance.standard_normal((size, size)), (0, 0), s) * s for k, s in sizes)
    return np.clip(SKIN * (1.0 + noise[..., None] * [0.8, 1.0, 1.1]), 0.0, 1.0).astype(np.float32)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A photo of an eye with a dark red fold, a pink inner corner, a brow and a strand of hair across the cheek."""
    y, x = np.mgrid[:320, :320].astype(np.float32)
    photo = uneven_skin()
    local = LIDS.to_local(np.stack([x + 0.5, y + 0.5], -1))
    above = local[..., 1] - LIDS.upper_at(local[..., 0])
    inside = (local[..., 1] < LIDS.upper_at(local[..., 0])) & (local[..., 1] > LIDS.lower_at(local[..., 0]))
    fold = np.exp(-0.5 * ((above - 0.8 * R) / (0.3 * R)) ** 2) * ((local[..., 0] > -R) & (local[..., 0] < 6.0 * R))
    corner = np.exp(-0.5 * (np.hypot(local[..., 0], local[..., 1]) / (0.5 * R)) ** 2)
    photo *= 1.0 - fold[..., None] * [0.35, 0.5, 0.6] - corner[..., None] * [0.0, 0.3, 0.3]
    photo[inside] = [0.3, 0.25, 0.2]
    photo[(above > 1.3 * REACH) | (np.abs(x - y - 20.0) < 2.0)] = [0.2, 0.15, 0.1]
    return photo


def test_a_shut_lid_has_the_tone_of_the_skin_round_the_eye(face: np.ndarray) -> None:
    around = skin_around(face, LIDS, REACH, 1.0, R)
    x, height = np.meshgrid(np.linspace(0.0, LIDS.width_px, 30), np.linspace(-0.5 * R, 1.5 * R, 20))
    tone = around.tone_at(x, height)
    assert np.abs(tone - SKIN).max() < 0.03
    hue = tone / tone.mean(-1, keepdims=True) - SKIN / SKIN.mean()
    assert np.abs(hue).max() < 0.02


def test_grain_is_as_strong_as_that_of_the_skin_in_every_octave_and_never_repeats(face: np.ndarray) -> None:
    around = skin_around(face, LIDS, REACH, 1.0, R)
    made = grain(around.bands, (200, 240), 1.0, np.random.default_rng(1))
    ratio = octaves(made) / octaves(uneven_skin())
    assert (ratio > 0.6).all() and (ratio < 1.4).all(), ratio
    light = made.mean(-1)
    spectrum = np.abs(np.fft.rfft2(light - light.mean())) ** 2
    alike = np.fft.irfft2(spectrum)
    alike /= alike[0, 0]
    assert np.abs(alike[30:-30, 30:-30]).max() < 0.3
    assert np.array_equal(made, grain(around.bands, (200, 240), 1.0, np.random.default_rng(1)))


def test_what_a_lid_draws_out_becomes_neither_rings_nor_streaks() -> None:
    """Rows and columns that differ by 5 % must not show as stripes on the shut lid, whose grain is alike in both directions."""
    rows, columns = 60, 120
    chance = np.random.default_rng(2)
    clean = SKIN * (1.0 + 0.05 * chance.standard_normal((rows, 1, 1)) + 0.05 * chance.standard_normal((1, columns, 1)))
    shut = ShutLid(np.full(columns, 1.7 * R), 0.35 * R, rows * 0.05 * R)
    t = (np.arange(rows) + 0.15) * 0.05 * R
    uneven = 0.01 * chance.standard_normal((200, columns, 1)) * np.ones(3)
    put = Restored(uneven, np.zeros((rows, columns)), np.ones((rows, columns)), np.zeros(columns))
    fine = shut.rows(t[0], t[-1], 0.05 * R)
    drawn = draw_out(clean, put, t, fine, shut, R).mean(-1)
    at = shut.distance(fine)[:, 0]
    drawn = drawn[(at > 0.9 * R) & (at < 2.6 * R)] / drawn.mean()
    assert drawn.mean(1).std() < 0.012 and drawn.mean(0).std() < 0.012
    assert drawn.std() > 0.008
    assert np.diff(at).min() > 0.0 and np.diff(at).max() < 0.1 * R, "rows stand close enough to cover"


@pytest.mark.parametrize(("dark", "seen"), [(0.0, False), (0.25, True)])
def test_who_has_a_crease_keeps_a_soft_trace_of_it(dark: float, seen: bool) -> None:
    rows, columns = 60, 120
    clean = np.broadcast_to(SKIN, (rows, columns, 3))
    shut = ShutLid(1.7 * R * np.sin(np.linspace(0.0, np.pi, columns)), 0.35 * R, rows * 0.05 * R)
    t = (np.arange(rows) + 0.15) * 0.05 * R
    put = Restored(np.zeros((200, columns, 3)), np.zeros((rows, columns)), np.ones((rows, columns)), np.full(columns, dark))
    fine = shut.rows(t[0], t[-1], 0.05 * R)
    middle = draw_out(clean, put, t, fine, shut, R)[:, columns // 2].mean(-1) / SKIN.mean()
    assert (middle.min() < 0.97) == seen and middle.min() > 0.9
    if seen:
        assert 1.2 * R < shut.distance(fine)[middle.argmin(), columns // 2] < 1.8 * R


def test_a_photo_without_grain_gives_lids_without_grain() -> None:
    around = skin_around(np.broadcast_to(SKIN, (320, 320, 3)).astype(np.float32), LIDS, REACH, 1.0, R)
    assert np.abs(grain(around.bands, (60, 80), 1.0, np.random.default_rng(1))).max() < 1e-3
    assert grain((), (60, 80), 1.0, np.random.default_rng(1)).shape == (60, 80, 3)
