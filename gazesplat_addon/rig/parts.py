# SPDX-License-Identifier: GPL-3.0-or-later
"""Group codes: which part of the portrait a splat belongs to.

A code is ``10 * eye + part``; the head is 0. Left and right are the subject's.
"""
from __future__ import annotations

import numpy as np

HEAD = 0
LEFT, RIGHT = 1, 2
SIDES = {"left": LEFT, "right": RIGHT}

IRIS = 1         # annulus between pupil and limbus, rotates with the globe
PUPIL = 2        # rotates with the globe, scales with dilation
SCLERA = 3       # the rest of the globe
HIGHLIGHT = 4    # corneal reflection: stays with the light while the eye turns
UPPER_LID = 5    # skin above the opening, out to where nothing moves
LOWER_LID = 6    # skin below the opening
UPPER_LASH = 7   # rides on the upper margin and turns with the lid
LOWER_LASH = 8
UPPER_SHADE = 9  # crease and hollow above the eye: lies on the upper lid and fades as that comes down
GLOBE_PARTS = (IRIS, PUPIL, SCLERA)
LID_PARTS = (UPPER_LID, LOWER_LID, UPPER_LASH, LOWER_LASH, UPPER_SHADE)
PART_NAMES = {IRIS: "iris", PUPIL: "pupil", SCLERA: "sclera", HIGHLIGHT: "highlight", UPPER_LID: "upper lid",
              LOWER_LID: "lower lid", UPPER_LASH: "upper lashes", LOWER_LASH: "lower lashes", UPPER_SHADE: "upper shade"}


def code(side: str, part: int) -> int:
    """Return the group code of a part of the ``"left"`` or ``"right"`` eye."""
    return 10 * SIDES[side] + part


def is_part(groups: np.ndarray, side: str, parts: tuple[int, ...]) -> np.ndarray:
    """Return a mask (N,) of the splats that belong to any of the given parts of one eye."""
    return np.isin(groups, [code(side, part) for part in parts])
