# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: one eye's splats as posed. Twin: ``rig.pose.pose_splats``; a test holds the two together.

A splat is a position and three columns of its linear factor. What is rigid turns them; a lid moves them by the
secant over one standard deviation, M' = F(p + M) - F(p), so that skin which stretches threefold stays closed.
"""
from __future__ import annotations

import bpy

from ..rig import lids, parts
from . import attributes
from .builder import Builder, Value
from .eye_constants import GAZE_SOCKETS, MARGIN_SOCKETS, SHADE_SOCKETS, declare, subset
from .eye_frame import FRAME_SOCKETS, PIVOT_SOCKETS, Given, margins
from .globe_pose import GLOBE_SOCKETS, HIGHLIGHT_SOCKETS, globe_pose_group, highlight_pose_group
from .library import ensure_group
from .lid_pose import LID_SOCKETS, lid_pose_group

VERSION = 5
POSE_SOCKETS = ("Yaw", "Pitch", "Blink", "Pupil")
CONSTANT_SOCKETS = (*FRAME_SOCKETS, *GAZE_SOCKETS, *PIVOT_SOCKETS, "Iris Centre", *MARGIN_SOCKETS, "Pupil Radius", "Lid Radius",
                    "Upper Reach", "Lower Reach", "Lever Yaw", "Lever Pitch", "Follow Upper Up", "Follow Upper Down",
                    "Follow Lower Up", "Follow Lower Down", "Carry", "Lash Angle", "Lead", "Highlight Share", *SHADE_SOCKETS)


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
    given |= _turn(b, given, yaw, pitch)
    given |= _lid_turn(b, given)

    part = b.attribute(attributes.GROUP, "INT") - given["Side"] * 10.0
    steps = [((part > 0.5).both(part < parts.SCLERA + 0.5), globe_pose_group(), ("Side", *GLOBE_SOCKETS)),
             (part.equals(float(parts.HIGHLIGHT)), highlight_pose_group(), HIGHLIGHT_SOCKETS)]
    steps += [(part.equals(float(lid)), lid_pose_group(lid), LID_SOCKETS)
              for lid in (parts.UPPER_LID, parts.LOWER_LID, parts.UPPER_LASH, parts.LOWER_LASH, parts.UPPER_SHADE)]
    rest, posed = given["Geometry"], []
    for belongs, group, sockets in steps:
        separated = b.outputs("GeometryNodeSeparateGeometry", rest, belongs, domain="POINT")
        posed.append(b.group(group, {"Geometry": separated["Selection"], **subset(given, sockets)})["Geometry"])
        rest = separated["Inverted"]
    b.finish({"Geometry": b.join(*posed, rest)})


def _margin_pose(b: Builder, given: Given, yaw: Value, pitch: Value) -> dict[str, Value]:
    """What one pose does to the margins, as single values. Twins: ``rig.lids.carried_m`` and ``rises_m``."""
    up = pitch > 0.0
    travel = given["Lever Pitch"] * b.math("SINE", pitch)
    return {
        "Carried": given["Carry"] * given["Lever Yaw"] * b.math("SINE", yaw),
        "Upper Rise": travel * b.switch(up, given["Follow Upper Up"], given["Follow Upper Down"], "FLOAT"),
        "Lower Rise": travel * b.switch(up, given["Follow Lower Up"], given["Follow Lower Down"], "FLOAT"),
        "Corner Rise": travel * b.switch(up, lids.CORNER_FOLLOWS_UP, lids.CORNER_FOLLOWS_DOWN, "FLOAT"),
    }


def _lid_turn(b: Builder, given: Given) -> dict[str, Value]:
    """What the upper lid's travel in mid-opening does to lashes and shade. Twins: ``rig.lids.lash_rotation`` and ``shade_share``."""
    middle = margins(b, given, (given["Inner X"] + given["Outer X"]) * 0.5)
    drop = middle["Upper Rest"] - middle["Upper"]
    opening = b.maximum(middle["Upper Rest"] - middle["Lower Rest"], lids.LASH_LIFT_M)
    return {"Lash Rotation": b.math("ARCSINE", b.clamp(drop / given["Lid Radius"], -1.0, 1.0)),
            "Shade Share": 1.0 - b.smoothstep(0.0, lids.SHADE_GONE_SHARE, drop / opening)}


def _turn(b: Builder, given: Given, yaw: Value, pitch: Value) -> dict[str, Value]:
    """Listing's law: with Fick angles the torsion is -asin(sin H sin V / (1 + cos H cos V)). Twin: ``rig.pose.gaze_rotation``."""
    sines = b.math("SINE", yaw) * b.math("SINE", pitch)
    cosines = b.math("COSINE", yaw) * b.math("COSINE", pitch)
    torsion = -b.math("ARCSINE", sines / (cosines + 1.0))
    about_z = b.axis_angle(given["Gaze Z"], torsion)
    about_x = b.axis_angle(given["Gaze X"], -pitch)
    about_y = b.axis_angle(given["Gaze Y"], yaw)
    pitched = b.node("FunctionNodeRotateRotation", about_z, about_x, rotation_space="GLOBAL")
    both = b.node("FunctionNodeRotateRotation", pitched, about_y, rotation_space="GLOBAL")
    return {"Turn Pitch": pitched, "Turn Yaw": about_y, "Turn Both": both}
