# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: keeps the depths of splats apart, so that a ray tracer meets every one of them, in order.

Cycles goes on behind the distance of its last hit, and so passes over whatever lies at the same distance to float
precision: flat parts of a portrait would get holes. Splats that follow each other more closely than a few such steps
are spread out, each by a few steps behind the one before; all others stay. A disc of splats that faces the camera, such as
an iris that looks into the lens, becomes millimetres deep by that; what lies behind it is moved back with it, so the order holds.
"""
from __future__ import annotations

import bpy

from .builder import Builder, Value
from .library import ensure_group

VERSION = 3
# More splats than this leave less room than a step between them: then their order is worth more than the distance.
CROWD = 250_000.0
# Each pass looks twice as far ahead as the one before; an iris that faces the camera is one row of 18,000 splats.
PASSES, CROWD_PASSES = 18, 22


def depth_spacing_group() -> bpy.types.NodeTree:
    """Return the group: Geometry (points), Depth (field), Step (field, smallest distance) -> Geometry, Shift (field, >= 0).

    The points keep their order. Depth may be counted from anywhere. Depth + Shift has the order of the depths.
    """
    return ensure_group("GazeSplat Depth Spacing", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    b.input("Depth", "Float")
    b.input("Step", "Float")
    b.output("Geometry", "Geometry")
    b.output("Shift", "Float")
    given = b.group_inputs()
    place = b.node("GeometryNodeInputIndex")
    count = b.outputs("GeometryNodeAttributeDomainSize", given["Geometry"], component="MESH")["Point Count"]
    step = given["Step"] * b.minimum(CROWD / count, 1.0)
    points, kept = b.capture(given["Geometry"], depth=("FLOAT", given["Depth"]), step=("FLOAT", step), place=("INT", place))
    points = b.node("GeometryNodeSortElements", points, None, None, kept["depth"], domain="POINT")
    # Less the steps of all before it, no depth may be smaller than one before it: the largest so far is where a splat comes to lie.
    points, spare = b.capture(points, spare=("FLOAT", kept["depth"] - b.accumulate(kept["step"], None, "FLOAT")))
    points, largest = _largest_so_far(b, points, spare["spare"], range(PASSES))
    crowded, crowded_largest = _largest_so_far(b, points, largest, range(PASSES, CROWD_PASSES))
    points = b.switch(count > int(CROWD), crowded, points, "GEOMETRY")
    largest = b.switch(count > int(CROWD), crowded_largest, largest, "FLOAT")
    points = b.node("GeometryNodeSortElements", points, None, None, kept["place"], domain="POINT")
    b.finish({"Geometry": points, "Shift": largest - spare["spare"]})


def _largest_so_far(b: Builder, points: Value, largest: Value, passes: range) -> tuple[Value, Value]:
    """Return the points and the largest of each value and those before it, given the largest of the last 2 ** passes.start."""
    index = b.node("GeometryNodeInputIndex")
    for k in passes:
        before = b.node("GeometryNodeFieldAtIndex", largest, b.maximum(index - float(2 ** k), 0.0), data_type="FLOAT", domain="POINT")
        points, captured = b.capture(points, largest=("FLOAT", b.maximum(largest, before)))
        largest = captured["largest"]
    return points, largest
