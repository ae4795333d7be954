# SPDX-License-Identifier: GPL-3.0-or-later
"""Lashes grown as strokes along a photo's lash line."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.eyes.contour import LidContour
from gazesplat.backend.eyes.lashes import LINKS, LashLine, grow_lashes

R = 20.0
LIDS = LidContour(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, -1.0]), 5.0 * R,
                  np.array([1.1 * R, 0, 0, 0, 0]), np.array([-0.6 * R, 0, 0, 0, 0]))


def line_of(dark: float, slant: float = 0.0) -> LashLine:
    """A lash line 0.7 iris radii high, hairs 3 pixels apart that lean by ``slant``, darkest at the roots."""
    step = 0.045 * R
    x, t = np.arange(-R, 6.0 * R, step), (np.arange(60) + 0.15) * step
    hairs = 0.5 + 0.5 * np.cos(2.0 * np.pi * (x[None] - slant * t[:, None]) / 3.0)
    matte = dark * np.clip(1.0 - t / (0.7 * R), 0.0, 1.0)[:, None] * (0.5 + 0.5 * hairs) * ((x > 0.0) & (x < 5.0 * R))
    return LashLine(matte, matte, x, t, np.full(len(x), 0.7 * R))


def test_who_shows_no_lashes_gets_none() -> None:
    strokes, covered = grow_lashes(line_of(0.0), LIDS, R)
    assert strokes.alpha.max() < 0.04 and covered.max() < 0.04


@pytest.mark.parametrize("dark", [0.3, 0.8])
def test_lashes_are_as_dark_as_the_photo_and_no_darker(dark: float) -> None:
    line = line_of(dark)
    strokes, covered = grow_lashes(line, LIDS, R)
    middle = (line.x_px > R) & (line.x_px < 4.0 * R)
    for low, high in ((0.08, 0.25), (0.25, 0.45)):
        rows = (line.t_px > low * R) & (line.t_px < high * R)
        share = covered[rows][:, middle].mean() / line.matte[rows][:, middle].mean()
        assert 0.25 < share < 1.1, (low, share)
    assert strokes.alpha.max() <= 0.95


def test_hairs_are_slender_rooted_on_the_margin_and_fan_out() -> None:
    strokes, _ = grow_lashes(line_of(0.8), LIDS, R)
    height = strokes.middle_px[:, 1] - LIDS.upper_at(strokes.middle_px[:, 0])
    assert (height > -0.06 * R).all() and 0.4 * R < height.max() < 1.2 * R
    tips = height > 0.35 * R
    lean = strokes.along_px[tips, 0] / np.abs(strokes.along_px[tips, 1])
    x = strokes.middle_px[tips, 0]
    assert lean[x < 1.2 * R].mean() < -0.1 and lean[x > 3.8 * R].mean() > 0.4
    links = tips & (strokes.alpha > 0.04)
    # Half a hair is many times as long as it is thick, though none is sharper than the photo.
    assert (LINKS * np.linalg.norm(strokes.along_px[links], axis=1) / strokes.width_px[links]).mean() > 7.0
    assert strokes.width_px[links].min() > 0.5
    # Between the corners no gap in the line of roots is wider than a tenth of an iris.
    roots = np.sort(strokes.middle_px[(height < 0.1 * R) & (strokes.alpha > 0.3)][:, 0])
    assert roots[0] < 0.5 * R and roots[-1] > 4.5 * R and np.diff(roots).max() < 0.1 * R


def test_the_same_eye_has_the_same_lashes() -> None:
    one, two = (grow_lashes(line_of(0.6), LIDS, R)[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(two).values(), strict=True))
