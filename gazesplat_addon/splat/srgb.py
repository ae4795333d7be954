# SPDX-License-Identifier: GPL-3.0-or-later
"""The sRGB curve (IEC 61966-2-1), both ways and with its slopes, continued above 1; negative values count as 0.

Splats are fitted and blended in display-referred sRGB, Blender blends scene-linear light.
"""
from __future__ import annotations

import numpy as np

_TOE_DISPLAY, _TOE_LINEAR, _TOE_SLOPE = 0.04045, 0.0031308, 12.92
_OFFSET, _POWER = 0.055, 2.4


def decoded(display: np.ndarray) -> np.ndarray:
    """Return scene-linear values of sRGB ones, float32."""
    display = np.maximum(display, 0.0)
    return np.where(display <= _TOE_DISPLAY, display / _TOE_SLOPE, ((display + _OFFSET) / (1.0 + _OFFSET)) ** _POWER).astype(np.float32)


def encoded(linear: np.ndarray) -> np.ndarray:
    """Return sRGB values of scene-linear ones, float32: the inverse of ``decoded``."""
    linear = np.maximum(linear, 0.0)
    return np.where(linear <= _TOE_LINEAR, _TOE_SLOPE * linear, (1.0 + _OFFSET) * linear ** (1.0 / _POWER) - _OFFSET).astype(np.float32)


def decoded_slope(display: np.ndarray) -> np.ndarray:
    """Return the derivative of ``decoded``, float32."""
    display = np.maximum(display, 0.0)
    curve = _POWER / (1.0 + _OFFSET) * ((display + _OFFSET) / (1.0 + _OFFSET)) ** (_POWER - 1.0)
    return np.where(display <= _TOE_DISPLAY, 1.0 / _TOE_SLOPE, curve).astype(np.float32)


def encoded_slope(linear: np.ndarray) -> np.ndarray:
    """Return the derivative of ``encoded``, float32."""
    linear = np.maximum(linear, _TOE_LINEAR)
    return np.where(linear <= _TOE_LINEAR, _TOE_SLOPE, (1.0 + _OFFSET) / _POWER * linear ** (1.0 / _POWER - 1.0)).astype(np.float32)


def exact_light(rgba: np.ndarray) -> np.ndarray:
    """Return the scene-linear, premultiplied picture (H, W, 4) of one that was blended in display values, premultiplied.

    To straight alpha, decode, premultiply: what the compositor does in *Exact* colour.
    """
    alpha = rgba[..., 3:]
    straight = np.divide(rgba[..., :3], alpha, out=np.zeros_like(rgba[..., :3]), where=alpha > 0.0)
    return np.concatenate([decoded(straight) * alpha, alpha], axis=2)
