# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the point attributes that carrier, node groups and shader agree on.

The first four are the names and meanings of Blender 5.3's native splats, so that a carrier made here
can be shown natively there. Ours begin with ``gs_``: Cycles reads an attribute named ``uv`` as constant.
"""
from __future__ import annotations

BASE = "radiance:base"          # FLOAT_COLOR: 0.5 + C0 f_dc, display-referred sRGB; alpha = activated opacity
SCALE = "scale"                 # FLOAT_VECTOR, standard deviations, metres
ROTATION = "rotation"           # QUATERNION wxyz, local axes -> object
HARMONIC = "radiance:sh_{}"     # FLOAT_VECTOR, rgb of coefficient 0..14 of degrees 1..3

LINEAR = "gs_linear"            # FLOAT_COLOR: as BASE, refitted for blending linear light (splat/linear_refit.py); may be missing
GROUP = "gs_group"              # INT: which part of the portrait, see rig/parts.py
FACTORS = ("gs_m1", "gs_m2", "gs_m3")  # FLOAT_VECTOR columns of M, covariance = M M^T, as posed
SHADE = "gs_shade"              # FLOAT_VECTOR: logarithm of the pose's shading, 0 where nothing changes
TURN = "gs_turn"                # QUATERNION: rotation of the pose, which harmonics follow

QUAD_UV = "gs_uv"               # FLOAT_VECTOR: place on the quad in standard deviations, and the alpha cap
QUAD_COLOUR = "gs_colour"       # FLOAT_COLOR: final colour and opacity of one splat
