# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: what the viewport shows while the artist orbits.

The exact quads face the scene's camera and look wrong from anywhere else. Here each splat is an opaque
square spanned by its two longest axes: cheap, right from every side, and lit like a surface in Solid mode.
"""
from __future__ import annotations

import bpy

from . import attributes
from .builder import Builder
from .library import ensure_group
from .quads import drop_carrier_attributes, quads_on_points

VERSION = 1
FAINTEST_OPACITY = 0.15     # fainter splats would be seen as solid dirt
SIGMAS = 1.2                # half side of a square in standard deviations


def view_discs_group() -> bpy.types.NodeTree:
    """Return the group. Inputs as in ``ewa_quads_group``, without the camera's."""
    return ensure_group("GazeSplat View Discs", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    for name in ("M1", "M2", "M3", "Colour"):
        b.input(name, "Vector")
    b.input("Opacity", "Float", 1.0)
    b.input("Material", "Material")
    b.output("Geometry", "Geometry")
    given = b.group_inputs()

    m1, m2, m3 = given["M1"], given["M2"], given["M3"]
    l1, l2, l3 = (b.dot(m, m) for m in (m1, m2, m3))
    first_is_least = (l1 <= l2).both(l1 <= l3)
    third_is_least = (l3 <= l2).both(l3 <= l1)
    # The least axis is left out, the others keep their cyclic order, so that the normal stays on one side.
    side_1 = b.switch(first_is_least, m2, b.switch(third_is_least, m1, m3, "VECTOR"), "VECTOR")
    side_2 = b.switch(first_is_least, m3, b.switch(third_is_least, m2, m1, "VECTOR"), "VECTOR")
    red, green, blue = given["Colour"].xyz()
    points, kept = b.capture(
        given["Geometry"],
        side_1=("VECTOR", side_1 * SIGMAS),
        side_2=("VECTOR", side_2 * SIGMAS),
        colour=("RGBA", b.node("FunctionNodeCombineColor", red, green, blue, 1.0)),
        faint=("BOOLEAN", given["Opacity"] < FAINTEST_OPACITY),
    )
    points = b.node("GeometryNodeDeleteGeometry", points, kept["faint"], domain="POINT")
    points = drop_carrier_attributes(b, points)
    points = b.store(points, attributes.QUAD_COLOUR, kept["colour"], "FLOAT_COLOR")
    quads, _, _ = quads_on_points(b, points, kept["side_1"], kept["side_2"])
    quads = b.remove(quads, attributes.QUAD_UV)
    b.finish({"Geometry": b.node("GeometryNodeSetMaterial", quads, None, given["Material"])})
