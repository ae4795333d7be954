# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: one eye's splats as posed. Twin: ``rig.pose.pose_splats``; a test holds the two together.

A splat is a position and three columns of its linear factor. What is rigid turns them; a lid moves them by the
secant over one standard deviation, M' = F(p + M) - F(p), so that skin which stretches threefold stays closed.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy

from ..rig import parts
from ..rig.pose import HIGHLIGHT_EDGE, STRETCH_LIMIT
from . import attributes
from .builder import Builder, Value
from .dilate import DILATE_SOCKETS, dilate_group
from .eye_constants import FRAME_SOCKETS, GAZE_SOCKETS, MARGIN_POSE_SOCKETS, MARGIN_SOCKETS, SHADE_SOCKETS, declare, subset
from .globe_shading import SHADING_SOCKETS, globe_shading_group
from .library import ensure_group
from .lid_margins import lid_margins_group
from .lid_warps import WARP_SOCKETS, lid_warp_group

VERSION = 1
POSE_SOCKETS = ("Yaw", "Pitch", "Blink", "Pupil")
CONSTANT_SOCKETS = (*FRAME_SOCKETS, *GAZE_SOCKETS, "Pivot Yaw", "Pivot Pitch", "Iris Centre", *MARGIN_SOCKETS, "Pupil Radius",
                    "Lid Radius", "Upper Reach", "Lower Reach", "Lever Yaw", "Lever Pitch", "Follow Upper Up", "Follow Upper Down",
                    "Follow Lower Up", "Follow Lower Down", "Carry", "Lash Angle", "Highlight Share", *SHADE_SOCKETS)


@dataclass(frozen=True)
class _Turn:
    """The globe's rigid motion: pitch with torsion about one pivot, then yaw about the other."""

    yaw: Value
    pitch: Value
    both: Value


def eye_pose_group() -> bpy.types.NodeTree:
    """Return the group: Geometry (points with ``gs_m1..3``), Side (1 left, 2 right), pose and constants -> Geometry.

    Yaw and Pitch are degrees relative to the photo. Splats of other groups pass unchanged.
    """
    return ensure_group("GazeSplat Eye Pose", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Geometry", "Geometry")
    b.input("Side", "Int", parts.LEFT)
    declare(b, POSE_SOCKETS)
    declare(b, CONSTANT_SOCKETS)
    b.output("Geometry", "Geometry")
    given = b.group_inputs()
    given["Blink"] = b.clamp(given["Blink"], 0.0, 1.0)
    yaw, pitch = b.math("RADIANS", given["Yaw"]), b.math("RADIANS", given["Pitch"])
    given |= _margin_pose(b, given, yaw, pitch)
    given["Lash Rotation"] = _lash_rotation(b, given)
    turn = _turn(b, given, yaw, pitch)

    rest, done = given["Geometry"], []
    for choose, pose in _STEPS:
        chosen = b.outputs("GeometryNodeSeparateGeometry", rest, choose(_part(b, given)), domain="POINT")
        done.append(pose(b, given, turn, chosen["Selection"]))
        rest = chosen["Inverted"]
    b.finish({"Geometry": b.join(*done, rest)})


# ---------------------------------------------------------------- single values of a pose

def _margin_pose(b: Builder, given: dict[str, Value], yaw: Value, pitch: Value) -> dict[str, Value]:
    up = pitch > 0.0
    travel = given["Lever Pitch"] * b.math("SINE", pitch)
    sideways = given["Carry"] * given["Lever Yaw"] * b.math("SINE", yaw)
    return {
        "Carried": sideways / (given["Outer X"] - given["Inner X"]),
        "Upper Rise": travel * b.switch(up, given["Follow Upper Up"], given["Follow Upper Down"], "FLOAT"),
        "Lower Rise": travel * b.switch(up, given["Follow Lower Up"], given["Follow Lower Down"], "FLOAT"),
    }


def _lash_rotation(b: Builder, given: dict[str, Value]) -> Value:
    middle = _margins(b, given, (given["Inner X"] + given["Outer X"]) * 0.5)
    drop = (middle["Upper Rest"] - middle["Upper"]) / given["Lid Radius"]
    return b.math("ARCSINE", b.clamp(drop, -1.0, 1.0))


def _turn(b: Builder, given: dict[str, Value], yaw: Value, pitch: Value) -> _Turn:
    """Listing's law: with Fick angles the torsion is -asin(sin H sin V / (1 + cos H cos V))."""
    sines = b.math("SINE", yaw) * b.math("SINE", pitch)
    cosines = b.math("COSINE", yaw) * b.math("COSINE", pitch)
    torsion = -b.math("ARCSINE", sines / (cosines + 1.0))
    about_z = b.axis_angle(given["Gaze Z"], torsion)
    about_x = b.axis_angle(given["Gaze X"], -pitch)
    about_y = b.axis_angle(given["Gaze Y"], yaw)
    pitched = b.node("FunctionNodeRotateRotation", about_z, about_x, rotation_space="GLOBAL")
    return _Turn(about_y, pitched, b.node("FunctionNodeRotateRotation", pitched, about_y, rotation_space="GLOBAL"))


# ---------------------------------------------------------------- frames and fields

def _to_eye(b: Builder, given: dict[str, Value], point: Value) -> Value:
    return _to_eye_axes(b, given, point - given["Centre"])


def _to_eye_axes(b: Builder, given: dict[str, Value], direction: Value) -> Value:
    return b.vector(*(b.dot(direction, given[f"Frame {axis}"]) for axis in "XYZ"))


def _from_eye_axes(given: dict[str, Value], direction: Value) -> Value:
    x, y, z = direction.xyz()
    return given["Frame X"] * x + given["Frame Y"] * y + given["Frame Z"] * z


def _margins(b: Builder, given: dict[str, Value], x: Value) -> dict[str, Value]:
    return b.group(lid_margins_group(), {"X": x, **subset(given, (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS))})


def _columns(b: Builder) -> list[Value]:
    return [b.attribute(name, "FLOAT_VECTOR") for name in attributes.FACTORS]


def _secants(b: Builder, warp: Callable[[Value], Value], point: Value, columns: list[Value]) -> tuple[Value, list[Value]]:
    """Return F(p) and the columns F(p + m) - F(p), none of them longer than ``STRETCH_LIMIT`` times m."""
    moved = warp(point)
    stretched = []
    for column in columns:
        secant = warp(point + column) - moved
        allowed = b.length(column) * STRETCH_LIMIT
        stretched.append(secant * b.minimum(allowed / b.maximum(b.length(secant), 1e-12), 1.0))
    return moved, stretched


def _write(b: Builder, points: Value, position: Value, columns: list[Value],
           others: dict[str, tuple[str, str, Value]] | None = None) -> Value:
    """Store a new position, factor and other attributes, {name: (capture type, attribute type, field)}, evaluated together."""
    others = others or {}
    fields = {"position": ("VECTOR", position)}
    fields |= {name: ("VECTOR", column) for name, column in zip(attributes.FACTORS, columns, strict=False)}
    fields |= {name: (kind, field) for name, (kind, _, field) in others.items()}
    points, kept = b.capture(points, **fields)
    for name in attributes.FACTORS[:len(columns)]:
        points = b.store(points, name, kept[name], "FLOAT_VECTOR")
    for name, (_, kind, _) in others.items():
        points = b.store(points, name, kept[name], kind)
    return b.node("GeometryNodeSetPosition", points, None, kept["position"])


# ---------------------------------------------------------------- parts

def _pose_globe(b: Builder, given: dict[str, Value], turn: _Turn, points: Value) -> Value:
    rest, is_sclera = b.position(), _part(b, given).equals(float(parts.SCLERA))

    def dilated(point: Value) -> Value:
        return b.group(dilate_group(), {"Point": point, "Pupil": given["Pupil"], **subset(given, DILATE_SOCKETS)})["Point"]

    columns = _columns(b)
    disc_point, disc_columns = _secants(b, dilated, rest, columns)
    point = b.switch(is_sclera, rest, disc_point, "VECTOR")
    columns = [b.switch(is_sclera, still, moved, "VECTOR") for still, moved in zip(columns, disc_columns, strict=True)]
    posed = _turned_about_pivots(b, given, turn, point)

    before, after = _to_eye(b, given, rest), _to_eye(b, given, posed)
    margins_before, margins_after = _margins(b, given, before.xyz()[0]), _margins(b, given, after.xyz()[0])
    light_before = _light(b, given, before, b.maximum(margins_before["Upper Rest"], margins_before["Lower Rest"]),
                          margins_before["Lower Rest"])
    light_after = _light(b, given, after, margins_after["Upper"], margins_after["Lower"])
    # The light of the socket was taken out of the sclera only.
    change = b.switch(is_sclera, light_after["Socket"] - light_before["Socket"], (0.0, 0.0, 0.0), "VECTOR")
    change = change + (light_after["Shadow"] - light_before["Shadow"])
    points = _write(b, points, posed, [b.rotate(column, turn.both) for column in columns],
                    {attributes.SHADE: ("VECTOR", "FLOAT_VECTOR", change)})
    return b.store(points, attributes.TURN, turn.both, "QUATERNION")


def _pose_highlight(b: Builder, given: dict[str, Value], turn: _Turn, points: Value) -> Value:
    iris = _turned_about_pivots(b, given, turn, given["Iris Centre"])
    position = b.position() + (iris - given["Iris Centre"]) * given["Highlight Share"]
    x, y, _ = _to_eye_axes(b, given, position - iris).xyz()
    edge, soft = HIGHLIGHT_EDGE
    shown = b.clamp((edge - b.sqrt(x * x + y * y) / given["Iris Radius"]) / soft, 0.0, 1.0)
    base = b.outputs("FunctionNodeSeparateColor", b.attribute(attributes.BASE, "FLOAT_COLOR"))
    faded = b.node("FunctionNodeCombineColor", base["Red"], base["Green"], base["Blue"], base["Alpha"] * shown)
    return _write(b, points, position, [], {attributes.BASE: ("RGBA", "FLOAT_COLOR", faded)})


def _pose_lid(part: int) -> _Pose:
    def pose(b: Builder, given: dict[str, Value], turn: _Turn, points: Value) -> Value:
        def warp(point: Value) -> Value:
            return b.group(lid_warp_group(part), {"Point": point, **subset(given, WARP_SOCKETS)})["Point"]

        columns = [_to_eye_axes(b, given, column) for column in _columns(b)]
        point, columns = _secants(b, warp, _to_eye(b, given, b.position()), columns)
        position = given["Centre"] + _from_eye_axes(given, point)
        return _write(b, points, position, [_from_eye_axes(given, column) for column in columns])

    return pose


def _turned_about_pivots(b: Builder, given: dict[str, Value], turn: _Turn, point: Value) -> Value:
    pitched = given["Pivot Pitch"] + b.rotate(point - given["Pivot Pitch"], turn.pitch)
    return given["Pivot Yaw"] + b.rotate(pitched - given["Pivot Yaw"], turn.yaw)


def _light(b: Builder, given: dict[str, Value], point: Value, upper: Value, lower: Value) -> dict[str, Value]:
    return b.group(globe_shading_group(), {"Point": point, "Upper": upper, "Lower": lower, **subset(given, SHADING_SOCKETS)})


def _part(b: Builder, given: dict[str, Value]) -> Value:
    return b.attribute(attributes.GROUP, "INT") - given["Side"] * 10.0


def _is(part: int) -> Callable[[Value], Value]:
    return lambda value: value.equals(float(part))


_Pose = Callable[[Builder, dict[str, Value], _Turn, Value], Value]

# What is separated from the rest of the eye, and how it is posed.
_STEPS: tuple[tuple[Callable[[Value], Value], _Pose], ...] = (
    (lambda part: (part > 0.5).both(part < parts.SCLERA + 0.5), _pose_globe),
    (_is(parts.HIGHLIGHT), _pose_highlight),
    *((_is(part), _pose_lid(part)) for part in (parts.UPPER_LID, parts.LOWER_LID, parts.UPPER_LASH, parts.LOWER_LASH)),
)
