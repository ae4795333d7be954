# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads size and place of irises off the limbus, where iris passes into white.

The size sets the distance of the whole head: 1 % of error moves a face at arm's length by 6 mm.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...gazesplat_addon.splat.srgb import decoded, encoded
from .contour import EyeContour, sample

# Nasal and temporal arcs of the limbus, where lids hardly ever hide it: degrees from the horizontal.
_ARC_DEG = 40.0
# The diameter that rulers know, in that of the middle of the edge in linear light: .991 is the mean of six rendered heads, blue eyes to
# brown (spread .006). The face's mesh stands 2.6 mm too near its irises there, which .986 makes up for.
RULER_SHARE = 0.986
# A blurred disc passes its middle brightness at r - sigma^2 / 2r; blur also takes the white beside it for darker, which is as much again.
_BLUR_SHRINKS = 1.0
_LEAST_LIMBUS_STEP = 0.08      # brightness as displayed: below, an arc says nothing
_MOST_LIMBUS_SHIFT = 0.06      # iris radii: beyond, something else than the limbus was found
_LEAST_DIRECTIONS = 12         # of 120 round the iris, for its height


def measure_limbus(grey: np.ndarray, eyes: dict[str, EyeContour]) -> dict[str, EyeContour]:
    """Return the eyes with the radius and the place of their irises read off the limbus' profile.

    Each arc's mean profile crosses the middle between iris and sclera at a radius; differences between an eye's two arcs
    move its centre, the mean over all arcs is the radius of both. Edges blur in light: in a display's values the middle of a
    dark iris' edge lies further in than a bright one's, by 2 % of the radius, and the head with it too far away.
    """
    # Repeated: what counts as iris and as sclera is told by radius and height, and each of these by the other.
    for _ in range(3):
        eyes = {side: level_with_limbus(grey, eye) for side, eye in _nearer_limbus(grey, eyes).items()}
    return {side: replace(eye, radius_px=RULER_SHARE * eye.radius_px) for side, eye in eyes.items()}


def _nearer_limbus(grey: np.ndarray, eyes: dict[str, EyeContour]) -> dict[str, EyeContour]:
    radii, moved = [], {}
    for side, eye in eyes.items():
        arcs = {sign: _limbus_radius(grey, eye, sign) for sign in (-1.0, 1.0)}
        found = [r for r in arcs.values() if r is not None]
        radii += found
        shift = 0.5 * (arcs[1.0] - arcs[-1.0]) if len(found) == 2 else 0.0
        moved[side] = eye.iris_px + shift * eye.lids.along
    if not radii:
        return eyes
    return {side: replace(eye, iris_px=moved[side], radius_px=float(np.mean(radii))) for side, eye in eyes.items()}


def _limbus_radius(grey: np.ndarray, eye: EyeContour, sign: float) -> float | None:
    """Return the radius at which one arc (-1 towards the inner corner, 1 the outer) passes from iris to sclera, or None."""
    r = eye.radius_px
    angle = np.radians(np.arange(-_ARC_DEG, _ARC_DEG + 1.0, 2.0))
    share = np.arange(0.8, 1.25, 0.01)
    centre = eye.lids.to_local(eye.iris_px)
    local = centre + share[:, None, None] * r * np.stack([sign * np.cos(angle), np.sin(angle)], 1)
    whole = _clear_of_lids(eye, local, r)[share < 1.18].all(0)
    if whole.sum() < 5:
        return None
    light = decoded(sample(grey, eye.lids.to_image(local[:, whole]).reshape(-1, 2))).reshape(len(share), -1).mean(1)
    iris, sclera = light[share < 0.97].min(), np.median(light[(share > 1.1) & (share < 1.18)])
    if encoded(sclera) - encoded(iris) < _LEAST_LIMBUS_STEP:
        return None
    start = int(np.argmin(np.where(share < 0.97, light, np.inf)))
    crossings = [_crossing(light, share, start, iris + level * (sclera - iris)) for level in (0.25, 0.5, 0.75)]
    if None in crossings or abs(crossings[1] - 1.0) > _MOST_LIMBUS_SHIFT:
        return None
    sigma = (crossings[2] - crossings[0]) / 1.349
    return (crossings[1] + _BLUR_SHRINKS * sigma ** 2 / crossings[1]) * r


_LEVEL_PRIOR = 0.3            # of one direction's weight: that the iris is where it was
_MOST_LEVEL_SHIFT = 0.08       # iris radii


def level_with_limbus(grey: np.ndarray, eye: EyeContour) -> EyeContour:
    """Return the eye with the height of its iris read off the limbus in every direction in which lids leave it clear.

    Lids' shade darkens the globe beside an iris unevenly, which draws a circle fitted to the whole edge up or down; where each
    direction's own profile passes the middle between its iris and its sclera that does not matter.
    """
    r, found = eye.radius_px, []
    share, centre = np.arange(0.8, 1.25, 0.01), eye.lids.to_local(eye.iris_px)
    for angle in np.radians(np.arange(-180.0, 180.0, 3.0)):
        local = centre + share[:, None] * r * np.array([np.cos(angle), np.sin(angle)])
        if _clear_of_lids(eye, local, r)[share < 1.18].all():
            crossing = _middle_crossing(sample(grey, eye.lids.to_image(local)), share)
            if crossing is not None:
                found.append((np.cos(angle), np.sin(angle), 1.0, (crossing - 1.0) * r))
    if len(found) < _LEAST_DIRECTIONS:
        return eye
    design, off = np.array(found)[:, :3], np.array(found)[:, 3]
    weight, prior = np.ones(len(off)), np.diag([_LEVEL_PRIOR, _LEVEL_PRIOR, 0.0])
    for _ in range(5):
        shift = np.linalg.solve(design.T @ (weight[:, None] * design) + prior, design.T @ (weight * off))
        error = off - design @ shift
        weight = 1.0 / (1.0 + (error / (2.2 * np.median(np.abs(error)) + 0.003 * r)) ** 2)
    up = float(np.clip(shift[1], -_MOST_LEVEL_SHIFT * r, _MOST_LEVEL_SHIFT * r))
    return replace(eye, iris_px=eye.iris_px + up * eye.lids.up)


def _clear_of_lids(eye: EyeContour, local: np.ndarray, r: float) -> np.ndarray:
    """Return which points (..., 2) of the local frame lie well within the opening."""
    x, y = local[..., 0], local[..., 1]
    clear = (y < eye.lids.upper_at(x) - 0.12 * r) & (y > eye.lids.lower_at(x) + 0.12 * r)
    return clear & (x > 0.1 * r) & (x < eye.lids.width_px - 0.1 * r)


def _middle_crossing(light: np.ndarray, share: np.ndarray) -> float | None:
    """Return the share of the radius at which a profile passes the middle between iris and sclera, None where it tells nothing."""
    iris, sclera = light[share < 0.97].min(), np.median(light[(share > 1.1) & (share < 1.18)])
    if sclera - iris < _LEAST_LIMBUS_STEP:
        return None
    start = int(np.argmin(np.where(share < 0.97, light, np.inf)))
    crossing = _crossing(light, share, start, iris + 0.5 * (sclera - iris))
    return crossing if crossing is not None and abs(crossing - 1.0) < _MOST_LEVEL_SHIFT + _MOST_LIMBUS_SHIFT else None


def _crossing(light: np.ndarray, share: np.ndarray, start: int, level: float) -> float | None:
    """Return the share at which a profile first rises above a level after its index ``start``, or None."""
    above = np.flatnonzero(light[start:] > level)
    if not len(above) or above[0] == 0:
        return None
    k = start + int(above[0])
    return float(np.interp(level, light[k - 1:k + 1], share[k - 1:k + 1]))
