# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers as data: a target path, a simple expression, and what its variables read.

Only simple expressions: Blender evaluates them without Python, so a file works on a render farm where
scripts are off. Setting the same driver twice leaves one.
"""
from __future__ import annotations

from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class Variable:
    """One driver variable: a property of an ID or of the active scene, or an object's evaluated rotation."""

    kind: str                            # "SINGLE_PROP", "CONTEXT_PROP" or "TRANSFORMS"
    owner: bpy.types.ID | None = None    # None: the active scene
    path: str = ""
    channel: str = ""                    # for TRANSFORMS: "ROT_X", "ROT_Z"
    rotation_mode: str = "AUTO"


def scene_variable(path: str) -> Variable:
    """Return a variable that reads the scene being evaluated, whichever file the portrait was appended to."""
    return Variable("CONTEXT_PROP", path=path)


def property_variable(owner: bpy.types.ID, path: str) -> Variable:
    """Return a variable that reads a property, e.g. ``'["look_at"]'``."""
    return Variable("SINGLE_PROP", owner, path)


def rotation_variable(owner: bpy.types.Object, channel: str, mode: str) -> Variable:
    """Return a variable that reads an object's local rotation in radians, constraints included."""
    return Variable("TRANSFORMS", owner, channel=channel, rotation_mode=mode)


def drive(owner: bpy.types.ID, path: str, expression: str, index: int = -1, **variables: Variable) -> bpy.types.FCurve:
    """Make or replace the driver of one property.

    Raises ValueError if Blender would need Python to evaluate the expression.
    """
    owner.driver_remove(path, index)
    curve = owner.driver_add(path, index)
    driver = curve.driver
    driver.type = "SCRIPTED"
    for name, wanted in variables.items():
        variable = driver.variables.new()
        variable.name = name
        variable.type = wanted.kind
        target = variable.targets[0]
        if wanted.kind == "CONTEXT_PROP":
            target.context_property = "ACTIVE_SCENE"
            target.data_path = wanted.path
        elif wanted.kind == "SINGLE_PROP":
            target.id_type = wanted.owner.id_type
            target.id = wanted.owner
            target.data_path = wanted.path
        else:
            target.id = wanted.owner
            target.transform_type = wanted.channel
            target.transform_space = "LOCAL_SPACE"
            target.rotation_mode = wanted.rotation_mode
    driver.expression = expression
    if not driver.is_simple_expression:
        owner.driver_remove(path, index)
        raise ValueError(f"driver expression needs Python: {expression!r}")
    return curve
