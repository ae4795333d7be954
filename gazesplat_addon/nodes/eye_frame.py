# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the portrait frame and an eye's own, and the globe's turn, for the groups that pose one part of an eye."""
from __future__ import annotations

from collections.abc import Mapping

from .builder import Builder, Value
from .eye_constants import MARGIN_POSE_SOCKETS, MARGIN_SOCKETS, subset
from .lid_margins import lid_margins_group, margins_now_group

FRAME_SOCKETS = ("Centre", "Frame X", "Frame Y", "Frame Z")
PIVOT_SOCKETS = ("Pivot Yaw", "Pivot Pitch")
# Rotations of one pose: pitch with torsion, yaw, and both in this order.
TURN_SOCKETS = ("Turn Pitch", "Turn Yaw", "Turn Both")

Given = Mapping[str, Value]


def declare_turn(b: Builder) -> None:
    """Declare the rotations as group inputs."""
    for name in TURN_SOCKETS:
        b.input(name, "Rotation")


def to_eye(b: Builder, given: Given, point: Value) -> Value:
    """Return a point of the portrait frame in the eye frame."""
    return axes_to_eye(b, given, point - given["Centre"])


def axes_to_eye(b: Builder, given: Given, direction: Value) -> Value:
    """Return a direction of the portrait frame in the eye frame."""
    return b.vector(*(b.dot(direction, given[f"Frame {axis}"]) for axis in "XYZ"))


def axes_from_eye(given: Given, direction: Value) -> Value:
    """Return a direction of the eye frame in the portrait frame."""
    x, y, z = direction.xyz()
    return given["Frame X"] * x + given["Frame Y"] * y + given["Frame Z"] * z


def turned(b: Builder, given: Given, point: Value) -> Value:
    """Return where the globe carries a point: pitch about its pivot, then yaw about its own. Twin: ``rig.pose.globe_transform``."""
    pitched = given["Pivot Pitch"] + b.rotate(point - given["Pivot Pitch"], given["Turn Pitch"])
    return given["Pivot Yaw"] + b.rotate(pitched - given["Pivot Yaw"], given["Turn Yaw"])


def margins(b: Builder, given: Given, x: Value) -> dict[str, Value]:
    """Return both lid margins where they rest over a place along the opening."""
    return b.group(lid_margins_group(), {"X": x, **subset(given, (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS))})


def margins_now(b: Builder, given: Given, x: Value) -> dict[str, Value]:
    """Return both lid margins that lie over a place along the opening as posed."""
    return b.group(margins_now_group(), {"X": x, **subset(given, (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS))})
