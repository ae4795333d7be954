# SPDX-License-Identifier: GPL-3.0-or-later
"""Group: both lid margins at a place along the opening, at rest and as posed. Twin: ``rig.lids.margins``."""
from __future__ import annotations

import bpy

from ..rig import lids
from ..rig.sidecar import CURVE_TERMS
from .builder import Builder, Value
from .eye_constants import MARGIN_POSE_SOCKETS, MARGIN_SOCKETS, declare
from .library import ensure_group

VERSION = 3


def lid_margins_group() -> bpy.types.NodeTree:
    """Return the group: X (metres, eye frame) -> Upper Rest, Lower Rest, Upper, Lower (heights in metres), Share, Lead Share.

    Lead Share is how much of its lead the upper margin has: see ``rig.lids.MarginsOver.lead``.
    """
    return ensure_group("GazeSplat Lid Margins", VERSION, _build)


def _build(b: Builder) -> None:
    b.input("X", "Float")
    declare(b, (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS))
    for name in ("Upper Rest", "Lower Rest", "Upper", "Lower", "Share", "Lead Share"):
        b.output(name, "Float")
    given = b.group_inputs()
    blink, corner_y = given["Blink"], given["Corner Y"]

    width = given["Outer X"] - given["Inner X"]
    share = (given["X"] - given["Inner X"]) / width
    s = b.clamp(share, 0.0, 1.0)
    cos_t, sin_t = _cos_sin(b, s)
    upper_rest = corner_y + _sine_series(given, "Upper", cos_t, sin_t)
    lower_rest = corner_y + _sine_series(given, "Lower", cos_t, sin_t)

    cos_c, sin_c = _cos_sin(b, b.clamp(s - given["Carried"] * sin_t, 0.0, 1.0))
    taper = b.power(sin_t, lids.TAPER_POWER)
    upper = corner_y + _sine_series(given, "Upper", cos_c, sin_c) + given["Upper Rise"] * taper
    lower_carried = corner_y + _sine_series(given, "Lower", cos_c, sin_c)
    lower = (lower_rest + lower_carried) * 0.5 + given["Lower Rise"] * taper
    upper = b.maximum(upper, lower)

    closing = corner_y + _sine_series(given, "Closing", cos_t, sin_t) + given["Lower Rise"] * taper
    lower = b.minimum(lower + blink * blink * given["Zip"] * (closing - lower), upper)
    r = given["Iris Radius"]
    beyond = (share - 1.0) * b.absolute(width)
    ending = blink * blink * (1.0 - b.smoothstep(0.0, r * lids.OVERLAP_END_IRIS_RADII, beyond))
    upper = upper + blink * (lower - upper) - given["Overlap"] * r * b.smoothstep(lids.OVERLAP_FROM_SHARE, 1.0, share) * ending
    b.finish({"Upper Rest": upper_rest, "Lower Rest": lower_rest, "Upper": upper, "Lower": lower, "Share": share,
              "Lead Share": b.smoothstep(0.0, lids.LEAD_WHOLE_SHARE, share) * ending})


def _cos_sin(b: Builder, s: Value) -> tuple[Value, Value]:
    return 1.0 - s * 2.0, b.sqrt(s * (1.0 - s)) * 2.0


def _sine_series(given: dict[str, Value], curve: str, cos_t: Value, sin_t: Value) -> Value:
    """sum_n a_n sin(n t) by the recurrence of ``rig.lids.sine_series``."""
    before: Value | None = None
    current, twice_cos = sin_t, cos_t * 2.0
    total = given[f"{curve} 1"] * current
    for term in range(2, CURVE_TERMS + 1):
        following = twice_cos * current if before is None else twice_cos * current - before
        before, current = current, following
        total = total + given[f"{curve} {term}"] * current
    return total
