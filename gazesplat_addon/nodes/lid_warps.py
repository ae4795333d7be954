# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: where a point of the lids goes, in the eye frame. Twins: the ``warp_...`` functions of ``rig.lids``."""
from __future__ import annotations

from collections.abc import Callable

import bpy

from ..rig.lids import FLAT_SHARE, LASH_CORNER_SHARE, STILL_IRIS_RADII
from ..rig.parts import LOWER_LASH, LOWER_LID, UPPER_LASH, UPPER_LID, UPPER_SHADE
from .builder import Builder, Value
from .eye_constants import MARGIN_POSE_SOCKETS, MARGIN_SOCKETS, declare, subset
from .library import ensure_group
from .lid_margins import lid_margins_group

VERSION = 4
# Beside what the margins need; Lash Rotation is the lid's turn in radians at mid-opening, Lash Angle is in degrees.
WARP_SOCKETS = (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS, "Lid Radius", "Upper Reach", "Lower Reach", "Lash Angle", "Lash Rotation",
                "Lead")

_Moved = tuple[Value, Value, Value]


def lid_warp_group(part: int) -> bpy.types.NodeTree:
    """Return the group of a part (``rig.parts``): Point (eye frame, metres) and ``WARP_SOCKETS`` -> Point."""
    name, move = _WARPS[part]
    return ensure_group(f"GazeSplat {name} Warp", VERSION, lambda b: _build(b, move))


def lid_height(b: Builder, radius: Value, x: Value, y: Value) -> Value:
    """Return z of the sphere on which the lids slide, flat beyond its rim. Twin: ``rig.lids.lid_height``."""
    flat = radius * FLAT_SHARE
    return b.sqrt(b.maximum(radius * radius - x * x - y * y, flat * flat))


def _build(b: Builder, move: Callable[[Builder, dict[str, Value], dict[str, Value], Value, Value, Value], _Moved]) -> None:
    b.input("Point", "Vector")
    declare(b, WARP_SOCKETS)
    b.output("Point", "Vector")
    given = b.group_inputs()
    x, y, z = given["Point"].xyz()
    margins = b.group(lid_margins_group(), {"X": x, **subset(given, (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS))})
    b.finish({"Point": b.vector(*move(b, given, margins, x, y, z))})


def _slide(b: Builder, given: dict[str, Value], x: Value, y: Value, z: Value, aside: Value, rise: Value) -> _Moved:
    carried, risen = x + aside, y + rise
    radius = given["Lid Radius"]
    return carried, risen, z + lid_height(b, radius, carried, risen) - lid_height(b, radius, x, y)


def _upper_lid(b: Builder, given: dict[str, Value], margins: dict[str, Value], x: Value, y: Value, z: Value) -> _Moved:
    above = y - margins["Upper Rest"]
    weight = 1.0 - b.smoothstep(given["Iris Radius"] * STILL_IRIS_RADII, given["Upper Reach"], above)
    ahead = z + given["Lead"] * margins["Lead Share"] * weight
    return _slide(b, given, x, y, ahead, margins["Aside"] * weight, (margins["Upper"] - margins["Upper Rest"]) * weight)


def _lower_lid(b: Builder, given: dict[str, Value], margins: dict[str, Value], x: Value, y: Value, z: Value) -> _Moved:
    below = margins["Lower Rest"] - y
    weight = 1.0 - b.smoothstep(given["Iris Radius"] * STILL_IRIS_RADII, given["Lower Reach"], below)
    return _slide(b, given, x, y, z, margins["Aside"] * weight, (margins["Lower"] - margins["Lower Rest"]) * weight)


def _lower_lash(b: Builder, given: dict[str, Value], margins: dict[str, Value], x: Value, y: Value, z: Value) -> _Moved:
    return _slide(b, given, x, y, z, margins["Aside"], margins["Lower"] - margins["Lower Rest"])


def _upper_lash(b: Builder, given: dict[str, Value], margins: dict[str, Value], x: Value, y: Value, z: Value) -> _Moved:
    height = y - margins["Upper Rest"]
    width = b.absolute(given["Outer X"] - given["Inner X"])
    corner = 1.0 - b.smoothstep(0.0, given["Iris Radius"] * 0.8, (margins["Share"] - 1.0) * width) * LASH_CORNER_SHARE
    angle = b.math("RADIANS", given["Lash Angle"])
    turned = angle - given["Lash Rotation"] * corner
    radius = given["Lid Radius"]
    carried = x + margins["Aside"]
    base = lid_height(b, radius, carried, margins["Upper"]) - lid_height(b, radius, x, margins["Upper Rest"])
    lash_length = height / b.math("SINE", angle)
    forward = lash_length * (b.math("COSINE", turned) - b.math("COSINE", angle))
    return carried, margins["Upper"] + lash_length * b.math("SINE", turned), z + base + forward + given["Lead"] * margins["Lead Share"]


_WARPS = {UPPER_LID: ("Upper Lid", _upper_lid), LOWER_LID: ("Lower Lid", _lower_lid),
          UPPER_LASH: ("Upper Lash", _upper_lash), LOWER_LASH: ("Lower Lash", _lower_lash), UPPER_SHADE: ("Upper Lid", _upper_lid)}
