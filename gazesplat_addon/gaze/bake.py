# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves in seconds become keyframes in frames: at any frame rate, between frames where it must be, no more than needed."""
from __future__ import annotations

import numpy as np

from . import inputs
from .curve import Curve
from .keys import Keys, from_slopes

CLOSEST_FRAMES = 4e-3   # twice the spacing of 32-bit numbers at frame 20,000: nearer keys would lose their order


def bake(curve: Curve, *, fps: float, start_frame: float, factor: float = 1.0, tolerance: float = 0.0) -> Keys:
    """Return the keyframes of a curve whose second 0 lies on ``start_frame``.

    Values are multiplied by ``factor`` (for example degrees to radians). Unpinned keys go while the curve stays within
    ``tolerance``, in the curve's own unit.
    """
    inputs.check_fps(fps)
    curve = _spaced(curve, CLOSEST_FRAMES / fps)
    if tolerance > 0:
        curve = curve.thinned(tolerance)
    return from_slopes(start_frame + curve.times_s * fps, curve.values * factor, curve.slopes * factor / fps)


def _spaced(curve: Curve, closest_s: float) -> Curve:
    """Drop keys that follow another too closely; the first and the last stay."""
    keep = np.append(True, np.diff(curve.times_s) >= closest_s)
    keep[-1] = True
    if len(curve) > 2 and curve.times_s[-1] - curve.times_s[-2] < closest_s:
        keep[-2] = False
    keep[0] = True
    return curve if keep.all() else Curve(curve.times_s[keep], curve.values[keep], curve.slopes[keep], curve.pinned[keep])
