# SPDX-License-Identifier: GPL-3.0-or-later
"""How a warp of positions carries whole splats, and how posed splats are written back. Twin: ``rig.pose._warp``."""
from __future__ import annotations

from collections.abc import Callable, Mapping

from ..rig.posed_eye import STRETCH_LIMIT
from . import attributes
from .builder import Builder, Value

# An attribute to write: socket type for the capture, attribute type, field.
Field = tuple[str, str, Value]


def factor_fields(b: Builder) -> list[Value]:
    """Return the columns of the splats' linear factors as they are stored."""
    return [b.attribute(name, "FLOAT_VECTOR") for name in attributes.FACTORS]


def secants(b: Builder, warp: Callable[[Value], Value], point: Value, columns: list[Value]) -> tuple[Value, list[Value]]:
    """Return F(p) and the columns F(p + m) - F(p), none of them longer than ``STRETCH_LIMIT`` times m."""
    moved = warp(point)
    stretched = []
    for column in columns:
        secant = warp(point + column) - moved
        allowed = b.length(column) * STRETCH_LIMIT
        stretched.append(secant * b.minimum(allowed / b.maximum(b.length(secant), 1e-12), 1.0))
    return moved, stretched


def faded(b: Builder, share: Value) -> Value:
    """Return the splats' base colour with this share of its opacity."""
    base = b.outputs("FunctionNodeSeparateColor", b.attribute(attributes.BASE, "FLOAT_COLOR"))
    return b.node("FunctionNodeCombineColor", base["Red"], base["Green"], base["Blue"], base["Alpha"] * share)


def write_posed(b: Builder, points: Value, position: Value, columns: list[Value], others: Mapping[str, Field] | None = None) -> Value:
    """Store a new position, the factor's columns (none: as they are) and other attributes by name, evaluated together."""
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
