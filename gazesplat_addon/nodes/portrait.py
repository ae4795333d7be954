# SPDX-License-Identifier: GPL-3.0-or-later
"""The modifier's tree of one portrait: factors, rig, colour, and one of two displays.

Pose scalars and render settings are inputs of the tree, which drivers write. What makes this portrait
this portrait are values on the sockets of its two eye groups.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping

import bpy

from ..rig.parts import SIDES, code
from ..rig.sidecar import EyeRig, PortraitRig
from . import attributes
from .builder import Builder, Value
from .camera import camera_group
from .colour import colour_group
from .ewa_quads import VIEW_SOCKETS, ewa_quads_group
from .eye_constants import eye_constants
from .eye_pose import POSE_SOCKETS, eye_pose_group
from .harmonics import harmonics_group
from .library import new_group
from .view_discs import view_discs_group

VERSION = 3
GROUP_NAME = "GazeSplat Portrait"
# The live display switches this on while it draws the same splats, and off before a file is saved.
RESTS = "Rest in Viewport"


LETTERS = {"left": "L", "right": "R"}
_POSE_INPUTS = {
    "Yaw": (0.0, "Degrees to the subject's left, relative to the photo; driven"),
    "Pitch": (0.0, "Degrees up, relative to the photo; driven"),
    "Blink": (0.0, "Closed share of the opening: 0 as photographed, 1 shut; driven"),
    "Pupil": (1.0, "Radius of the pupil relative to the photo; driven"),
}


def portrait_tree(name: str, degree: int, rig: PortraitRig | None = None) -> bpy.types.NodeTree:
    """Return a new modifier tree named after the portrait, for splats with harmonics of ``degree`` 0..3.

    Without a rig, or with one that has no eyes, the tree only shows the splats.
    """
    eyes = rig.eyes if rig is not None else {}
    tree = new_group(GROUP_NAME, VERSION, lambda b: _build(b, degree, eyes))
    tree.name = f"GazeSplat {name}"
    tree.is_modifier = True
    return tree


def pose_input(name: str, side: str) -> str:
    """Return the name of a pose input: ``pose_input("Yaw", "left")`` is "Yaw L"."""
    return f"{name} {LETTERS[side]}"


def posed_points(b: Builder, geometry: Value, given: Mapping[str, Value], eyes: Mapping[str, EyeRig]) -> Value:
    """Return the points as posed, with their factors in ``gs_m1..3``. Splats of the head do not pay for the rig."""
    for name, column in zip(attributes.FACTORS, factor_columns(b), strict=True):
        geometry = b.store(geometry, name, column, "FLOAT_VECTOR")
    geometry = b.store(geometry, attributes.TURN, b.axis_angle((0.0, 0.0, 1.0), 0.0), "QUATERNION")
    group = b.attribute(attributes.GROUP, "INT")
    done, rest = [], geometry
    for side, eye in eyes.items():
        low = code(side, 0)
        chosen = b.outputs("GeometryNodeSeparateGeometry", rest, (group > low).both(group < low + 10), domain="POINT")
        pose = {name: given[pose_input(name, side)] for name in POSE_SOCKETS}
        inputs = {"Geometry": chosen["Selection"], "Side": SIDES[side], **pose, **eye_constants(eye)}
        done.append(b.group(eye_pose_group(), inputs)["Geometry"])
        rest = chosen["Inverted"]
    return b.join(*done, rest)


def declare_pose_inputs(b: Builder, sides: Iterable[str]) -> None:
    """Declare "Yaw L", "Pitch L", ... for each side."""
    for side in sides:
        for name, (default, description) in _POSE_INPUTS.items():
            b.input(pose_input(name, side), "Float", default, description=description)


def _build(b: Builder, degree: int, eyes: Mapping[str, EyeRig]) -> None:
    b.output("Geometry", "Geometry")
    b.input("Geometry", "Geometry")
    b.input("Exact in Viewport", "Bool", False, description="Show in the viewport what F12 renders, as seen from the scene's camera")
    b.input(RESTS, "Bool", False, description="Show nothing in the viewport, because GazeSplat draws the splats there itself; saved off")
    b.input("Sort", "Bool", False, description="Sort back to front: needed by EEVEE, wrong for motion blur in Cycles")
    b.input("Scene Linear", "Bool", False, description="Decode colours to scene-linear, for rendering without GazeSplat's compositor nodes")
    if eyes:
        b.panel("Pose")
        declare_pose_inputs(b, eyes)
    b.panel("Rasteriser")
    b.input("Alpha Cap", "Float", 0.99, low=0.0, high=1.0, description="Largest alpha of one splat at one pixel")
    b.input("Low Pass", "Float", 0.3, low=0.0, high=10.0, description="Variance added to every splat, in square pixels")
    b.input("Resolution X", "Float", 512.0, low=1.0, description="Width of the render in pixels; driven")
    b.input("Resolution Y", "Float", 512.0, low=1.0, description="Height of the render in pixels; driven")
    b.input("Material", "Material")
    b.input("Viewport Material", "Material")
    given = b.group_inputs()

    cheap = b.node("FunctionNodeBooleanMath", b.node("GeometryNodeIsViewport"), given["Exact in Viewport"], operation="NIMPLY")
    # The discs of the viewport blend nothing: they show the colours that were fitted.
    blends_light = b.node("FunctionNodeBooleanMath", given["Scene Linear"], cheap, operation="NIMPLY")
    geometry = b.switch(blends_light, _refitted(b, given["Geometry"]), given["Geometry"], "GEOMETRY")
    columns = factor_columns(b)
    if eyes:
        geometry = posed_points(b, geometry, given, eyes)
        columns = tuple(b.attribute(name, "FLOAT_VECTOR") for name in attributes.FACTORS)
    camera = b.group(camera_group(), {})
    base = b.attribute(attributes.BASE, "FLOAT_COLOR")
    splat = {"Geometry": geometry, **dict(zip(("M1", "M2", "M3"), columns, strict=True)),
             "Opacity": b.outputs("FunctionNodeSeparateColor", base)["Alpha"]}
    shown = _shown_colour(b, camera, base, degree, posed=bool(eyes))
    colour = b.group(colour_group(), {**shown, "Scene Linear": given["Scene Linear"]})["Colour"]
    # The viewport has no compositor that would decode: what it shows is always scene-linear.
    disc_colour = b.group(colour_group(), {**shown, "Scene Linear": True})["Colour"]
    view = {name: camera[name] for name in VIEW_SOCKETS}
    settings = {name: given[name] for name in ("Low Pass", "Alpha Cap", "Sort", "Material")}
    resolution = b.vector(given["Resolution X"], given["Resolution Y"], 0.0)
    exact = b.group(ewa_quads_group(), {**splat, **view, **settings, "Colour": colour, "Resolution": resolution})
    discs = b.group(view_discs_group(), {**splat, "Colour": disc_colour, "Material": given["Viewport Material"]})
    # Switches are lazy: a display that rests evaluates nothing.
    shown = b.switch(b.node("FunctionNodeBooleanMath", given[RESTS], operation="NOT"), discs["Geometry"], None, "GEOMETRY")
    b.finish({"Geometry": b.switch(cheap, shown, exact["Geometry"], "GEOMETRY")})


def factor_columns(b: Builder) -> tuple[Value, Value, Value]:
    """Return the columns of the linear factor M = R diag(scale) of unposed splats, from the carrier's attributes."""
    rotation = b.attribute(attributes.ROTATION, "QUATERNION")
    sx, sy, sz = b.attribute(attributes.SCALE, "FLOAT_VECTOR").xyz()
    axes = (b.vector(sx, 0.0, 0.0), b.vector(0.0, sy, 0.0), b.vector(0.0, 0.0, sz))
    return tuple(b.node("FunctionNodeRotateVector", axis, rotation) for axis in axes)


def _refitted(b: Builder, points: Value) -> Value:
    """Return the points with the base that was refitted for blending linear light, where they have one."""
    refit = b.outputs("GeometryNodeInputNamedAttribute", attributes.LINEAR, data_type="FLOAT_COLOR")
    base = b.switch(refit["Exists"], refit["Attribute"], b.attribute(attributes.BASE, "FLOAT_COLOR"), "RGBA")
    return b.store(points, attributes.BASE, base, "FLOAT_COLOR")


def _shown_colour(b: Builder, camera: Mapping[str, Value], base: Value, degree: int, *, posed: bool) -> dict[str, Value]:
    """Return what the colour group takes: base, harmonics and shading."""
    inputs = {"Base": base}
    if posed:
        inputs["Shade"] = b.attribute(attributes.SHADE, "FLOAT_VECTOR")
    if degree:
        # A parallel camera sees every splat from the same side.
        outward = b.position() - camera["Camera Position"]
        direction = b.node("ShaderNodeMix", camera["Parallel"], outward, -camera["Backward"], data_type="VECTOR")
        turn = {"Turn": b.attribute(attributes.TURN, "QUATERNION")} if posed else {}
        inputs["Harmonics"] = b.group(harmonics_group(degree), {"Direction": direction, **turn})["Colour"]
    return inputs
