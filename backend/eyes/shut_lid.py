# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin of a shut upper lid: where each row of it lies then, and what is put on it where it was drawn out threefold.

Detail that is drawn out becomes streaks, and rows that differ become rings. So where rows part, skin is evened out alike in both
directions as it lies when shut, and gets the grain of the skin round the eye, and what is left of the crease.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates

from ...gazesplat_addon.rig import lids
from ...gazesplat_addon.rig.lids import smoothstep
from ...gazesplat_addon.rig.sidecar import EyeRig

STEP_SHARE = 0.9              # rows of a shut lid stand up to this much wider apart than its columns
EVEN_IRIS_RADII = 0.4         # over which drawn out detail is evened, as it lies when shut
DRAWN_OUT = (1.1, 1.6)        # times as long: from here on detail is replaced
# The crease lies 8-10 mm above the margin of a shut lid in most people, lower at the corners, and is not quite gone.
CREASE_IRIS_RADII = 1.5
CREASE_MOST_SHARE = 0.75      # of the shut lid's height
CREASE_LEFT, CREASE_MOST = 0.5, 0.11
CREASE_WIDTH_IRIS_RADII = 0.08
CREASE_HOLLOW_IRIS_RADII = 0.5


@dataclass(frozen=True)
class ShutLid:
    """Where the skin over columns of a lid's grid lies when shut.

    drop_px  (columns,), how far the margin has come down, pixels; skin below ``still_px`` moves with it, above ``reach_px`` not at all
    """

    drop_px: np.ndarray
    still_px: float
    reach_px: float

    @classmethod
    def of(cls, rig: EyeRig, x_px: np.ndarray, metres_per_pixel: float) -> ShutLid:
        """Return it for columns at local x (columns,)."""
        along = x_px * metres_per_pixel * (1.0 if rig.outer_x_m > rig.inner_x_m else -1.0) + rig.inner_x_m
        shut = lids.margins(rig, along, 0.0, 0.0, 1.0)
        drop, still = np.maximum(shut.upper_rest - shut.upper, 0.0), lids.STILL_IRIS_RADII * rig.iris_radius_m
        return cls(drop / metres_per_pixel, still / metres_per_pixel, rig.upper_reach_m / metres_per_pixel)

    def distance(self, t_px: np.ndarray) -> np.ndarray:
        """Return the distance (rows, columns) from the margin when shut, of rows t (rows,) at rest."""
        return t_px[:, None] + self.drop_px[None] * smoothstep(self.still_px, self.reach_px, t_px)[:, None]

    def drawn_out(self, rows_px: np.ndarray) -> np.ndarray:
        """Return how far (rows, columns) skin at rows (rows,) is drawn out, 0..1."""
        return smoothstep(*DRAWN_OUT, np.gradient(self.distance(rows_px), rows_px, axis=0))

    def rows(self, first_px: float, last_px: float, step_px: float) -> np.ndarray:
        """Return rows spaced evenly by what lies between them at rest and, mid-lid, when shut."""
        fine = np.linspace(first_px, last_px, 8 * int(np.ceil((last_px - first_px) / step_px) + 1))
        mid_shut = self.distance(fine)[:, int(np.argmax(self.drop_px))]
        travelled = np.maximum(fine, STEP_SHARE * (mid_shut - mid_shut[0]) + fine[0])
        count = int(np.ceil((travelled[-1] - travelled[0]) / step_px)) + 1
        return np.interp(np.linspace(travelled[0], travelled[-1], count), travelled, fine)


@dataclass(frozen=True)
class Restored:
    """What is put on drawn out skin.

    grain   (distances when shut by the grid's step, columns, 3)
    own     (rows, columns), where a photo's own detail may stay, and moves (rows, columns), where skin is restored at all
    crease  (columns,), how dark the photo's crease is
    """

    grain: np.ndarray
    own: np.ndarray
    moves: np.ndarray
    crease: np.ndarray


def draw_out(clean: np.ndarray, put: Restored, t_px: np.ndarray, rows_px: np.ndarray, shut: ShutLid, r: float) -> np.ndarray:
    """Return skin (M, columns, 3) at finer rows (M,) as it looks when the lid is shut."""
    step = float(t_px[1] - t_px[0])
    shut_px = shut.distance(rows_px)
    stretch = np.maximum(np.gradient(shut_px, rows_px, axis=0), 1.0)
    size = EVEN_IRIS_RADII * r / step
    soft = cv2.GaussianBlur(clean.astype(np.float32), (0, 0), sigmaX=max(size, 0.3), sigmaY=max(size / float(stretch.max()), 0.3),
                            borderType=cv2.BORDER_REPLICATE)
    at = np.clip((rows_px - t_px[0]) / step, 0.0, len(t_px) - 1.001)
    low, share = at.astype(int), at - at.astype(int)

    def on_rows(field: np.ndarray) -> np.ndarray:
        weight = share.reshape(-1, *([1] * (field.ndim - 1)))
        return (1.0 - weight) * field[low] + weight * field[low + 1]

    drawn_out = shut.drawn_out(rows_px)
    put_on = on_rows(put.moves) * (1.0 - (1.0 - drawn_out) * on_rows(put.own))
    sharp, even = on_rows(clean), on_rows(soft)
    columns = np.broadcast_to(np.arange(clean.shape[1])[None], shut_px.shape)
    where = np.stack([np.clip(shut_px / step, 0.0, len(put.grain) - 1.0), columns])
    grain = np.stack([map_coordinates(put.grain[..., k], where, order=1, mode="nearest") for k in range(3)], -1)
    skin = sharp + (even - sharp) * drawn_out[..., None]
    skin = skin * (1.0 - _crease(put.crease, shut_px, shut, r, step) * put_on)[..., None]
    return np.clip(skin + grain * put_on[..., None], 0.0, 1.0)


def _crease(dark: np.ndarray, shut_px: np.ndarray, shut: ShutLid, r: float, step: float) -> np.ndarray:
    """Return by which share (rows, columns) skin is darker in what is left of the crease: a soft line, and a hollow above it."""
    full = shut.drop_px / max(float(shut.drop_px.max()), 1e-6)
    at = np.minimum(CREASE_IRIS_RADII * r, CREASE_MOST_SHARE * (shut.reach_px + shut.drop_px.max())) * (0.45 + 0.55 * np.sqrt(full))
    left = np.minimum(CREASE_LEFT * dark, CREASE_MOST) * smoothstep(0.1, 0.5, full)
    above = shut_px - gaussian_filter1d(at, 0.3 * r / step)
    line = np.exp(-0.5 * (above / (CREASE_WIDTH_IRIS_RADII * r)) ** 2)
    hollow = smoothstep(-0.1 * r, 0.1 * r, above) * (1.0 - smoothstep(0.1 * r, CREASE_HOLLOW_IRIS_RADII * r, above))
    return left[None] * (0.6 * line + 0.4 * hollow)
