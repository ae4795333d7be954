# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: the splats of one lid or row of lashes, carried by that part's warp."""
from __future__ import annotations

import bpy

from ..rig.parts import PART_NAMES, UPPER_SHADE
from . import attributes
from .builder import Builder, Value
from .eye_constants import declare, subset
from .eye_frame import FRAME_SOCKETS, axes_from_eye, axes_to_eye, to_eye
from .library import ensure_group
from .lid_warps import WARP_SOCKETS, lid_warp_group
from .warped import factor_fields, faded, secants, write_posed

VERSION = 4
# Shade Share is how much of the open lid's shade is left: see ``rig.lids.shade_share``.
LID_SOCKETS = (*FRAME_SOCKETS, *WARP_SOCKETS, "Shade Share")


def lid_pose_group(part: int) -> bpy.types.NodeTree:
    """Return the group of a part (``rig.parts``): Geometry and ``LID_SOCKETS`` -> Geometry."""
    return ensure_group(f"GazeSplat {PART_NAMES[part].title()} Pose", VERSION, lambda b: _build(b, part))


def _build(b: Builder, part: int) -> None:
    b.input("Geometry", "Geometry")
    declare(b, LID_SOCKETS)
    b.output("Geometry", "Geometry")
    given = b.group_inputs()

    def warp(point: Value) -> Value:
        return b.group(lid_warp_group(part), {"Point": point, **subset(given, WARP_SOCKETS)})["Point"]

    columns = [axes_to_eye(b, given, column) for column in factor_fields(b)]
    point, columns = secants(b, warp, to_eye(b, given, b.position()), columns)
    position = given["Centre"] + axes_from_eye(given, point)
    others = {attributes.BASE: ("RGBA", "FLOAT_COLOR", faded(b, given["Shade Share"]))} if part == UPPER_SHADE else None
    b.finish({"Geometry": write_posed(b, given["Geometry"], position, [axes_from_eye(given, column) for column in columns], others)})
