# SPDX-License-Identifier: GPL-3.0-or-later
"""Lower lashes as strokes: grown where a photo shows strands at the lid's edge, and nowhere else; and the skin cleaned of them."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gazesplat.backend.eyes.contour import LidContour
from gazesplat.backend.eyes.lower_lid import LowerLashes, part_lower_lid

R = 20.0
STEP = 0.045 * R
LIDS = LidContour(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, -1.0]), 5.0 * R,
                  np.array([1.1 * R, 0, 0, 0, 0]), np.array([-0.6 * R, 0, 0, 0, 0]))
X, T = np.arange(-R, 6.0 * R, STEP), (np.arange(48) + 0.15) * STEP
SKIN, LASH = np.array([0.72, 0.55, 0.46]), np.array([0.1, 0.08, 0.07])


def strands(dark: float, low: float, high: float, apart_px: float = 5.0) -> np.ndarray:
    """Return how dark strands make the lid (rows, columns), from ``low`` to ``high`` iris radii below the margin."""
    hair = np.clip(2.0 * np.cos(2.0 * np.pi * X / apart_px) - 0.8, 0.0, 1.0)[None]
    return dark * hair * (np.abs(T - 0.5 * (low + high) * R) < 0.5 * (high - low) * R)[:, None] * (np.abs(X - 2.9 * R) < 1.9 * R)


def parted(dark: np.ndarray, grain: float = 0.0) -> tuple[np.ndarray, LowerLashes]:
    """Return the colours of a lid with strands, and what is made of it."""
    noise = gaussian_filter(np.random.default_rng(3).normal(size=(*dark.shape, 1)), (1.2, 1.2, 0))
    colours = SKIN + (LASH - SKIN) * dark[..., None] + grain * noise / noise.std()
    return colours, part_lower_lid(colours, LASH, X, T, LIDS, R)


def shown(lashes: LowerLashes) -> np.ndarray:
    return lashes.strokes.alpha > 0.04


@pytest.mark.parametrize("grain", [0.0, 0.01, 0.03])
def test_bare_skin_grows_none_and_keeps_its_grain(grain: float) -> None:
    colours, lashes = parted(np.zeros((len(T), len(X))), grain)
    assert shown(lashes).mean() < 0.02
    assert np.abs(lashes.skin - colours).mean() < 0.001


def test_strands_become_hairs_below_the_margin_and_leave_the_skin() -> None:
    dark = strands(0.6, 0.12, 0.5)
    colours, lashes = parted(dark, 0.004)
    strokes, seen = lashes.strokes, shown(lashes)
    assert seen.sum() > 150
    below = strokes.middle_px[seen, 1] - LIDS.upside_down().upper_at(strokes.middle_px[seen, 0])
    assert below.min() > 0.05 * R and 0.35 * R < below.max() < 0.85 * R
    assert 0.08 < strokes.alpha[seen].mean() < 0.9
    # Outwards: those near the outer corner lean away from the nose.
    along, x = strokes.along_px[seen], strokes.middle_px[seen, 0]
    assert (along[x > 4.0 * R, 0] / along[x > 4.0 * R, 1]).mean() > 0.25
    where = dark > 0.3
    left = SKIN.mean() - lashes.skin.mean(-1)[where].mean()
    assert left < 0.35 * (SKIN.mean() - colours.mean(-1)[where].mean())


def test_wrinkles_as_dark_as_strands_further_down_speak_against_lashes() -> None:
    _, lashes = parted(strands(0.3, 0.1, 2.0))
    assert shown(lashes).mean() < 0.02


def test_a_dark_cheek_far_below_is_left_alone() -> None:
    colours, lashes = parted(strands(0.6, 0.12, 0.5), 0.004)
    far = T > 1.0 * R
    assert np.array_equal(lashes.skin[far], colours[far])
