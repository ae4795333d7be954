# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker draws becomes what Blender composites: numpy only.

Splats are fitted and blended in display-referred sRGB. Blender's pictures are scene-linear with premultiplied alpha, and
the Standard view encodes them again, so that the fitted colours are back on the screen and in an 8-bit file.
"""
from __future__ import annotations

import numpy as np

from ..rig import parts

# Depth where nothing is: what Blender's own engines write.
FAR_DEPTH_M = 1e10

_LIDS = (parts.UPPER_LID, parts.LOWER_LID, parts.UPPER_LASH, parts.LOWER_LASH)
_MATTE_PARTS = {"Irises": (parts.IRIS, parts.PUPIL, parts.HIGHLIGHT), "Scleras": (parts.SCLERA,), "Lids": _LIDS}
# Pass name -> group codes. A reflection lies on the cornea, and so counts for the iris.
MATTES = {"Head": (parts.HEAD,),
          **{name: tuple(parts.code(side, part) for side in parts.SIDES for part in chosen) for name, chosen in _MATTE_PARTS.items()}}


def decoded(display: np.ndarray) -> np.ndarray:
    """Return scene-linear values of sRGB ones (IEC 61966-2-1), continued above 1; negative ones count as 0."""
    display = np.maximum(display, 0.0)
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encoded(linear: np.ndarray) -> np.ndarray:
    """Return sRGB values of scene-linear ones: the inverse of ``decoded``."""
    linear = np.maximum(linear, 0.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1.0 / 2.4) - 0.055).astype(np.float32)


def combined(rgba: np.ndarray, background_linear: np.ndarray | None) -> np.ndarray:
    """Return the Combined pass (H, W, 4): scene-linear, premultiplied.

    rgba                display-referred, premultiplied by the splats' alpha
    background_linear   (3,) scene-linear colour behind the splats, None for a transparent film. It is blended as the
                        splats are blended with each other, in display values.
    """
    alpha = rgba[..., 3:]
    if background_linear is not None:
        opaque = rgba[..., :3] + (1.0 - alpha) * encoded(np.asarray(background_linear))
        return np.concatenate([decoded(opaque), np.ones_like(alpha)], axis=2)
    straight = np.divide(rgba[..., :3], alpha, out=np.zeros_like(rgba[..., :3]), where=alpha > 0.0)
    return np.concatenate([decoded(straight) * alpha, alpha], axis=2)


def depth_pass(depth: np.ndarray) -> np.ndarray:
    """Return the Depth pass (H, W): metres along the view, ``FAR_DEPTH_M`` where nothing is."""
    return np.where(np.isfinite(depth), depth, np.float32(FAR_DEPTH_M))
