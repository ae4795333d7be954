# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker draws becomes what Blender composites: numpy only.

Splats are fitted and blended in display-referred sRGB. Blender's pictures are scene-linear with premultiplied alpha, and
the Standard view encodes them again, so that the fitted colours are back on the screen and in an 8-bit file.
"""
from __future__ import annotations

import numpy as np

from ..rig import parts
from ..splat.srgb import decoded, encoded, exact_light

# Depth where nothing is: what Blender's own engines write.
FAR_DEPTH_M = 1e10

_LIDS = (parts.UPPER_LID, parts.LOWER_LID, parts.UPPER_LASH, parts.LOWER_LASH)
_MATTE_PARTS = {"Irises": (parts.IRIS, parts.PUPIL, parts.HIGHLIGHT), "Scleras": (parts.SCLERA,), "Lids": _LIDS}
# Pass name -> group codes. A reflection lies on the cornea, and so counts for the iris.
MATTES = {"Head": (parts.HEAD,),
          **{name: tuple(parts.code(side, part) for side in parts.SIDES for part in chosen) for name, chosen in _MATTE_PARTS.items()}}


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
    return exact_light(rgba)


def depth_pass(depth: np.ndarray) -> np.ndarray:
    """Return the Depth pass (H, W): metres along the view, ``FAR_DEPTH_M`` where nothing is."""
    return np.where(np.isfinite(depth), depth, np.float32(FAR_DEPTH_M))
