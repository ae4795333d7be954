# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: the pupil's size. Twin: ``rig.pose.dilate``."""
from __future__ import annotations

import bpy

from ..rig.globe import PUPIL_LIMIT_SHARE
from .builder import Builder
from .eye_constants import declare
from .library import ensure_group

VERSION = 1
DILATE_SOCKETS = ("Iris Centre", "Iris Radius", "Pupil Radius", "Gaze Z")


def dilate_group() -> bpy.types.NodeTree:
    """Return the group: Point (portrait frame, metres), Pupil (scale) and ``DILATE_SOCKETS`` -> Point."""
    return ensure_group("GazeSplat Pupil", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Point", "Vector")
    b.input("Pupil", "Float", 1.0)
    declare(b, DILATE_SOCKETS)
    b.output("Point", "Vector")
    given = b.group_inputs()
    r, rest = given["Iris Radius"], given["Pupil Radius"]
    offset = given["Point"] - given["Iris Centre"]
    along = given["Gaze Z"] * b.dot(offset, given["Gaze Z"])
    across = offset - along
    rho = b.maximum(b.length(across), 1e-9)
    now = b.minimum(rest * b.maximum(given["Pupil"], 0.05), r * PUPIL_LIMIT_SHARE)
    inside = now / rest
    annulus = (r - (r - rho) * (r - now) / (r - rest)) / rho
    factor = b.switch(rho < rest, inside, b.switch(rho < r, annulus, 1.0, "FLOAT"), "FLOAT")
    b.finish({"Point": given["Iris Centre"] + along + across * factor})
