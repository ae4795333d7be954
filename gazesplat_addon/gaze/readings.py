# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the backend saw in a clip from its file, which anybody may have changed."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from ...backend.contract.errors import GazeSplatError
from ..splat.npz import read_arrays
from .capture import Readings

MOST_FRAMES = 100_000
# Bytes of the largest array: three numbers a frame.
_MOST_BYTES = 8 * 3 * MOST_FRAMES
_FARTHEST = 1e6    # of any reading; an unseen frame's spread is infinite


def load_readings(path: Path) -> Readings:
    """Read what the backend has written; GazeSplatError ``bad-readings``."""
    names = Readings.__dataclass_fields__
    try:
        arrays = {name: found.astype(float) for name, found in read_arrays(path, dict.fromkeys(names, _MOST_BYTES)).items()}
    except (OSError, ValueError) as error:
        raise GazeSplatError("bad-readings", f"{path.name} cannot be read: {error}.", "Capture the clip again.") from error
    count = arrays["times_s"].size
    shapes = {"times_s": (count,), "spread": (count,), "eye_deg": (count, 2), "aperture": (count, 2), "head_deg": (count, 3),
              "head_m": (count, 3)}
    if (not 0 < count <= MOST_FRAMES or any(arrays[name].shape != shapes[name] for name in names)
            or not np.isfinite(arrays["times_s"]).all() or not (np.diff(arrays["times_s"]) > 0).all()
            or any((np.abs(one) > _FARTHEST).any() for name, one in arrays.items() if name != "spread")):
        raise GazeSplatError("bad-readings", f"{path.name} does not hold the readings of a clip.", "Capture the clip again.")
    return Readings(**arrays)
