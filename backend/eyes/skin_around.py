# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin round an eye, from which a shut lid takes its tone and its grain.

What an open lid shows of itself is a poor witness: folds and hollows lie in shade, which makes skin darker and redder, the inner corner is
pink, and make-up may lie in the crease alone. A shut lid has the tone of the skin below the eye, above the fold and beside the corners,
and is as uneven as that. Positions are pixels of the eye's local frame; r is the iris radius in pixels.
"""
from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from ...gazesplat_addon.rig.lids import smoothstep
from .contour import LidContour, sample

BELOW_IRIS_RADII = 3.4            # as far below the eye skin is looked at: 20 mm, where a cheek begins
BESIDE_IRIS_RADII = 1.4
LASHES_BELOW_IRIS_RADII = (0.7, 1.1)   # lower lashes and the lid's wet edge end here
CORNER_IRIS_RADII = (0.5, 1.1)    # and beside the corners pink, lashes and their shade
ABOVE_SHARE = (0.6, 0.9)          # of the lid's reach: the fold and its shade end here
LIKE_SKIN = 0.05                  # brightness by which skin may differ from its neighbourhood at least, or it is hair, a rim or a glint
NEAR_IRIS_RADII = (0.8, 2.0)
DOUBT = 0.05                      # weight of the plane where little skin is near
MOST_GRAIN = 0.03                 # of one octave, standard deviation
COARSEST_IRIS_RADII = 0.5
CALM_IRIS_RADII, CALM_SHARE = 0.4, 0.6
OVEREXPOSED = 0.97                # shows no grain
MOTTLED_FROM_IRIS_RADII, MOTTLING_GROWS = 0.12, 1.25    # octave by octave; what grows faster are wrinkles, bags and light
EVENING_ROUNDS, MOST_SHARPENED = 5, 2.2
GRAIN_LEAN = 1.4                 # fine creases of lids run along the margin


@dataclass(frozen=True)
class SkinAround:
    """Skin round one eye over columns x_px and rows y_px (upwards) of the local frame.

    tone    (rows, columns, 3), smooth, and inside the opening what the skin round it suggests
    bands   unevenness by octaves, finest first: (sigma in pixels, (3, 3) factor that gives white noise its strength and hues)
    """

    x_px: np.ndarray
    y_px: np.ndarray
    tone: np.ndarray
    bands: tuple[tuple[float, np.ndarray], ...]

    def tone_at(self, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
        """Return the tone (..., 3) at positions of the local frame, held beyond the borders."""
        step = self.x_px[1] - self.x_px[0]
        where = np.stack(np.broadcast_arrays((y_px - self.y_px[0]) / step, (x_px - self.x_px[0]) / step))
        return np.stack([map_coordinates(self.tone[..., k], where, order=1, mode="nearest") for k in range(3)], -1)


def skin_around(image: np.ndarray, lids: LidContour, reach_px: float, step_px: float, r: float) -> SkinAround:
    """Read the skin round an eye off the photo; ``reach_px`` above the upper margin its lid no longer moves."""
    x = np.arange(-BESIDE_IRIS_RADII * r, lids.width_px + BESIDE_IRIS_RADII * r, step_px)
    upper, lower = lids.upper_at(x), lids.lower_at(x)
    y = np.arange(lower.min() - BELOW_IRIS_RADII * r, upper.max() + 1.1 * reach_px, step_px)
    places = np.stack(np.meshgrid(x, y), -1)
    colours = sample(image, lids.to_image(places).reshape(-1, 2)).reshape(*places.shape[:2], 3)
    beside = np.maximum(-x, x - lids.width_px)
    known = np.maximum(smoothstep(*(k * reach_px for k in ABOVE_SHARE), y[:, None] - upper),
                       smoothstep(*(k * r for k in LASHES_BELOW_IRIS_RADII), lower - y[:, None]))
    known = np.maximum(known, smoothstep(*(k * r for k in CORNER_IRIS_RADII), beside)[None])
    plane, weight = _plane(colours, known)
    off = (colours - plane) * weight[..., None]
    tone, missing = plane.copy(), np.ones(known.shape)
    for sigma in (k * r / step_px for k in NEAR_IRIS_RADII):
        near = _blur(weight, sigma)
        here = missing * (smoothstep(0.1, 0.4, near) if sigma < NEAR_IRIS_RADII[-1] * r / step_px else 1.0)
        tone += here[..., None] * _blur(off, sigma) / (near + DOUBT)[..., None]
        missing = missing - here
    plain = smoothstep(0.1, 0.3, weight)
    exposed = (colours.max(-1) < OVEREXPOSED) & (plain > 0.9)
    seen = exposed if exposed.sum() > 0.2 * (plain > 0.9).sum() else plain > 0.9
    return SkinAround(x, y, tone, _bands(tone + (colours - tone) * plain[..., None], seen, step_px, r))


def grain(bands: tuple[tuple[float, np.ndarray], ...], shape: tuple[int, int], step_px: float, chance: np.random.Generator,
          drawn_cells: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Return unevenness (rows, columns, 3) as that of the skin it was read from: as strong in every octave, nowhere repeated.

    It is meant for splats of ``drawn_cells`` standard deviation across columns and rows, which blur it.
    """
    noise = _octaves(chance.standard_normal((*shape, 3)).astype(np.float32), bands, step_px)
    parts = [octave / max(float(octave.std()), 1e-6) @ factor.T.astype(np.float32)
             for octave, (_, factor) in zip(noise, bands, strict=True)]
    wanted, share, total = np.array([part.std() for part in parts]), np.ones(len(parts)), np.zeros((*shape, 3), np.float32)
    for _ in range(EVENING_ROUNDS):       # octaves overlap, and splats blur: all must come out right together, as drawn
        total = sum((part * one for part, one in zip(parts, share.astype(np.float32), strict=True)), np.zeros_like(total))
        drawn = cv2.GaussianBlur(total, (0, 0), sigmaX=max(drawn_cells[0], 0.01), sigmaY=max(drawn_cells[1], 0.01))
        share *= wanted / np.maximum([octave.std() for octave in _octaves(drawn, bands, step_px)], 1e-6)
        share = np.minimum(share, MOST_SHARPENED)
    return total


def _octaves(field: np.ndarray, bands: tuple[tuple[float, np.ndarray], ...], step_px: float) -> list[np.ndarray]:
    """Return what of a field (rows, columns, 3) lies in each octave."""
    size = [2.0 * sigma / step_px for sigma, _ in bands]
    blurred = [field] + [cv2.GaussianBlur(field, (0, 0), sigmaX=max(s * GRAIN_LEAN, 0.3), sigmaY=max(s / GRAIN_LEAN, 0.3)) for s in size]
    return [finer - coarser for finer, coarser in itertools.pairwise(blurred)]


def _plane(colours: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the plane of colours through what is skin, and how far each pixel is that (rows, columns): no hair, rim, glint or shade."""
    rows, columns = known.shape
    at = np.stack(np.broadcast_arrays(1.0, np.linspace(-1.0, 1.0, columns)[None], np.linspace(-1.0, 1.0, rows)[:, None]), -1)
    weight = known
    for _ in range(8):
        a = (at * weight[..., None]).reshape(-1, 3)
        plane = at @ np.linalg.solve(a.T @ at.reshape(-1, 3) + 1e-3 * known.sum() * np.diag([0.0, 1.0, 1.0]), a.T @ colours.reshape(-1, 3))
        off = np.abs(colours - plane).max(-1)
        usual = 2.5 * max(1.4826 * float(np.median(off[known > 0.5])), LIKE_SKIN)
        weight = known * np.maximum(1.0 - (off / usual) ** 2, 0.0) ** 2
    return plane, weight


def _bands(colours: np.ndarray, seen: np.ndarray, step_px: float, r: float) -> tuple[tuple[float, np.ndarray], ...]:
    """Return the strength of every octave where the skin is ``seen``, without hairs and glints."""
    bands, sigma, finer = [], 0.5 * step_px, colours
    while sigma < COARSEST_IRIS_RADII * r and seen.any():
        coarser = _blur(colours, 2.0 * sigma / step_px)
        octave = finer - coarser
        # Wrinkles, lashes and the edges of bags are no grain: calm places tell it.
        energy = _blur((octave ** 2).sum(-1), max(4.0 * sigma, CALM_IRIS_RADII * r) / step_px)
        octave = octave[seen & (energy <= np.quantile(energy[seen], CALM_SHARE))]
        limit = 3.0 * 1.4826 * np.median(np.abs(octave), axis=0)
        octave = np.clip(octave, -limit, limit)
        spread = octave.T @ octave / max(len(octave), 1)
        value, axes = np.linalg.eigh(spread)
        strength = np.minimum(np.sqrt(np.maximum(value, 0.0)), MOST_GRAIN)
        if bands and sigma > MOTTLED_FROM_IRIS_RADII * r:
            most = MOTTLING_GROWS * np.linalg.norm(bands[-1][1])
            strength *= min(1.0, most / max(float(np.linalg.norm(strength)), 1e-6))
        bands.append((sigma, axes * strength))
        sigma, finer = 2.0 * sigma, coarser
    return tuple(bands)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE)
