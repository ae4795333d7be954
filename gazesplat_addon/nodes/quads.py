# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns points with two half axes into quads, the step that the exact and the cheap display share."""
from __future__ import annotations

from . import attributes
from .builder import Builder, Value

# What realising copies four times must be little: of the carrier's attributes nothing goes into the quads.
_CARRIER_ATTRIBUTES = ("radiance:*", attributes.SCALE, attributes.ROTATION, "gs_*")


def drop_carrier_attributes(b: Builder, points: Value) -> Value:
    """Remove what the quads do not need; captured values stay."""
    for pattern in _CARRIER_ATTRIBUTES:
        points = b.remove(points, pattern)
    return points


def quads_on_points(b: Builder, points: Value, axis_1: Value, axis_2: Value) -> tuple[Value, Value, Value]:
    """Return one quad a point, spanned by captured half axes, and the fields x, y that are -1 or 1 at its corners.

    The corners of the template lie in one point and remember their place in the attribute ``gs_uv``.
    """
    template = b.node("GeometryNodeMeshGrid", 2.0, 2.0, 2, 2)
    template = b.store(template, attributes.QUAD_UV, b.node("GeometryNodeInputPosition"), "FLOAT_VECTOR")
    # A linked zero: the socket's own default means "where it is".
    template = b.node("GeometryNodeSetPosition", template, None, b.vector(0.0, 0.0, 0.0))
    quads = b.node("GeometryNodeRealizeInstances", b.node("GeometryNodeInstanceOnPoints", points, None, template))
    x, y, _ = b.attribute(attributes.QUAD_UV, "FLOAT_VECTOR").xyz()
    quads = b.node("GeometryNodeSetPosition", quads, None, None, axis_1 * x + axis_2 * y)
    return quads, x, y
