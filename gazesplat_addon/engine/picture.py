# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender calls the passes, and what they hold where nothing is: numpy only."""
from __future__ import annotations

import numpy as np

from ..rig import parts

# Depth where nothing is: what Blender's own engines write.
FAR_DEPTH_M = 1e10

_LIDS = (parts.UPPER_LID, parts.LOWER_LID, parts.UPPER_LASH, parts.LOWER_LASH, parts.UPPER_SHADE)
_MATTE_PARTS = {"Irises": (parts.IRIS, parts.PUPIL, parts.HIGHLIGHT), "Scleras": (parts.SCLERA,), "Lids": _LIDS}
# Pass name -> group codes. A reflection lies on the cornea, and so counts for the iris.
MATTES = {"Head": (parts.HEAD,),
          **{name: tuple(parts.code(side, part) for side in parts.SIDES for part in chosen) for name, chosen in _MATTE_PARTS.items()}}


def depth_pass(depth: np.ndarray) -> np.ndarray:
    """Return the Depth pass (H, W): metres along the view, ``FAR_DEPTH_M`` where nothing is."""
    return np.where(np.isfinite(depth), depth, np.float32(FAR_DEPTH_M))
