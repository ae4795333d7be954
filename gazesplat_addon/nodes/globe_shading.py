# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: the light that falls on a place of the globe, as a logarithm. Twin: ``rig.pose.shading_terms`` times ``EyeRig.shade``."""
from __future__ import annotations

import bpy

from ..rig.globe import SHADE_CORNER_IRIS_RADII, SHADE_LOWER_IRIS_RADII, SHADE_UPPER_IRIS_RADII
from .builder import Builder, Value
from .eye_constants import SHADE_SOCKETS, declare
from .library import ensure_group

VERSION = 1
SHADING_SOCKETS = ("Inner X", "Outer X", "Corner Y", "Iris Radius", *SHADE_SOCKETS)


def globe_shading_group() -> bpy.types.NodeTree:
    """Return the group: Point (eye frame), Upper, Lower (margins there), ``SHADING_SOCKETS`` -> Socket, Shadow.

    Socket is the light of the eye socket, which the iris does not receive, Shadow that of the lids.
    """
    return ensure_group("GazeSplat Globe Shading", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Point", "Vector")
    b.input("Upper", "Float")
    b.input("Lower", "Float")
    declare(b, SHADING_SOCKETS)
    b.output("Socket", "Vector")
    b.output("Shadow", "Vector")
    given = b.group_inputs()
    px, py, _ = given["Point"].xyz()
    r = given["Iris Radius"]
    signed_width = given["Outer X"] - given["Inner X"]
    share = (px - given["Inner X"]) / signed_width
    width = b.absolute(signed_width)
    x = b.clamp(share * 2.0 - 1.0, -1.0, 1.0)
    height = b.clamp((py - given["Corner Y"]) / r, -1.5, 1.5)
    corner, above, below = r * SHADE_CORNER_IRIS_RADII, r * SHADE_UPPER_IRIS_RADII, r * SHADE_LOWER_IRIS_RADII
    socket = (x, x * x, height, _fading(b, share * width, corner), _fading(b, (1.0 - share) * width, corner))
    shadow = (_fading(b, given["Upper"] - py, above), _fading(b, py - given["Lower"], below))
    b.finish({"Socket": _weighted(b, socket, given, 0), "Shadow": _weighted(b, shadow, given, len(socket))})


def _fading(b: Builder, distance: Value, decay: Value) -> Value:
    return b.exp(-b.maximum(distance, 0.0) / decay)


def _weighted(b: Builder, terms: tuple[Value, ...], given: dict[str, Value], first: int) -> Value:
    total: Value | None = None
    for index, term in enumerate(terms, first):
        part = b.scale(given[SHADE_SOCKETS[index]], term)
        total = part if total is None else total + part
    return total
