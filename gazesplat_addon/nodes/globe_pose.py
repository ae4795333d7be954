# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: iris, pupil and sclera turn as one, under the shadow of lids that move; the reflection stays with the light."""
from __future__ import annotations

import bpy

from ..rig import parts
from ..rig.posed_eye import HIGHLIGHT_EDGE
from . import attributes
from .builder import Builder, Value
from .dilate import DILATE_SOCKETS, dilate_group
from .eye_constants import MARGIN_POSE_SOCKETS, MARGIN_SOCKETS, declare, subset
from .eye_frame import FRAME_SOCKETS, PIVOT_SOCKETS, TURN_SOCKETS, Given, axes_to_eye, declare_turn, margins, margins_now, to_eye, turned
from .globe_shading import SHADING_SOCKETS, globe_shading_group
from .library import ensure_group
from .warped import factor_fields, faded, secants, write_posed

VERSION = 3
_GLOBE_CONSTANTS = tuple(dict.fromkeys((*FRAME_SOCKETS, *PIVOT_SOCKETS, *DILATE_SOCKETS, *MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS,
                                        *SHADING_SOCKETS, "Pupil")))
_HIGHLIGHT_CONSTANTS = (*FRAME_SOCKETS, *PIVOT_SOCKETS, "Iris Centre", "Iris Radius", "Highlight Share")
GLOBE_SOCKETS = (*_GLOBE_CONSTANTS, *TURN_SOCKETS)
HIGHLIGHT_SOCKETS = (*_HIGHLIGHT_CONSTANTS, *TURN_SOCKETS)


def globe_pose_group() -> bpy.types.NodeTree:
    """Return the group: Geometry (splats of the globe), Side, ``GLOBE_SOCKETS`` -> Geometry."""
    return ensure_group("GazeSplat Globe Pose", VERSION, _build_globe)


def highlight_pose_group() -> bpy.types.NodeTree:
    """Return the group: Geometry (splats of the corneal reflection), ``HIGHLIGHT_SOCKETS`` -> Geometry."""
    return ensure_group("GazeSplat Highlight Pose", VERSION, _build_highlight)


def _build_globe(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    b.input("Side", "Int", parts.LEFT)
    declare(b, _GLOBE_CONSTANTS)
    declare_turn(b)
    b.output("Geometry", "Geometry")
    given = b.group_inputs()
    rest = b.position()
    is_sclera = (b.attribute(attributes.GROUP, "INT") - given["Side"] * 10.0).equals(float(parts.SCLERA))

    def dilated(point: Value) -> Value:
        return b.group(dilate_group(), {"Point": point, **subset(given, DILATE_SOCKETS), "Pupil": given["Pupil"]})["Point"]

    columns = factor_fields(b)
    disc_point, disc_columns = secants(b, dilated, rest, columns)
    columns = [b.switch(is_sclera, still, moved, "VECTOR") for still, moved in zip(columns, disc_columns, strict=True)]
    posed = turned(b, given, b.switch(is_sclera, rest, disc_point, "VECTOR"))
    points = write_posed(b, given["Geometry"], posed, [b.rotate(column, given["Turn Both"]) for column in columns],
                         {attributes.SHADE: ("VECTOR", "FLOAT_VECTOR", _change_of_light(b, given, rest, posed, is_sclera))})
    b.finish({"Geometry": b.store(points, attributes.TURN, given["Turn Both"], "QUATERNION")})


def _change_of_light(b: Builder, given: Given, rest: Value, posed: Value, is_sclera: Value) -> Value:
    before, after = to_eye(b, given, rest), to_eye(b, given, posed)
    lids_before, lids_after = margins(b, given, before.xyz()[0]), margins_now(b, given, after.xyz()[0])
    upper_before = b.maximum(lids_before["Upper Rest"], lids_before["Lower Rest"])
    light_before = _light(b, given, before, upper_before, lids_before["Lower Rest"])
    light_after = _light(b, given, after, lids_after["Upper"], lids_after["Lower"])
    # The light of the socket was taken out of the sclera only.
    socket = b.switch(is_sclera, light_after["Socket"] - light_before["Socket"], (0.0, 0.0, 0.0), "VECTOR")
    return socket + (light_after["Shadow"] - light_before["Shadow"])


def _light(b: Builder, given: Given, point: Value, upper: Value, lower: Value) -> dict[str, Value]:
    return b.group(globe_shading_group(), {"Point": point, "Upper": upper, "Lower": lower, **subset(given, SHADING_SOCKETS)})


def _build_highlight(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    declare(b, _HIGHLIGHT_CONSTANTS)
    declare_turn(b)
    b.output("Geometry", "Geometry")
    given = b.group_inputs()
    iris = turned(b, given, given["Iris Centre"])
    position = b.position() + (iris - given["Iris Centre"]) * given["Highlight Share"]
    x, y, _ = axes_to_eye(b, given, position - iris).xyz()
    edge, soft = HIGHLIGHT_EDGE
    shown = b.clamp((edge - b.sqrt(x * x + y * y) / given["Iris Radius"]) / soft, 0.0, 1.0)
    b.finish({"Geometry": write_posed(b, given["Geometry"], position, [], {attributes.BASE: ("RGBA", "FLOAT_COLOR", faded(b, shown))})})
