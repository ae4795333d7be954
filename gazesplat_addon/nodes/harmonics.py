# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: the view-dependent part of a splat's colour, real spherical harmonics of degree 1 to 3."""
from __future__ import annotations

import bpy

from . import attributes
from .builder import Builder, Value
from .library import ensure_group

VERSION = 1
COEFFICIENT_COUNTS = {0: 0, 1: 3, 2: 8, 3: 15}

# Normalisations of the real harmonics in the order and signs of the original 3D Gaussian Splatting code.
C1 = 0.4886025119029199
C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)
C3 = (-0.5900435899266435, 2.890611442640554, -0.4570457994644658, 0.3731763325901154,
      -0.4570457994644658, 1.445305721320277, -0.5900435899266435)


def harmonics_group(degree: int) -> bpy.types.NodeTree:
    """Return the group for degree 1, 2 or 3.

    Inputs: Direction (vector, camera -> splat in the object's frame), Turn (rotation that the splat
    has made since it was trained). Output: Colour, to be added to the base colour.
    """
    return ensure_group(f"GazeSplat Harmonics {degree}", VERSION, lambda builder: _build(builder, degree))


def _build(b: Builder, degree: int) -> None:
    b.input("Direction", "Vector")
    b.input("Turn", "Rotation")
    b.output("Colour", "Vector")
    given = b.group_inputs()
    back = b.node("FunctionNodeInvertRotation", given["Turn"])
    direction = b.vector_math("NORMALIZE", b.node("FunctionNodeRotateVector", given["Direction"], back))
    colour: Value | None = None
    for index, weight in enumerate(_basis(b, direction, degree)):
        term = b.attribute(attributes.HARMONIC.format(index), "FLOAT_VECTOR") * weight
        colour = term if colour is None else colour + term
    b.finish({"Colour": colour})


def _basis(b: Builder, direction: Value, degree: int) -> list[Value]:
    x, y, z = direction.xyz()
    basis = [y * -C1, z * C1, x * -C1]
    if degree >= 2:
        xx, yy, zz, xy, yz, xz = x * x, y * y, z * z, x * y, y * z, x * z
        basis += [xy * C2[0], yz * C2[1], (zz * 2.0 - xx - yy) * C2[2], xz * C2[3], (xx - yy) * C2[4]]
    if degree >= 3:
        basis += [y * (xx * 3.0 - yy) * C3[0], xy * z * C3[1], y * (zz * 4.0 - xx - yy) * C3[2],
                  z * (zz * 2.0 - xx * 3.0 - yy * 3.0) * C3[3], x * (zz * 4.0 - xx - yy) * C3[4],
                  z * (xx - yy) * C3[5], x * (xx - yy * 3.0) * C3[6]]
    return basis
