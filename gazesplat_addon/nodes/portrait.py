# SPDX-License-Identifier: GPL-3.0-or-later
"""The modifier's tree of one portrait: factors, rig, colour, and one of two displays."""
from __future__ import annotations

import bpy

from . import attributes
from .builder import Builder, Value
from .camera import camera_group
from .colour import colour_group
from .ewa_quads import ewa_quads_group
from .harmonics import harmonics_group
from .library import new_group
from .view_discs import view_discs_group

VERSION = 1
GROUP_NAME = "GazeSplat Portrait"


def portrait_tree(name: str, degree: int) -> bpy.types.NodeTree:
    """Return a new modifier tree named after the portrait, for splats with harmonics of ``degree`` 0..3."""
    tree = new_group(GROUP_NAME, VERSION, lambda b: _build(b, degree))
    tree.name = f"GazeSplat {name}"
    tree.is_modifier = True
    return tree


def _build(b: Builder, degree: int) -> None:
    b.input("Geometry", "Geometry")
    b.input("Exact in Viewport", "Bool", False, description="Show in the viewport what F12 renders, as seen from the scene's camera")
    b.input("Sort", "Bool", False, description="Sort back to front: needed by EEVEE, wrong for motion blur in Cycles")
    b.input("Scene Linear", "Bool", False, description="Decode colours to scene-linear, for rendering without GazeSplat's compositor nodes")
    b.input("Alpha Cap", "Float", 0.99, low=0.0, high=1.0, description="Largest alpha of one splat at one pixel")
    b.input("Low Pass", "Float", 0.3, low=0.0, high=10.0, description="Variance added to every splat, in square pixels")
    b.input("Resolution X", "Float", 512.0, low=1.0, description="Width of the render in pixels; driven")
    b.input("Resolution Y", "Float", 512.0, low=1.0, description="Height of the render in pixels; driven")
    b.input("Material", "Material")
    b.input("Viewport Material", "Material")
    b.output("Geometry", "Geometry")
    given = b.group_inputs()

    camera = b.group(camera_group())
    geometry = given["Geometry"]
    base = b.attribute(attributes.BASE, "FLOAT_COLOR")
    splat = {name: column for name, column in zip(("M1", "M2", "M3"), factor_columns(b), strict=True)}
    splat["Opacity"] = b.outputs("FunctionNodeSeparateColor", base)["Alpha"]
    splat["Colour"] = _colour(b, given, camera, base, degree)

    exact = b.group(ewa_quads_group(), Geometry=geometry, **splat, **{k: v for k, v in camera.items() if k not in ("Position", "Backward")},
                    Resolution=b.vector(given["Resolution X"], given["Resolution Y"], 0.0), Low_Pass=given["Low Pass"],
                    Alpha_Cap=given["Alpha Cap"], Sort=given["Sort"], Material=given["Material"])
    discs = b.group(view_discs_group(), Geometry=geometry, **splat, Material=given["Viewport Material"])
    cheap = b.node("FunctionNodeBooleanMath", b.node("GeometryNodeIsViewport"), given["Exact in Viewport"], operation="NIMPLY")
    b.finish(Geometry=b.switch(cheap, discs["Geometry"], exact["Geometry"], "GEOMETRY"))


def factor_columns(b: Builder) -> tuple[Value, Value, Value]:
    """Return the columns of the linear factor M = R diag(scale) of unposed splats, from the carrier's attributes."""
    rotation = b.attribute(attributes.ROTATION, "QUATERNION")
    sx, sy, sz = b.attribute(attributes.SCALE, "FLOAT_VECTOR").xyz()
    axes = (b.vector(sx, 0.0, 0.0), b.vector(0.0, sy, 0.0), b.vector(0.0, 0.0, sz))
    return tuple(b.node("FunctionNodeRotateVector", axis, rotation) for axis in axes)


def _colour(b: Builder, given: dict[str, Value], camera: dict[str, Value], base: Value, degree: int) -> Value:
    inputs = {"Base": base, "Shade": b.attribute(attributes.SHADE, "FLOAT_VECTOR"), "Scene_Linear": given["Scene Linear"]}
    if degree:
        # A parallel camera sees every splat from the same side.
        outward = b.node("GeometryNodeInputPosition") - camera["Position"]
        direction = b.node("ShaderNodeMix", camera["Parallel"], outward, -camera["Backward"], data_type="VECTOR")
        turn = b.attribute(attributes.TURN, "QUATERNION")
        inputs["Harmonics"] = b.group(harmonics_group(degree), Direction=direction, Turn=turn)["Colour"]
    return b.group(colour_group(), **inputs)["Colour"]
