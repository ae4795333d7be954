# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: keeps the depths of splats apart, so that a ray tracer meets every one of them, in order.

Cycles goes on behind the distance of its last hit, and so passes over whatever lies at the same distance to float
precision: flat parts of a portrait would get holes. Splats that follow each other more closely than a few such steps
are spread out, each by a few steps behind the one before; all others stay. A disc of splats that faces the camera, such as
an iris that looks into the lens, becomes millimetres deep by that; what lies behind it is moved back with it, so the order holds.

What is done again and again is a group of its own: Blender looks at a whole tree for each node that is added to it, so that one
of 766 nodes took seconds to build.
"""
from __future__ import annotations

import bpy

from .builder import Builder, Operand, Value
from .library import ensure_group

VERSION = 5
# More splats than this leave less room than a step between them: then only those that share a cell of the picture are spread.
CROWD = 250_000
# Three grids of cells, each moved by a third of a cell along the diagonal: two splats within a third of a cell share one of them.
GRIDS = (0.0, 1.0 / 3.0, 2.0 / 3.0)
CELL_REACHES = 6.5       # width of a cell in mean half lengths of quads: quads touch within two of those
CELLS = 4096             # grids repeat after so many cells, and their numbers stay exact in float32
# Each pass looks twice as far ahead as the one before; an iris that faces the camera is one row of 18,000 splats. In cells rows are short.
PASSES, CELL_PASSES = 18, 6
# A step takes at most this share of the mean gap of so many neighbours on either side, but not less than a quarter of it.
FILLED, NEIGHBOURS, SMALLEST_STEP = 0.5, 16, 0.25
# The depths are sorted in slabs of a 2 ** SLAB_BITS th of the largest coordinate, within which float32 is that much finer.
SLAB_BITS = 11


def depth_spacing_group() -> bpy.types.NodeTree:
    """Return the group: Geometry (points), Axis (single vector), Step, Screen, Reach (fields) -> Geometry, Shift (field, >= 0).

    The depth is Axis · position: it may be counted from anywhere. Step is the smallest distance, Screen (x, y) a place in the
    picture and Reach the half length of a quad there, in the same unit. The points keep their order. Depth + Shift has the order
    of the depths, which are compared to about 1e-11 of the largest coordinate.
    """
    return ensure_group("GazeSplat Depth Spacing", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    b.input("Axis", "Vector")
    b.input("Step", "Float")
    b.input("Screen", "Vector")
    b.input("Reach", "Float")
    b.output("Geometry", "Geometry")
    b.output("Shift", "Float")
    given = b.group_inputs()
    place = b.node("GeometryNodeInputIndex")
    count = b.outputs("GeometryNodeAttributeDomainSize", given["Geometry"], component="MESH")["Point Count"]
    depth, rest = _exact_product(b, given["Axis"], b.position())
    points, kept = b.capture(given["Geometry"], depth=("VECTOR", b.vector(depth, rest, given["Step"])), place=("INT", place))
    depth, rest, _ = kept["depth"].xyz()
    slab_m = _slab(b, points)
    slab = b.math("FLOOR", depth / slab_m)
    points = b.node("GeometryNodeSortElements", points, None, slab, (depth - slab * slab_m) + rest, domain="POINT")

    alone, alone_shift = _all_spread(b, points, kept["depth"])
    reach = b.outputs("GeometryNodeAttributeStatistic", given["Geometry"], None, given["Reach"], domain="POINT")["Mean"]
    width = b.maximum(reach * CELL_REACHES, 1e-9)
    crowd, ranked = b.capture(points, rank=("INT", b.node("GeometryNodeInputIndex")), screen=("VECTOR", given["Screen"] / width))
    shift = 0.0
    for offset in GRIDS:
        grid = ensure_group("GazeSplat Depth Spacing Grid", VERSION, _build_grid)
        spread = b.group(grid, {
            "Geometry": crowd, "Screen": ranked["screen"], "Rank": ranked["rank"], "Depth": kept["depth"], "Shift": shift,
            "Offset": offset})
        crowd, shift = spread["Geometry"], spread["Shift"]

    crowded = count > CROWD
    points = b.switch(crowded, crowd, alone, "GEOMETRY")
    shift = b.switch(crowded, shift, alone_shift, "FLOAT")
    points = b.node("GeometryNodeSortElements", points, None, None, kept["place"], domain="POINT")
    b.finish({"Geometry": points, "Shift": shift})


def _all_spread(b: Builder, points: Value, kept: Value) -> tuple[Value, Value]:
    """Return the sorted points and by how much each goes back to keep a step behind all before it."""
    depth, _, step = kept.xyz()
    # Less the steps of all before it, no depth may be smaller than one before it: the largest so far is where a splat comes to lie.
    points, spare = b.capture(points, spare=("FLOAT", depth - b.accumulate(step, None, "FLOAT")))
    index, largest = b.node("GeometryNodeInputIndex"), spare["spare"]
    for k in range(PASSES):
        before = b.node("GeometryNodeFieldAtIndex", largest, b.maximum(index - float(2 ** k), 0.0), data_type="FLOAT", domain="POINT")
        points, captured = b.capture(points, largest=("FLOAT", b.maximum(largest, before)))
        largest = captured["largest"]
    return points, largest - spare["spare"]


def _build_grid(b: Builder) -> None:
    """Geometry sorted in the cells of one grid, and Shift raised to keep each point a step behind those before it in its cell.

    Screen is a place in cells, Rank the order of all depths, Depth (depth, rest, step), Shift what earlier grids have given, and
    Offset a share of a cell.
    """
    b.input("Geometry", "Geometry")
    b.input("Screen", "Vector")
    b.input("Rank", "Int")
    b.input("Depth", "Vector")
    b.input("Shift", "Float")
    b.input("Offset", "Float")
    b.output("Geometry", "Geometry")
    b.output("Shift", "Float")
    given = b.group_inputs()
    column, row, _ = given["Screen"].xyz()
    column, row = (b.math("FLOORED_MODULO", b.math("FLOOR", one + given["Offset"]), CELLS) for one in (column, row))
    points, celled = b.capture(given["Geometry"], cell=("FLOAT", column + row * float(CELLS)))
    cell = celled["cell"]
    points = b.node("GeometryNodeSortElements", points, None, cell, given["Rank"], domain="POINT")
    points, fitted = b.capture(points, depth=("VECTOR", _with_fitting_step(b, given["Depth"], cell)))
    points, spread = b.capture(points, shift=("FLOAT", _run_room(b, fitted["depth"], given["Shift"], cell)))
    push = ensure_group("GazeSplat Depth Spacing Push", VERSION, _build_push)
    for k in range(CELL_PASSES):
        pushed = b.group(push, {"Depth": fitted["depth"], "Shift": spread["shift"], "Cell": cell, "Before": 2 ** k})
        points, spread = b.capture(points, shift=("FLOAT", pushed["Shift"]))
    b.finish({"Geometry": points, "Shift": spread["shift"]})


def _exact_product(b: Builder, axis: Value, positions: Value) -> tuple[Value, Value]:
    """Return axis · positions as the sum of two floats, the second far below the first one's precision.

    Dekker's product of split halves and Knuth's sum (Ogita, Rump and Oishi 2005, "Accurate sum and dot product"). In float32
    alone 163 pairs of neighbours of a million splats are equal or in the wrong order.
    """
    products = axis * positions
    (axis_high, axis_low), (high, low) = _halves(axis), _halves(positions)
    errors = (axis_high * high - products) + axis_high * low + axis_low * high + axis_low * low
    x, y, z = products.xyz()
    first, first_error = _exact_sum(x, y)
    whole, second_error = _exact_sum(first, z)
    rest = b.dot(errors, (1.0, 1.0, 1.0)) + (first_error + second_error)
    rounded = whole + rest
    return rounded, rest - (rounded - whole)


def _halves(value: Value) -> tuple[Value, Value]:
    """Return two vectors of 12 bits each whose sum is the value."""
    scaled = value * 4097.0
    high = scaled - (scaled - value)
    return high, value - high


def _exact_sum(x: Value, y: Value) -> tuple[Value, Value]:
    """Return the rounded sum and what rounding took from it."""
    total = x + y
    of_y = total - x
    return total, (x - (total - of_y)) + (y - of_y)


def _slab(b: Builder, points: Value) -> Value:
    """Return the thickness of the slabs, a power of two, so that multiples are exact."""
    box = b.outputs("GeometryNodeBoundBox", points)
    size = b.maximum(b.maximum(b.length(box["Min"]), b.length(box["Max"])), 1e-6)
    return b.power(2.0, b.math("CEIL", b.log(size) * 1.4426950408889634) - float(SLAB_BITS))


def _with_fitting_step(b: Builder, kept: Value, cell: Value) -> Value:
    """Return what is kept of each point with a smaller step where a cell is too crowded for whole ones.

    That is where a surface faces the camera: pushed back by whole steps its splats would pass those of the next cells.
    """
    index = b.node("GeometryNodeInputIndex")
    depth, rest, step = kept.xyz()
    cell_and_depth = b.vector(cell, depth, rest)
    first, last = (b.node("GeometryNodeFieldAtIndex", cell_and_depth, index + places, data_type="FLOAT_VECTOR", domain="POINT")
                   for places in (-float(NEIGHBOURS), float(NEIGHBOURS)))
    cells, depths, rests = (last - first).xyz()
    fitting = (depths + rests) * (FILLED / (2.0 * NEIGHBOURS))
    # No window beside the ends of a cell, where the difference is that of other cells.
    first_cell, _, _ = first.xyz()
    within = (b.absolute(cells) < 0.5).both(b.absolute(first_cell - cell) < 0.5)
    return b.vector(depth, rest, b.switch(within, b.clamp(fitting, step * SMALLEST_STEP, step), step, "FLOAT"))


def _run_room(b: Builder, kept: Value, shift: Value, cell: Value) -> Value:
    """Return how far each of the sorted points has to go back for the run that it is in.

    A run is a row of points of a cell whose gaps are smaller than a step, however long. Its first point stays, behind it each takes
    what the gap before it lacks. The end of a run may then reach into what follows.
    """
    gap, same_cell = _gap(b, kept, shift, cell, 1)
    _, _, step = kept.xyz()
    # A gap that an earlier pass has made counts as whole in spite of rounding.
    in_run = (gap < step * 0.99).both(same_cell)
    run = b.accumulate(b.switch(in_run, 0, 1, "INT"), None, "INT")
    return shift + b.accumulate(b.switch(in_run, step - gap, 0.0, "FLOAT"), run, "FLOAT")


def _build_push(b: Builder) -> None:
    """Shift (field), raised to keep Before steps behind the point of the cell that many places before.

    Done for 1, 2, 4, ... places this keeps every point of a window a step behind the one before it.
    """
    b.input("Depth", "Vector")
    b.input("Shift", "Float")
    b.input("Cell", "Float")
    b.input("Before", "Int")
    b.output("Shift", "Float")
    given = b.group_inputs()
    gap, same_cell = _gap(b, given["Depth"], given["Shift"], given["Cell"], given["Before"])
    _, _, step = given["Depth"].xyz()
    b.finish({"Shift": given["Shift"] + b.switch(same_cell, b.maximum(step * given["Before"] - gap, 0.0), 0.0, "FLOAT")})


def _gap(b: Builder, kept: Value, shift: Value, cell: Value, before: Operand) -> tuple[Value, Value]:
    """Return how much deeper each point lies than the one ``before`` places before it, and whether both are of one cell."""
    index = b.node("GeometryNodeInputIndex")

    def earlier(field: Value) -> Value:
        return b.node("GeometryNodeFieldAtIndex", field, index - before, data_type="FLOAT_VECTOR", domain="POINT")

    # Differences of the depths first: rests and shifts are too small to be added to them without loss.
    depth, rest, _ = (kept - earlier(kept)).xyz()
    moved = b.vector(shift, cell, 0.0)
    pushed, cells, _ = (moved - earlier(moved)).xyz()
    return depth + (rest + pushed), (b.absolute(cells) < 0.5).both(index >= before)
