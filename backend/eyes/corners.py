# SPDX-License-Identifier: GPL-3.0-or-later
"""The pink between globe and lids in both corners: without it one looks past the globe into the head from the side.

A sheet spans from the margins near a corner to the flank of the globe, on which the globe may turn; behind the margins it
goes on a little, so that lids that move leave no gap. It keeps the photo's colours and hardly moves, with the lower lid.
"""
from __future__ import annotations

import numpy as np

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import sample
from .geometry import from_eye
from .surfels import OPAQUE, Layer, surfels

TOUCH_DEG = 60.0          # from the globe's front: less would lie over an iris that looks that way
BEHIND_LID_M = 0.0006     # the sheet starts within the lid's thickness
GOES_ON_SHARE = 0.35      # and goes on behind it by this share of its own length
DROP_M = 0.002
THIN_FROM = 0.55          # of the way from the margin to the globe
DARKER = 0.85             # where it is hidden in the photo
ALONG, ACROSS = 22, 12    # cells of one margin, and from the margin to the globe


def build_corners(scan: FaceScan, rig: EyeRig, side: str) -> list[Layer]:
    """Return the sheets of both corners of one eye."""
    sheets = (_sheet(scan, rig, corner, side) for corner in (rig.inner_x_m, rig.outer_x_m))
    return [sheet for sheet in sheets if sheet is not None]


def _sheet(scan: FaceScan, rig: EyeRig, corner_x: float, side: str) -> Layer | None:
    reach = rig.globe_radius_m * np.sin(np.radians(TOUCH_DEG))
    if abs(corner_x) <= reach:
        return None
    x = np.sign(corner_x) * np.linspace(0.8 * reach, abs(corner_x), ALONG)
    m = lids.margins(rig, x, 0.0, 0.0, 0.0)
    # Round the corner: along the upper margin out, along the lower one back.
    x, y = np.concatenate([x, x[::-1]]), np.concatenate([m.upper_rest, m.lower_rest[::-1]])
    touch_x = np.sign(corner_x) * np.sqrt(np.maximum(reach ** 2 - y ** 2, 0.0))
    outside = np.abs(x) > np.abs(touch_x) + 0.0002
    if outside.sum() < 4:
        return None
    x, y, touch_x = x[outside], y[outside], touch_x[outside]
    edge = np.stack([x, y, lids.lid_height(rig, x, y) - BEHIND_LID_M], 1)
    touch = np.stack([touch_x, y, np.full(len(x), rig.globe_radius_m * np.cos(np.radians(TOUCH_DEG)))], 1)
    v = np.linspace(-GOES_ON_SHARE, 1.0, ACROSS)[:, None, None]
    points = edge + v * (touch - edge)
    points[..., 2] -= DROP_M * np.maximum(-v[..., 0], 0.0) / GOES_ON_SHARE
    portrait = from_eye(rig, points)
    seen = from_eye(rig, edge + np.maximum(v, 0.1) * (touch - edge))
    colours = sample(scan.image, scan.project(seen.reshape(-1, 3))).reshape(portrait.shape) * np.where(v < 0.0, DARKER, 1.0)
    along, across = np.gradient(portrait, axis=1), np.gradient(portrait, axis=0)
    # Where it meets the globe it thins out: an iris that goes under it would end in a step.
    opacity = np.broadcast_to(OPAQUE * (1.0 - lids.smoothstep(THIN_FROM, 1.05, v[..., 0])), portrait.shape[:2])
    colours = np.clip(colours, 0.0, 1.0).reshape(-1, 3)
    return surfels(portrait.reshape(-1, 3), along.reshape(-1, 3), across.reshape(-1, 3), colours, opacity.ravel(),
                   parts.code(side, parts.LOWER_LID))
