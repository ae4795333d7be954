# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin of an upper lid as it looks when shut, and the film of lashes and shade that hides it while the eye is open.

A photo shows an open lid: lashes cover its lower strip, the crease and the hollow above the globe lie in shade, and the
little that shows is what a closing lid draws out threefold. A shut lid is smooth, convex and lit like the skin around it.
So the skin is restored as it looks then, and all that is darker in the photo becomes translucent films over it: lashes,
which turn with the lid, and shade, which fades as the lid comes down. Arrays are (rows, columns) of a lid grid: rows t
pixels above the margin, columns x pixels from the inner corner; r is the iris radius in pixels.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import grey_closing, percentile_filter

from ...gazesplat_addon.rig.lids import smoothstep

LASH_IRIS_RADII = (0.3, 1.0)   # least and greatest height of photographed lashes: long ones, 12 mm at 30 degrees, rise 6 mm
LINE_IRIS_RADII = 0.17         # the band of lash roots on the lid's edge, 1 mm: all that shows of lashes seen end-on
FOLD_IRIS_RADII = 1.2          # dark bands narrower than this are creases and hollows, not the skin's own tone
STRAND_WINDOW_IRIS_RADII = 0.3  # skin shows between strands within this distance along the lid
# How far a shut lid keeps what it shows of its own: being brighter or darker than the skin around it, and its hue.
OWN_LIGHT, OWN_SHADE, OWN_HUE = 0.1, 0.5, 0.1
BULGE = 0.19                   # of its brightness
BULGE_EDGE = 0.8
MOST_DETAIL = 0.03             # skin's own unevenness; more is a hair or a glint


@dataclass(frozen=True)
class LidSkin:
    """What an upper lid is made of.

    clean        (rows, columns, 3), skin alone
    line_alpha   (rows, columns), the line of lash roots, which the lid's edge keeps
    own          (rows, columns), where the skin's own detail shows, and moves (rows, columns), where it is restored at all
    crease       (columns,), share by which the photo's crease is darker than the skin beside it
    dark_alpha   (rows, columns), all that hides it, in the colour of lashes
    lash_alpha   (rows, columns), how much the photo shows of lashes, the line of their roots among them, which the skin has too
    lash_height  (columns,), up to which lashes rise, pixels
    lash_colour  (3,)
    """

    clean: np.ndarray
    line_alpha: np.ndarray
    own: np.ndarray
    moves: np.ndarray
    crease: np.ndarray
    dark_alpha: np.ndarray
    lash_alpha: np.ndarray
    lash_height: np.ndarray
    lash_colour: np.ndarray


def part_lid(colours: np.ndarray, around: np.ndarray, x_px: np.ndarray, t_px: np.ndarray, *, width_px: float, reach_px: float,
             r: float) -> LidSkin:
    """Part colours (rows, columns, 3) of an upper lid into skin and film.

    ``around`` (rows, columns, 3) is the tone of the skin round the eye where each place lies when shut; ``reach_px`` the height
    beyond which nothing moves.
    """
    step = float(t_px[1] - t_px[0])
    # Beyond the corners there is skin alone on the nose's side, and lashes that lean out on the other.
    along = smoothstep(-0.6 * r, -0.1 * r, x_px) * smoothstep(-1.3 * r, -0.9 * r, width_px - x_px)
    # What the lid draws out lies above the opening.
    moves = (1.0 - smoothstep(0.6 * reach_px, reach_px, t_px))[:, None] * smoothstep(-0.9 * r, 0.1 * r, x_px)
    moves *= smoothstep(-1.3 * r, -0.3 * r, width_px - x_px)
    # Beside the outer corner skin stays as it is where it meets the lower lid's, or a line would part them; but lashes and their
    # shade only at the very edge.
    stays = smoothstep(0.0, 0.3 * r, x_px - width_px) * (1.0 - smoothstep(0.05 * r, 0.35 * r, t_px))[:, None]
    plain = smoothstep(0.75, 0.95, _blur(colours.mean(-1) / np.maximum(around.mean(-1), 0.02), 0.1 * r / step))
    moves = moves * (1.0 - stays * np.maximum(plain, 1.0 - smoothstep(0.04 * r, 0.14 * r, t_px)[:, None]))
    lash_colour = _lash_colour(colours, x_px, t_px, width_px, r)

    light = colours.mean(-1)
    bright = between_strands(light, step, r)
    height = _lash_height(bright, t_px, step, r)
    over = t_px[:, None] - height
    held = np.take_along_axis(bright, np.clip(np.maximum(t_px[:, None], height) / step, 0, len(t_px) - 1).astype(int), axis=0)
    smooth, crease = _unfolded(held, t_px - height.mean(), reach_px, step, r)
    asked = around.mean(-1)
    # Beside the inner corner, what is drawn out meets what stays: with shade of its own it would show an upright seam.
    off = (smooth - asked) * smoothstep(-0.1 * r, 0.3 * r, x_px)
    lit = asked + OWN_LIGHT * np.maximum(off, 0.0) + OWN_SHADE * np.minimum(off, 0.0)
    lit *= _bulge(x_px / width_px, t_px / reach_px)
    own = smoothstep(0.0, 0.4 * r, over)
    plain = smoothstep(0.75, 0.95, light / np.maximum(held, 0.02))
    tone = fill(colours / np.maximum(light, 0.02)[..., None], smoothstep(-0.05 * r, 0.15 * r, over) * plain, r / step)
    shut_tone = around / np.maximum(asked, 0.02)[..., None]
    shut_tone = shut_tone + OWN_HUE * (tone - shut_tone)
    detail = np.clip(colours - _blur(colours, 0.15 * r / step), -MOST_DETAIL, MOST_DETAIL) * own[..., None]
    clean = lit[..., None] * shut_tone + detail
    # Strands that stick out are filled with the tone of the skin beside them, which is paler than a strand made bright.
    strand = smoothstep(1.02, 1.2, bright / np.maximum(light, 0.02)) * along * (1.0 - smoothstep(0.4 * r, 0.7 * r, over))
    bare = colours + (bright[..., None] * tone - colours) * strand[..., None]
    clean = bare + (clean - bare) * moves[..., None]

    alpha = matte(colours, clean, lash_colour)
    # The roots stand dense: carry the line's darkest down to the margin, and let the lid's own edge keep it.
    low, high = int(0.05 * r / step), max(int(0.25 * r / step), int(0.05 * r / step) + 1)
    root = _blur(alpha[low:high].max(0)[None], 0.1 * r / step)[0]
    root *= smoothstep(0.0, 0.4 * r, x_px) * smoothstep(-0.05 * r, 0.3 * r, width_px - x_px)
    alpha = np.maximum(alpha, root * (1.0 - smoothstep(0.12 * r, 0.25 * r, t_px))[:, None])
    # Above the lashes only single strands that stick out are lash; what else is dark there is shade.
    strands = matte(colours, colours * np.maximum(bright / np.maximum(light, 0.02), 1.0)[..., None], lash_colour)
    stray = np.minimum(alpha, strands) * (1.0 - smoothstep(0.3 * r, 0.5 * r, over))
    lash = alpha + (stray - alpha) * smoothstep(0.0, 0.2 * r, over)
    # What is as dark still where lashes end is a lid in shade, not lashes: a calm lid grows none from its hollow.
    ends = np.take_along_axis(_blur(alpha, 0.15 * r / step), np.clip(height[None] / step, 0, len(t_px) - 1).astype(int), axis=0)
    lash = np.maximum(1.0 - (1.0 - lash) / (1.0 - np.minimum(ends, 0.9)), 0.0)
    line = root * (1.0 - smoothstep(0.75, 1.25, t_px / (LINE_IRIS_RADII * r)))[:, None]
    dark = 1.0 - (1.0 - alpha) / (1.0 - np.minimum(line, 0.97))
    return LidSkin(clean, line, own, moves, crease, np.maximum(dark, 0.0), lash, height, lash_colour)


def matte(colours: np.ndarray, skin: np.ndarray, lash_colour: np.ndarray) -> np.ndarray:
    """Return how far each colour lies on the way from skin to lash, 0..1."""
    contrast = skin - lash_colour
    return np.clip(((skin - colours) * contrast).sum(-1) / np.maximum((contrast ** 2).sum(-1), 1e-4), 0.0, 1.0)


def _lash_colour(colours: np.ndarray, x_px: np.ndarray, t_px: np.ndarray, width_px: float, r: float) -> np.ndarray:
    edge = colours[t_px < max(0.35 * r, t_px[1])][:, (x_px > 0.1 * width_px) & (x_px < 0.9 * width_px)].reshape(-1, 3)
    light = edge.mean(1)
    return np.clip(0.8 * edge[light <= np.percentile(light, 12)].mean(0), 0.02, 0.25)


def between_strands(light: np.ndarray, step: float, r: float) -> np.ndarray:
    """Return the brightness between strands: the 78th percentile of each row's neighbourhood."""
    width = 2 * int(STRAND_WINDOW_IRIS_RADII * r / step) + 1
    return _blur(percentile_filter(light, 78, (1, width)), 0.1 * r / step)


def _lash_height(bright: np.ndarray, t_px: np.ndarray, step: float, r: float) -> np.ndarray:
    """Return the height (columns,) up to which lashes darken the skin: where it first stops growing brighter."""
    profile = cv2.GaussianBlur(bright.astype(np.float32), (0, 0), sigmaX=max(0.4 * r / step, 0.3), sigmaY=max(0.08 * r / step, 0.3),
                               borderType=cv2.BORDER_REPLICATE)
    low, high = (k * r for k in LASH_IRIS_RADII)
    falls = (np.gradient(profile, axis=0) <= 0.0) & (t_px >= low)[:, None]
    first = np.where(falls.any(0), t_px[falls.argmax(0)], high)
    return _blur(np.clip(first, low, high)[None], 0.3 * r / step)[0]


def _unfolded(held: np.ndarray, over: np.ndarray, reach_px: float, step: float, r: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the brightness (rows, columns) of the lid without its folds, and how dark the crease is, a share (columns,)."""
    size = 2 * int(0.5 * FOLD_IRIS_RADII * r / step) + 1
    closed = np.maximum(grey_closing(held, (size, 1), mode="nearest"), held).astype(np.float32)
    folds = _blur(1.0 - held / np.maximum(closed, 0.02), 0.1 * r / step)[(over > 0.1 * r) & (over < 0.6 * reach_px)]
    crease = _blur(folds.max(0)[None], 0.6 * r / step)[0] if len(folds) else np.zeros(held.shape[1])
    # Far along the lid, or every gap between lashes would be drawn out to a streak.
    even = cv2.GaussianBlur(closed, (0, 0), sigmaX=max(0.5 * r / step, 0.3), sigmaY=max(0.2 * r / step, 0.3),
                            borderType=cv2.BORDER_REPLICATE)
    return even, crease


def _bulge(share: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return the light (rows, columns) on a lid over the globe, as a share of a flat one's: it faces up above the cornea, down below."""
    across = np.sin(np.pi * np.clip(share, 0.0, 1.0))[None]
    up = smoothstep(0.1, 0.5, height) * (1.0 - smoothstep(0.6, 1.0, height)) - BULGE_EDGE * (1.0 - smoothstep(0.0, 0.3, height))
    return 1.0 + BULGE * across * up[:, None]


def fill(colours: np.ndarray, known: np.ndarray, radius: float) -> np.ndarray:
    """Return colours smoothed over what is known (weights 0..1), from as near as there is enough of it."""
    filled, missing = np.zeros_like(colours), np.ones(known.shape)
    for sigma in (0.3 * radius, 0.7 * radius, 1.6 * radius, 4.0 * radius):
        weight = _blur(known, sigma)
        here = missing * (smoothstep(0.05, 0.25, weight) if sigma < 4.0 * radius else 1.0)
        filled += here[..., None] * _blur(colours * known[..., None], sigma) / np.maximum(weight, 1e-4)[..., None]
        missing = missing - here
    return filled


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE)
