# SPDX-License-Identifier: GPL-3.0-or-later
"""HDR frames become ordinary ones: BT.2100 PQ and HLG code values to sRGB, with a soft shoulder for highlights."""
from __future__ import annotations

import numpy as np

from .container import HLG

# Diffuse white of BT.2408, in nits, on a display of 1000 nits.
_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
_HLG_GAMMA = 1.2
# BT.2020 to BT.709 primaries (BT.2087).
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
# Values up to here stay as they are; above, highlights are rolled off into what is left.
_SHOULDER = 0.75


def to_ordinary(picture: np.ndarray, transfer: int) -> np.ndarray:
    """Return an HDR frame (H, W, 3) uint8 of code values as (H, W, 3) uint8 sRGB; ``transfer`` is container.PQ or HLG."""
    codes = np.arange(256, dtype=np.float64) / 255.0
    table = (_hlg_scene(codes) if transfer == HLG else _pq_nits(codes) / _WHITE_NITS).astype(np.float32)
    light = table[picture]
    if transfer == HLG:
        luma = np.maximum(light @ _LUMA_2020, 1e-6)[..., None]
        light = light * luma ** np.float32(_HLG_GAMMA - 1.0) * np.float32(_PEAK_NITS / _WHITE_NITS)
    light = np.maximum(light @ _TO_709.T, 0.0)
    # The brightest channel decides, so that highlights keep their colour.
    top = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    room = 1.0 - _SHOULDER
    over = np.maximum(top - _SHOULDER, 0.0)
    light *= np.where(over > 0.0, _SHOULDER + room * over / (over + room), top) / top
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-6) ** (1.0 / 2.4) - 0.055)
    return np.round(np.clip(coded, 0.0, 1.0) * 255.0).astype(np.uint8)


def _hlg_scene(codes: np.ndarray) -> np.ndarray:
    """Return relative scene light 0..1 (the inverse of BT.2100's HLG OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(codes <= 0.5, codes ** 2 / 3.0, (np.exp((codes - c) / a) + b) / 12.0)


def _pq_nits(codes: np.ndarray) -> np.ndarray:
    """Return display light in nits (BT.2100's PQ EOTF)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = codes ** (1.0 / m2)
    return 10000.0 * (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1.0 / m1)
