# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: every splat becomes one quad that shows exactly what a 3DGS rasteriser would draw.

The quad lies parallel to the image plane at the depth of the splat's centre. There the projection of
the Gaussian, linearised at its centre (EWA, Zwicker et al. 2001), is an ellipse with the same axes under
perspective, and a ray meets the quads in the order of their centres' depths: the sort that 3DGS defines.
Where a quad stands on its ray is free as long as the order holds, for its size goes with its distance: that
makes room between splats of equal depth.
The quad's half axes reach to where alpha falls to 1/255. Culled quads collapse to a point, so that the
vertex count, and with it motion blur, stays whole.
"""
from __future__ import annotations

import bpy

from . import attributes
from .builder import Builder, Value
from .depth_spacing import depth_spacing_group
from .library import ensure_group
from .quads import drop_carrier_attributes, quads_on_points

VERSION = 2
ALPHA_CUT = 1.0 / 255.0
NEAR_M = 0.01            # nearer splats are not drawn, as in gsplat
FRUSTUM = 1.3            # slopes are clamped at this multiple of the half picture (Kerbl et al. 2023)
SMALLEST_VARIANCE = 1e-16
# Distance to keep between hits, relative to the largest numbers they are computed from: about six float32 roundings.
SPACING = 4e-7
VIEW_VECTORS = ("Camera Position", "Backward", "Depth Axis", "Focal", "Offset")
VIEW_SOCKETS = (*VIEW_VECTORS, "To Camera", "To Object", "Parallel", "Camera Distance")


def ewa_quads_group() -> bpy.types.NodeTree:
    """Return the group.

    Inputs, fields on the points: M1, M2, M3 (columns of the linear factor, covariance = M M^T), Colour,
    Opacity. Single values: the outputs of ``camera_group``, Resolution (pixels in x and y), Low Pass
    (square pixels), Alpha Cap, Sort (back to front, for EEVEE), Material.
    """
    return ensure_group("GazeSplat EWA Quads", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    for name in ("M1", "M2", "M3", "Colour"):
        b.input(name, "Vector")
    b.input("Opacity", "Float", 1.0)
    for name in VIEW_VECTORS:
        b.input(name, "Vector")
    b.input("To Camera", "Matrix")
    b.input("To Object", "Matrix")
    b.input("Parallel", "Float")
    b.input("Camera Distance", "Float")
    b.input("Resolution", "Vector")
    b.input("Low Pass", "Float", 0.3)
    b.input("Alpha Cap", "Float", 0.99)
    b.input("Sort", "Bool", False)
    b.input("Material", "Material")
    b.output("Geometry", "Geometry")
    given = b.group_inputs()

    axis_1, axis_2, reach, depth, screen, screen_reach = _ellipse(b, given)
    red, green, blue = given["Colour"].xyz()
    points, kept = b.capture(
        given["Geometry"],
        axis_1=("VECTOR", axis_1),
        axis_2=("VECTOR", axis_2),
        reach=("FLOAT", reach),
        depth=("FLOAT", depth),
        screen=("VECTOR", screen),
        screen_reach=("FLOAT", screen_reach),
        colour=("RGBA", b.node("FunctionNodeCombineColor", red, green, blue, given["Opacity"])),
    )
    points = drop_carrier_attributes(b, points)
    points = b.store(points, attributes.QUAD_COLOUR, kept["colour"], "FLOAT_COLOR")
    # EEVEE draws in the order of the points, Cycles in the order of the distances.
    far_to_near = b.node("GeometryNodeSortElements", points, None, None, -kept["depth"], domain="POINT")
    step = (b.absolute(kept["depth"]) + given["Camera Distance"]) * SPACING
    spaced = b.group(depth_spacing_group(), {"Geometry": points, "Axis": given["Depth Axis"], "Step": step,
                                             "Screen": kept["screen"], "Reach": kept["screen_reach"]})
    spaced_points, larger = _moved_back(b, given, spaced["Geometry"], kept["depth"], spaced["Shift"])
    points = b.switch(given["Sort"], far_to_near, spaced_points, "GEOMETRY")
    larger = b.switch(given["Sort"], 1.0, larger, "FLOAT")

    quads, x, y = quads_on_points(b, points, kept["axis_1"] * larger, kept["axis_2"] * larger)
    uv = b.vector(x * kept["reach"], y * kept["reach"], given["Alpha Cap"])
    quads = b.store(quads, attributes.QUAD_UV, uv, "FLOAT_VECTOR")
    b.finish({"Geometry": b.node("GeometryNodeSetMaterial", quads, None, given["Material"])})


def _moved_back(b: Builder, given: dict[str, Value], points: Value, depth: Value, shift: Value) -> tuple[Value, Value]:
    """Return the points moved along their rays by ``shift`` in depth, and by what their quads grow to look the same."""
    # Culled splats have any depth: they collapse, and stay where they are.
    share = b.switch(depth < NEAR_M, 0.0, shift / depth, "FLOAT")
    along = (b.position() - given["Camera Position"]) * share
    behind = given["Backward"] * -shift
    offset = b.node("ShaderNodeMix", given["Parallel"], along, behind, data_type="VECTOR")
    moved, kept = b.capture(points, offset=("VECTOR", offset), larger=("FLOAT", share * (1.0 - given["Parallel"]) + 1.0))
    return b.node("GeometryNodeSetPosition", moved, None, None, kept["offset"]), kept["larger"]


def _ellipse(b: Builder, given: dict[str, Value]) -> tuple[Value, ...]:
    """Return the quad's half axes in the object's frame, its reach in standard deviations, its depth, place and half length on screen."""
    tx, ty, tz = b.node("FunctionNodeTransformPoint", b.node("GeometryNodeInputPosition"), given["To Camera"]).xyz()
    depth = -tz
    parallel, perspective = given["Parallel"], 1.0 - given["Parallel"]
    focal_x, focal_y, _ = given["Focal"].xyz()
    offset_x, offset_y, _ = given["Offset"].xyz()
    width_px, height_px, _ = given["Resolution"].xyz()

    # Columns of the factor in camera axes, sheared along the ray: their x and y are the projected axes at this depth.
    slope_x = b.clamp(tx / depth, (offset_x - FRUSTUM) / focal_x, (offset_x + FRUSTUM) / focal_x) * perspective
    slope_y = b.clamp(ty / depth, (offset_y - FRUSTUM) / focal_y, (offset_y + FRUSTUM) / focal_y) * perspective
    columns = [b.node("FunctionNodeTransformDirection", given[name], given["To Camera"]).xyz() for name in ("M1", "M2", "M3")]
    u = b.vector(*(x + z * slope_x for x, _, z in columns))
    v = b.vector(*(y + z * slope_y for _, y, z in columns))

    # The low-pass is given in square pixels; one pixel at this depth spans 2 depth / (focal * resolution).
    span = depth * perspective + parallel
    pixel_x, pixel_y = span * 2.0 / (focal_x * width_px), span * 2.0 / (focal_y * height_px)
    variance_x = b.dot(u, u) + pixel_x * pixel_x * given["Low Pass"]
    variance_y = b.dot(v, v) + pixel_y * pixel_y * given["Low Pass"]
    covariance = b.dot(u, v)

    half = (variance_x - variance_y) * 0.5
    mean = (variance_x + variance_y) * 0.5
    spread = b.sqrt(half * half + covariance * covariance)
    angle = b.math("ARCTAN2", covariance, half) * 0.5
    cosine, sine = b.math("COSINE", angle), b.math("SINE", angle)

    reach = b.sqrt(b.maximum(b.log(given["Opacity"] / ALPHA_CUT) * 2.0, 0.0))
    culled = (given["Opacity"] <= ALPHA_CUT).either(depth < NEAR_M)
    reach = b.switch(culled, 0.0, reach, "FLOAT")
    long = b.sqrt(mean + spread) * reach
    short = b.sqrt(b.maximum(mean - spread, SMALLEST_VARIANCE)) * reach
    axis_1 = b.node("FunctionNodeTransformDirection", b.vector(long * cosine, long * sine, 0.0), given["To Object"])
    axis_2 = b.node("FunctionNodeTransformDirection", b.vector(-(short * sine), short * cosine, 0.0), given["To Object"])
    screen = b.vector(tx / span, ty / span, 0.0)
    return axis_1, axis_2, reach, depth, screen, b.switch(culled, 0.0, long / span, "FLOAT")
