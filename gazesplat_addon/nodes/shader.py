# SPDX-License-Identifier: GPL-3.0-or-later
"""Shader groups: a splat's quad as an emitting film, and the viewport's plain discs."""
from __future__ import annotations

import bpy

from . import attributes
from .builder import Builder, Value
from .ewa_quads import ALPHA_CUT
from .library import ensure_group

VERSION = 1


def splat_shader_group() -> bpy.types.NodeTree:
    """Return the group: alpha = min(cap, opacity exp(-|uv|^2 / 2)), nothing below 1/255, colour emitted as it is."""
    return ensure_group("GazeSplat Shader", VERSION, _build_splat, tree_type="ShaderNodeTree")


def disc_shader_group() -> bpy.types.NodeTree:
    """Return the group of the viewport's discs: opaque, colour emitted as it is."""
    return ensure_group("GazeSplat Disc Shader", VERSION, _build_disc, tree_type="ShaderNodeTree")


def _build_splat(b: Builder) -> None:
    b.output("Shader", "Shader")
    quad = _attribute(b, attributes.QUAD_UV)["Vector"]
    splat = _attribute(b, attributes.QUAD_COLOUR)
    x, y, cap = quad.xyz()
    alpha = b.minimum(b.math("EXPONENT", (x * x + y * y) * -0.5) * splat["Alpha"], cap)
    alpha = alpha * b.math("GREATER_THAN", alpha, ALPHA_CUT)
    film = b.node("ShaderNodeMixShader", alpha, b.node("ShaderNodeBsdfTransparent"), b.node("ShaderNodeEmission", splat["Color"], 1.0))
    b.finish({"Shader": film})


def _build_disc(b: Builder) -> None:
    b.output("Shader", "Shader")
    b.finish({"Shader": b.node("ShaderNodeEmission", _attribute(b, attributes.QUAD_COLOUR)["Color"], 1.0)})


def _attribute(b: Builder, name: str) -> dict[str, Value]:
    return b.outputs("ShaderNodeAttribute", attribute_name=name, attribute_type="GEOMETRY")
