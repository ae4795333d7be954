# SPDX-License-Identifier: GPL-3.0-or-later
"""Lashes as strokes: hairs grown from a margin along the photo's own, each a chain of thin Gaussians.

A film that holds a picture of lashes is right until the lid moves; then it shrinks to a grey band. Hairs stay hairs. How many, how long
and how they fan is anatomy; where each lies and how dark it is comes from the matte of the photo's lash line: who shows hardly
any lashes gets hardly any. Positions are (x, y) pixels of the eye's local image frame, mattes (rows, columns) of its lid grid.
Lower lashes are grown in the same way in a frame that is upside down (``LidContour.upside_down``).

People have 90-160 lashes above in five or six rows, 8-12 mm long, of which the front ones show, and 75-80 below in three or four, 6-8 mm:
figures that reviews repeat (the field: Aumond & Bitton, Journal of Optometry 2018), no primary source of which was checked. How lashes
fan, differ and clump is by eye.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates

from ...gazesplat_addon.rig.lids import smoothstep
from .contour import LidContour

SPACING_MIN_PX = 0.35
SPACING_MOST_IRIS_RADII = 0.085
HAIR_IRIS_RADII = 0.026         # a hair's thickness at its root: 0.15 mm
WIDTH_IRIS_RADII = 0.011        # standard deviation: 0.065 mm
WIDTH_MIN_PX = 0.55             # no sharper than the photo: finer ones look drawn on in a close-up
WIDTH_MOST_IRIS_RADII = 0.14    # but no clubs where the photo is small
TIP_WIDTH_SHARE = 0.5
LINKS = 9                       # Gaussians of one hair
OVERLAP = 0.62                  # standard deviation along the hair per link: neighbours add up evenly
MOST_ALPHA = 0.92
CROWD = 3.0                     # hairs that stick together; as dark as so many are when blurred as the photo is, and no darker
TIP_DEPTH_SHARE = 0.35          # of the root's optical depth: tips are thin
TURNS_DEG = (-20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
BENDS = (0.06, 0.14)            # how far a hair's middle stands off its chord, in lengths: tips curl up
REACHES = (0.55, 0.75, 0.95, 1.15)
STRAY_COST = 0.12               # of matte, for a lean of 20 degrees off the fan
KINSHIP_HAIRS = 1.5             # neighbours lean alike: each following its own shadow in the photo, they would close to thorns
UNRULY_DEG, UNRULY_LENGTH, UNRULY_BOW = 8.0, 0.3, 0.07
TUFT_SHARE, TUFT_PULL = 0.4, 0.65   # of hairs that begin a new tuft (2-4 hairs each), and how far a tuft's tips draw together
EVEN_IRIS_RADII = 0.12          # over which hairs are as dark together as the photo: thin ones opaque, crowded ones less so
SHARP_FROM_RADIUS_PX = (3.0, 9.0)
LINE_WIDTH_IRIS_RADII = 0.035   # of the line of roots, standard deviation
LINE_HEIGHT_IRIS_RADII = 0.02
LINE_LINK_IRIS_RADII = 0.06


@dataclass(frozen=True)
class Habit:
    """How the lashes of a lid grow. A margin is about 30 mm long, five iris radii.

    spacing        of roots, iris radii
    fan_deg        lean at the inner and the outer corner from the upright, which the margin's middle third has
    least_length   of a hair as seen, iris radii
    hair_share     of the photo's darkness there that hairs take; above, the rest is the blur of hairs too thin for the photo, and shadows
    root_line      whether roots stand so dense that they make a line
    least_alpha    mean of a hair that is seen at all: fainter ones would be dust
    seek           how far a root may lie from its place where the photo shows a strand beside it, in spacings
    """

    spacing: float
    fan_deg: tuple[float, float]
    least_length: float
    hair_share: float
    root_line: bool
    least_alpha: float
    seek: float


UPPER = Habit(0.045, (-28.0, 58.0), 0.22, 0.6, True, 0.0, 0.0)       # 0.27 mm apart: a hundred; in small photos they run together
LOWER = Habit(0.068, (-12.0, 48.0), 0.20, 0.9, False, 0.035, 0.8)      # 0.4 mm: 75


@dataclass(frozen=True)
class Strokes:
    """Links N of strokes: middle and half-length vector (N, 2), standard deviation across (N,), alpha of the stroke there (N,)."""

    middle_px: np.ndarray
    along_px: np.ndarray
    width_px: np.ndarray
    alpha: np.ndarray

    def opacity(self) -> np.ndarray:
        """Return the opacity (N,) of each link's Gaussian, such that neighbours add up to ``alpha``."""
        return 1.0 - (1.0 - self.alpha) ** (1.0 / (np.sqrt(2.0 * np.pi) * OVERLAP))


@dataclass(frozen=True)
class LashLine:
    """What the photo shows of lashes over columns x_px and rows t_px of the lid's grid.

    matte (rows, columns) of lashes; dark (rows, columns), what skin must be hidden by to look like the photo; height_px (columns,) of
    hairs; root_px above the margin at which they root
    """

    matte: np.ndarray
    dark: np.ndarray
    x_px: np.ndarray
    t_px: np.ndarray
    height_px: np.ndarray
    root_px: float = 0.0

    @property
    def step_px(self) -> float:
        """Spacing of rows and columns."""
        return float(self.t_px[1] - self.t_px[0])

    def at(self, field: np.ndarray, lids: LidContour, points: np.ndarray) -> np.ndarray:
        """Sample a (rows, columns) field at local positions (..., 2); 0 beyond the grid, its lowest row held below."""
        t = np.maximum(points[..., 1] - lids.upper_at(points[..., 0]), self.t_px[0])
        where = np.stack([(t - self.t_px[0]) / self.step_px, (points[..., 0] - self.x_px[0]) / self.step_px])
        return map_coordinates(field, where, order=1, mode="constant")


def grow_lashes(line: LashLine, lids: LidContour, r: float, habit: Habit = UPPER) -> tuple[Strokes, np.ndarray]:
    """Grow lashes along the photo's, and the line of their roots; ``r`` is the iris radius in pixels.

    Returns them, and the alpha (rows, columns) with which they cover the grid at rest. Of lower lashes all is upside down.
    """
    share = habit.hair_share * _distinct(r)
    if not habit.root_line:
        strokes = _hairs(line, lids, share * _optical(line.matte), r, habit)
        return strokes, cover(line, lids, strokes)
    roots = _root_line(line, lids, r)
    rest = _optical(line.dark) - _optical(cover(line, lids, roots))
    hairs = _hairs(line, lids, share * np.maximum(np.minimum(rest, _optical(line.matte)), 0.0), r, habit)
    strokes = Strokes(*(np.concatenate(pair) for pair in zip(vars(roots).values(), vars(hairs).values(), strict=True)))
    return strokes, cover(line, lids, strokes)


def _root_line(line: LashLine, lids: LidContour, r: float) -> Strokes:
    """Return the strip in which lashes root, along the margin: where hairs stand dense and are seen end-on."""
    x = np.linspace(0.0, lids.width_px, max(24, int(lids.width_px / max(LINE_LINK_IRIS_RADII * r, SPACING_MIN_PX))))
    path = np.stack([x, lids.upper_at(x) + LINE_HEIGHT_IRIS_RADII * r], 1)
    middle = 0.5 * (path[1:] + path[:-1])
    alpha = np.minimum(line.at(line.matte, lids, middle), MOST_ALPHA)
    return Strokes(middle, 0.5 * np.diff(path, axis=0), np.full(len(middle), LINE_WIDTH_IRIS_RADII * r), alpha)


def _hairs(line: LashLine, lids: LidContour, wanted: np.ndarray, r: float, habit: Habit) -> Strokes:
    """Return hairs that together give the optical depth ``wanted`` (rows, columns), as far as hairs can."""
    roots, share = _roots(line, lids, r, habit)
    paths = _trace(line, lids, roots, share, r, habit)                         # (H, LINKS + 1, 2)
    middle, along = 0.5 * (paths[:, 1:] + paths[:, :-1]), 0.5 * np.diff(paths, axis=1)
    u = (np.arange(LINKS) + 0.5) / LINKS
    fine = 1.0 - (1.0 - TIP_WIDTH_SHARE) * u
    width = np.clip(WIDTH_IRIS_RADII * r * fine, min(WIDTH_MIN_PX, WIDTH_MOST_IRIS_RADII * r), None)
    taper = 1.0 - (1.0 - TIP_DEPTH_SHARE) * u ** 2
    most = _optical(np.minimum(MOST_ALPHA, CROWD * HAIR_IRIS_RADII * r * fine / (np.sqrt(2.0 * np.pi) * width))) * taper
    depth = np.minimum(_depth_along(line, lids, middle, r) * taper, most).ravel()
    most, width = np.tile(most, len(roots)), np.tile(width, len(roots))
    middle, along = middle.reshape(-1, 2), along.reshape(-1, 2)
    size = EVEN_IRIS_RADII * r / line.step_px
    wanted = blur(wanted, size)
    for _ in range(4):
        have = blur(_optical(cover(line, lids, Strokes(middle, along, width, 1.0 - np.exp(-depth)))), size)
        ratio = line.at(wanted / np.maximum(have, 0.02), lids, middle)
        depth = np.minimum(depth * np.clip(ratio, 0.4, 2.0), most)
    alpha = (1.0 - np.exp(-depth)).reshape(len(roots), LINKS)
    alpha = alpha * smoothstep(0.5, 1.0, alpha.mean(1) / max(habit.least_alpha, 1e-3))[:, None]
    return Strokes(middle, along, width, alpha.ravel())


def cover(line: LashLine, lids: LidContour, strokes: Strokes) -> np.ndarray:
    """Return the alpha (rows, columns) with which strokes cover the grid at rest."""
    step = line.step_px
    places = strokes.middle_px[:, None] + strokes.along_px[:, None] * np.array([-2.0, 0.0, 2.0])[:, None] / 3.0
    t = places[..., 1] - lids.upper_at(places[..., 0])
    length = 2.0 * np.linalg.norm(strokes.along_px, axis=-1)
    # A link's optical depth over its area, as cells of the grid have it: Gaussian across, even along.
    mass = _optical(strokes.alpha) * np.sqrt(2.0 * np.pi) * strokes.width_px * length / step ** 2 / 3.0
    depth = np.zeros(line.matte.shape, np.float32)
    row, column = (t - line.t_px[0]) / step, (places[..., 0] - line.x_px[0]) / step
    low_row, low_column = np.floor(row).astype(int), np.floor(column).astype(int)
    for dr in (0, 1):
        for dc in (0, 1):
            weight = np.abs(1 - dr - (row - low_row)) * np.abs(1 - dc - (column - low_column)) * mass[:, None]
            rr, cc = low_row + dr, low_column + dc
            inside = (rr >= 0) & (rr < depth.shape[0]) & (cc >= 0) & (cc < depth.shape[1])
            np.add.at(depth, (rr[inside], cc[inside]), weight[inside])
    return 1.0 - np.exp(-blur(depth, float(np.median(strokes.width_px)) / step))


def _roots(line: LashLine, lids: LidContour, r: float, habit: Habit) -> tuple[np.ndarray, np.ndarray]:
    """Return x (H,) of roots along the margin and their share of the opening (H,): at even distances, a little unruly, or on strands."""
    x = np.linspace(0.02, 0.99, 400) * lids.width_px
    walked = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(lids.upper_at(x))))])
    count = max(8, int(walked[-1] / _between(habit.spacing * r, SPACING_MIN_PX, SPACING_MOST_IRIS_RADII * r)))
    roots = np.interp((np.arange(count) + 0.5 + 0.7 * _chance(count, 0.6180339887)) / count * walked[-1], walked, x)
    if habit.seek:
        near = roots[:, None] + habit.seek * walked[-1] / count * np.linspace(-1.0, 1.0, 9)
        height = lids.upper_at(near) + line.root_px
        strand = sum(line.at(line.matte, lids, np.stack([near, height + rise * r], -1)) for rise in (0.05, 0.12, 0.2))
        roots = np.take_along_axis(near, strand.argmax(1)[:, None], axis=1)[:, 0]
    return roots, roots / lids.width_px


def _distinct(r: float) -> float:
    """Return which part of their share of the darkness hairs take: in a small photo, blurred as it is, distinct ones would stick out."""
    return 0.5 + 0.5 * float(smoothstep(*SHARP_FROM_RADIUS_PX, r))


def _between(least: float, wanted: float, most: float) -> float:
    return min(max(least, wanted), most)


def _chance(count: int, ratio: float) -> np.ndarray:
    """Return numbers (count,) in -0.5..0.5 by an irrational ratio's multiples: the same eye always has the same lashes."""
    return np.mod(np.arange(1, count + 1) * ratio, 1.0) - 0.5


def fan_rad(share: np.ndarray, habit: Habit) -> np.ndarray:
    """Return how far lashes lean outwards, radians, at shares (N,) of the opening from its inner corner."""
    inner, outer = np.radians(habit.fan_deg)
    return inner * (1.0 - smoothstep(0.0, 0.4, share)) + outer * smoothstep(0.45, 1.0, share)


def _trace(line: LashLine, lids: LidContour, roots: np.ndarray, share: np.ndarray, r: float, habit: Habit) -> np.ndarray:
    """Return the best of many curves through each root, (H, LINKS + 1, 2): along dark ridges, near the fan, no longer than seen."""
    ridge = line.matte - blur(line.matte, 0.2 * r / line.step_px)
    value = (2.0 * ridge + 0.5 * line.matte).astype(np.float32)
    height = np.maximum(np.interp(roots, line.x_px, line.height_px) - line.root_px, habit.least_length * r)
    turn, bend, reach = (grid.ravel() for grid in np.meshgrid(np.radians(TURNS_DEG), BENDS, REACHES, indexing="ij"))
    rooted = lids.upper_at(roots) + line.root_px

    def curve(lean: np.ndarray, length: np.ndarray, bend: np.ndarray, bow: np.ndarray | float = 0.0) -> np.ndarray:
        """Return curves (..., H, LINKS + 1, 2) from the roots: an arc over a chord, hollow above, or bowed sideways."""
        u = np.linspace(0.0, 1.0, LINKS + 1)
        # Lashes bend most near the root.
        arch = 6.75 * u * (1.0 - u) ** 2
        chord, off = length[..., None] * u, length[..., None] * (2.0 * bend * np.sin(lean) + bow)[..., None] * arch
        c, s = np.cos(lean)[..., None], np.sin(lean)[..., None]
        return np.stack([roots[:, None] + chord * s + off * c, rooted[:, None] + chord * c - off * s], -1)

    lean = fan_rad(share, habit)[:, None] + turn[None]                        # (H, candidates)
    length = height[:, None] * reach[None]
    points = np.moveaxis(curve(lean.T, length.T, bend[:, None]), 0, 1)
    seen = line.at(value, lids, points)
    # What lies beyond a bright gap is a crease, not this hair.
    gap = np.minimum.accumulate(line.at(blur(line.matte, 0.06 * r / line.step_px), lids, points), axis=-1)
    score = (np.minimum(seen, gap + 0.1)).mean(-1) * (0.4 + 0.6 * reach) - STRAY_COST * (np.degrees(np.abs(turn)) / TURNS_DEG[-1]) ** 2
    best = gaussian_filter1d(score, KINSHIP_HAIRS, axis=0, mode="nearest").argmax(1)
    hair = np.arange(len(roots))
    chance = [_chance(len(roots), ratio) for ratio in (0.7548776662, 0.5698402910, 0.8191725134)]
    # Most hairs are about as long as their neighbours, a few much shorter.
    shorter = 1.0 - UNRULY_LENGTH * ((chance[1] + 0.5) ** 2 * 2.2 - 0.6)
    return _in_tufts(curve(lean[hair, best] + np.radians(UNRULY_DEG) * 2.0 * chance[0], length[hair, best] * shorter, bend[best],
                           UNRULY_BOW * 2.0 * chance[2]))


def _in_tufts(paths: np.ndarray) -> np.ndarray:
    """Return hairs (H, LINKS + 1, 2) with the tips of two to four neighbours drawn together, as moist lashes are."""
    tuft = np.cumsum(_chance(len(paths), 0.4655712319) < TUFT_SHARE - 0.5)
    tips, size = paths[:, -1], np.bincount(tuft)
    middle = np.stack([np.bincount(tuft, tips[:, k]) for k in (0, 1)], 1)[tuft] / size[tuft, None]
    # Some hold together, some hardly.
    pull = TUFT_PULL * (0.5 + np.mod((tuft + 1.0) * 0.6180339887, 1.0))
    return paths + (np.linspace(0.0, 1.0, paths.shape[1]) ** 1.5)[None, :, None] * (pull[:, None] * (middle - tips))[:, None]


def _depth_along(line: LashLine, lids: LidContour, middle: np.ndarray, r: float) -> np.ndarray:
    """Return the optical depth (H, LINKS) that the photo shows under each link, never more than nearer the root."""
    seen = line.at(blur(line.matte, 0.06 * r / line.step_px), lids, middle)
    return _optical(np.minimum.accumulate(np.minimum(seen + 0.02, 0.9), axis=1))


def _optical(alpha: np.ndarray | float) -> np.ndarray:
    return -np.log1p(-np.clip(alpha, 0.0, 0.98))


def blur(field: np.ndarray, sigma: float) -> np.ndarray:
    """Return a field (rows, columns) blurred by a Gaussian of ``sigma`` cells; its rim is held beyond it."""
    return cv2.GaussianBlur(field.astype(np.float32), (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REPLICATE)
