# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: keeps the depths of splats apart, so that a ray tracer meets every one of them, in order.

Cycles goes on behind the distance of its last hit, and so passes over whatever lies at the same distance to float
precision: flat parts of a portrait would get holes. Splats that follow each other more closely than a few such steps
are spread out, each by a few steps behind the one before; all others stay.
"""
from __future__ import annotations

import bpy

from .builder import Builder, Value
from .library import ensure_group

VERSION = 2
# More splats than this leave less room than a step between them: then their order is worth more than the distance.
CROWD = 250_000.0
# A third pass changes nothing that a picture shows, but in a crowd, where one run ends in the next: a million splats go from 64 to 80 dB.
PASSES, CROWD_PASSES = 2, 8


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
    shift = None
    for _ in range(PASSES):
        points, shift = _spread(b, points, kept, shift)
    crowded, crowded_shift = points, shift
    for _ in range(CROWD_PASSES - PASSES):
        crowded, crowded_shift = _spread(b, crowded, kept, crowded_shift)
    points = b.switch(count > int(CROWD), crowded, points, "GEOMETRY")
    shift = b.switch(count > int(CROWD), crowded_shift, shift, "FLOAT")
    points = b.node("GeometryNodeSortElements", points, None, None, kept["place"], domain="POINT")
    b.finish({"Geometry": points, "Shift": shift})


def _spread(b: Builder, points: Value, kept: dict[str, Value], shift: Value | None) -> tuple[Value, Value]:
    """Return the points after one pass, and by how much each has gone back so far."""
    room = _room(b, kept["depth"], shift, kept["step"])
    points, captured = b.capture(points, shift=("FLOAT", room if shift is None else shift + room))
    return points, captured["shift"]


def _room(b: Builder, depth: Value, shift: Value | None, step: Value) -> Value:
    """Return how far each of the sorted points has to go back.

    A run is a row of points whose gaps are smaller than a step. Its first point stays, behind it each takes what the
    gap before it lacks. The end of a run may then reach into the next one: that is the next pass's work.
    """
    index = b.node("GeometryNodeInputIndex")
    # Differences of the given depths first: the shifts are too small to be added to them without loss.
    gap = depth - b.node("GeometryNodeFieldAtIndex", depth, index - 1.0, data_type="FLOAT", domain="POINT")
    if shift is not None:
        gap = gap + (shift - b.node("GeometryNodeFieldAtIndex", shift, index - 1.0, data_type="FLOAT", domain="POINT"))
    # A gap that an earlier pass has made counts as whole in spite of rounding.
    in_run = (gap < step * 0.99).both(index > 0)
    run = b.accumulate(b.switch(in_run, 0, 1, "INT"), None, "INT")
    return b.accumulate(b.switch(in_run, step - gap, 0.0, "FLOAT"), run, "FLOAT")
