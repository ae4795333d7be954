# SPDX-License-Identifier: GPL-3.0-or-later
"""What a photo shows of lower lashes, and the skin below them without their picture.

Few photos show any: they are short, sparse and seen nearly end-on. What is as dark a little further down the cheek is grain or wrinkles,
and grows none. Arrays are (rows, columns) of the lower lid's grid: rows t pixels below the margin, columns x pixels from the inner
corner; r is the iris radius in pixels.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, grey_closing, map_coordinates, percentile_filter

from ...gazesplat_addon.rig.lids import smoothstep
from .contour import LidContour
from .lashes import LOWER, LashLine, Strokes, blur, fan_rad, grow_lashes
from .lid_skin import fill, matte

ROOT_IRIS_RADII = (0.13, 0.3)    # lashes root at the lid's outer edge, 1 mm below the wet one
HIGH_IRIS_RADII = (0.3, 0.8)     # 6-8 mm, seen from the front at 25-35 degrees to the line of sight
ZONE_IRIS_RADII = (0.05, 0.12, 0.7, 0.95)
CHEEK_IRIS_RADII = (1.0, 1.7)    # skin without lashes, by which grain is known
SHOWN_IRIS_RADII = 0.5           # up to where most of them show
TUFT_IRIS_RADII = 0.3            # wider than this is shade, such as beside the outer corner
BETWEEN_PERCENTILE = 65          # of the brightness within two tufts: skin between hairs, not the glints on it
COMB_IRIS_RADII = 0.1            # hairs are long: grain evens out over this along them
GLINT_GAIN = 1.06                # of the brightness around: more is a glint
COMB_LOSS = 1.5                  # of a strand's contrast by being evened out
EVIDENCE = (1.6, 2.6)            # strands per strand that the cheek seems to have
GRAIN_MATTE = 0.004              # of a cheek without any
SPARSE_NASALLY = (0.1, 0.3)      # shares of the opening
CORNER = (0.86, 0.98)            # the outer one, where upper lashes and shade lie over the lower lid
EVEN_IRIS_RADII = 0.1


@dataclass(frozen=True)
class LowerLashes:
    """Strokes of lower lashes, in the frame of ``LidContour.upside_down``, and the skin (rows, columns, 3) without them."""

    strokes: Strokes
    root_px: float
    skin: np.ndarray


def part_lower_lid(colours: np.ndarray, lash_colour: np.ndarray, x_px: np.ndarray, t_px: np.ndarray, lids: LidContour,
                   r: float) -> LowerLashes:
    """Part colours (rows, columns, 3) of a lower lid into lashes and skin; ``lash_colour`` (3,) is that of the upper ones."""
    step = float(t_px[1] - t_px[0])
    line = lower_line(colours, lash_colour, x_px, t_px, width_px=lids.width_px, r=r)
    strokes, covered = grow_lashes(line, lids.upside_down(), r, LOWER)
    even = EVEN_IRIS_RADII * r / step
    hidden = blur(covered, even)
    taken = np.clip(1.5 * hidden / np.maximum(blur(line.matte, even), 0.02), 0.0, 1.0) * smoothstep(0.01, 0.05, hidden)
    light = np.maximum(colours.mean(-1), 0.02)
    bright = blur(percentile_filter(light, BETWEEN_PERCENTILE, (1, _odd(2.0 * TUFT_IRIS_RADII * r / step))), even)
    between = fill(colours, smoothstep(0.85, 0.95, light / bright) * (1.0 - smoothstep(1.1, 1.25, light / bright)), 0.3 * r / step)
    strand = smoothstep(1.0, 1.12, bright / light) * taken
    return LowerLashes(strokes, line.root_px, colours + (between - colours) * strand[..., None])


def lower_line(colours: np.ndarray, lash_colour: np.ndarray, x_px: np.ndarray, t_px: np.ndarray, *, width_px: float, r: float) -> LashLine:
    """Return the lower lashes that a photo shows: strands along the fan, more of them than the cheek below seems to have."""
    step = float(t_px[1] - t_px[0])
    root = 0.5 * sum(ROOT_IRIS_RADII) * r
    lean = np.tan(fan_rad(x_px / width_px, LOWER))[None] * (t_px - root)[:, None] / step
    rows, columns = np.mgrid[: len(t_px), : len(x_px)].astype(float)

    def sheared(field: np.ndarray, sign: float) -> np.ndarray:
        return map_coordinates(field, np.stack([rows, columns + sign * lean]), order=1, mode="nearest")

    # Between the glints of a wet edge skin looks dark; they are none of its own light.
    light = np.maximum(colours.mean(-1), 0.02)
    dull = colours * np.minimum(1.0, GLINT_GAIN * percentile_filter(light, 50, (1, _odd(0.6 * r / step))) / light)[..., None]
    along = COMB_IRIS_RADII * r / step
    combed = np.stack([gaussian_filter1d(sheared(dull[..., k], 1.0), along, axis=0, mode="nearest") for k in range(3)], -1)
    light = np.maximum(combed.mean(-1), 0.02)
    ratio = grey_closing(light, (1, _odd(TUFT_IRIS_RADII * r / step)), mode="nearest") / light
    strands = matte(combed, combed * ratio[..., None], lash_colour)

    opening = smoothstep(*SPARSE_NASALLY, x_px / width_px) * (1.0 - smoothstep(*CORNER, x_px / width_px))
    cheek = strands[(t_px > CHEEK_IRIS_RADII[0] * r) & (t_px < CHEEK_IRIS_RADII[1] * r)][:, opening > 0.5]
    grain = float(cheek.mean()) + GRAIN_MATTE if cheek.size else 1.0
    low, full, falls, end = (k * r for k in ZONE_IRIS_RADII)
    shown = strands[(t_px > full) & (t_px < SHOWN_IRIS_RADII * r)].mean(0)[None]
    sure = smoothstep(*EVIDENCE, blur(shown, 0.4 * r / step) / grain)
    zone = (smoothstep(low, full, t_px) * (1.0 - smoothstep(falls, end, t_px)))[:, None] * opening * sure
    lash = np.clip(COMB_LOSS * (strands - grain) / (1.0 - grain), 0.0, 1.0) * zone

    profile = blur(lash, 0.4 * r / step)
    reaches = profile > 0.35 * profile.max(0)
    height = np.clip(t_px[len(t_px) - 1 - reaches[::-1].argmax(0)], *(k * r for k in HIGH_IRIS_RADII))
    mean = profile.mean(1)
    root = float(np.clip(t_px[(mean > 0.6 * mean.max()).argmax()], *(k * r for k in ROOT_IRIS_RADII)))
    lash = sheared(lash, -1.0)
    return LashLine(lash, lash, x_px, t_px, blur(height[None], 0.3 * r / step)[0], root)


def _odd(cells: float) -> int:
    return 2 * int(0.5 * cells) + 1
