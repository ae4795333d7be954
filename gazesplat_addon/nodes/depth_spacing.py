# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: keeps the depths of splats apart, so that a ray tracer meets every one of them, in order.

Cycles goes on behind the distance of its last hit, and so passes over whatever lies at the same distance to float
precision: flat parts of a portrait would get holes. Splats that follow each other more closely than a few such steps
are spread out, each by a few steps behind the one before; all others stay.
"""
from __future__ import annotations

import bpy

from .builder import Builder
from .library import ensure_group

VERSION = 1


def depth_spacing_group() -> bpy.types.NodeTree:
    """Return the group: Geometry (points), Depth (field), Step (field, smallest distance) -> Geometry, Shift (field, >= 0).

    The points keep their order. Depth + Shift keeps the order of the depths.
    """
    return ensure_group("GazeSplat Depth Spacing", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    b.input("Depth", "Float")
    b.input("Step", "Float")
    b.output("Geometry", "Geometry")
    b.output("Shift", "Float")
    given = b.group_inputs()
    index = b.node("GeometryNodeInputIndex")
    points, kept = b.capture(given["Geometry"], depth=("FLOAT", given["Depth"]), step=("FLOAT", given["Step"]), place=("INT", index))
    points = b.node("GeometryNodeSortElements", points, None, None, kept["depth"], domain="POINT")

    # A run is a row of splats whose gaps are smaller than a step. Its first stays; behind it each takes one step more.
    before = b.node("GeometryNodeFieldAtIndex", kept["depth"], index - 1.0, data_type="FLOAT", domain="POINT")
    gap = kept["depth"] - before
    in_run = (gap < kept["step"]).both(index > 0)
    starts = b.switch(in_run, 0, 1, "INT")
    run = b.accumulate(starts, None, "INT")
    room = b.accumulate(b.switch(in_run, kept["step"] - gap, 0.0, "FLOAT"), run, "FLOAT")
    points, shifts = b.capture(points, shift=("FLOAT", room))
    points = b.node("GeometryNodeSortElements", points, None, None, kept["place"], domain="POINT")
    b.finish({"Geometry": points, "Shift": shifts["shift"]})
