# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: a splat's final colour, from its base, its harmonics and the pose's shading."""
from __future__ import annotations

import bpy

from .builder import Builder, Value
from .library import ensure_group

VERSION = 1


def colour_group() -> bpy.types.NodeTree:
    """Return the group: max(0, Base + Harmonics) * exp(Shade), decoded to scene-linear where asked for.

    Inputs: Base, Harmonics, Shade (fields, vectors), Scene Linear (single boolean). Output: Colour.
    """
    return ensure_group("GazeSplat Colour", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("Base", "Vector")
    b.input("Harmonics", "Vector")
    b.input("Shade", "Vector")
    b.input("Scene Linear", "Bool", False)
    b.output("Colour", "Vector")
    given = b.group_inputs()
    channels = (given["Base"] + given["Harmonics"]).xyz()
    shades = given["Shade"].xyz()
    shown = [b.maximum(c, 0.0) * b.math("EXPONENT", s) for c, s in zip(channels, shades, strict=True)]
    linear = b.vector(*(_decode_srgb(b, c) for c in shown))
    b.finish({"Colour": b.switch(given["Scene Linear"], linear, b.vector(*shown), "VECTOR")})


def _decode_srgb(b: Builder, value: Value) -> Value:
    """IEC 61966-2-1, continued above 1."""
    curve = b.math("POWER", (value + 0.055) / 1.055, 2.4)
    return b.switch(value <= 0.04045, value / 12.92, curve, "FLOAT")
