# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: both lid margins where they rest and where they are as posed. Twins: ``rig.lids.MarginsOver`` and ``margins_now``."""
from __future__ import annotations

import bpy

from ..rig import lids
from ..rig.sidecar import CURVE_TERMS
from .builder import Builder, Value
from .eye_constants import MARGIN_POSE_SOCKETS, MARGIN_SOCKETS, declare, subset
from .library import ensure_group

VERSION = 5
_SOCKETS = (*MARGIN_SOCKETS, *MARGIN_POSE_SOCKETS)


def lid_margins_group() -> bpy.types.NodeTree:
    """Return the group: X (metres, eye frame), where margins rest -> Upper Rest, Lower Rest, Upper, Lower, Share, Lead Share, Aside.

    Heights, at rest and as posed, and how far the margins go along x, in metres. Lead Share is how much of its lead the
    upper margin has: see ``rig.lids.MarginsOver.lead``.
    """
    return ensure_group("GazeSplat Lid Margins", VERSION, _build)


def margins_now_group() -> bpy.types.NodeTree:
    """Return the group: X (metres, eye frame) -> Upper, Lower: the heights of the margins that lie over it as posed."""
    return ensure_group("GazeSplat Lid Margins Now", VERSION, _build_now)


def _build(b: Builder) -> None:
    b.input("X", "Float")
    declare(b, _SOCKETS)
    for name in ("Upper Rest", "Lower Rest", "Upper", "Lower", "Share", "Lead Share", "Aside"):
        b.output(name, "Float")
    given = b.group_inputs()
    blink, corner_y = given["Blink"], given["Corner Y"]

    width = given["Outer X"] - given["Inner X"]
    share = (given["X"] - given["Inner X"]) / width
    s = b.clamp(share, 0.0, 1.0)
    cos_t, sin_t = _cos_sin(b, s)
    upper_rest = corner_y + _sine_series(given, "Upper", cos_t, sin_t)
    lower_rest = corner_y + _sine_series(given, "Lower", cos_t, sin_t)

    r, length = given["Iris Radius"], b.absolute(width)
    not_beside = 1.0 - b.smoothstep(0.0, r * lids.BESIDE_IRIS_RADII, b.maximum(0.0 - share, share - 1.0) * length)
    corner = given["Corner Rise"] * (b.smoothstep(0.5, 1.0, share) * not_beside)
    taper = b.power(sin_t, lids.TAPER_POWER)
    rise = corner + (given["Lower Rise"] - corner) * taper
    lower = lower_rest + rise
    upper = b.maximum(upper_rest + corner + (given["Upper Rise"] - corner) * taper, lower)

    closing = corner_y + _sine_series(given, "Closing", cos_t, sin_t) + rise
    lower = b.minimum(lower + blink * blink * given["Zip"] * (closing - lower), upper)
    ending = blink * blink * (1.0 - b.smoothstep(0.0, r * lids.OVERLAP_END_IRIS_RADII, (share - 1.0) * length))
    upper = upper + blink * (lower - upper) - given["Overlap"] * r * b.smoothstep(lids.OVERLAP_FROM_SHARE, 1.0, share) * ending
    inner, outer = lids.CORNER_CARRIED
    at_corner = s * (outer - inner) + inner
    whole = b.smoothstep(0.0, lids.CARRIED_WHOLE_SHARE, s) * b.smoothstep(0.0, lids.CARRIED_WHOLE_SHARE, 1.0 - s)
    aside = given["Carried"] * (at_corner + (1.0 - at_corner) * whole) * not_beside
    b.finish({"Upper Rest": upper_rest, "Lower Rest": lower_rest, "Upper": upper, "Lower": lower, "Share": share, "Aside": aside,
              "Lead Share": b.smoothstep(0.0, lids.LEAD_WHOLE_SHARE, share) * ending})


def _build_now(b: Builder) -> None:
    b.input("X", "Float")
    declare(b, _SOCKETS)
    for name in ("Upper", "Lower"):
        b.output(name, "Float")
    given = b.group_inputs()
    aside = b.group(lid_margins_group(), {"X": given["X"], **subset(given, _SOCKETS)})["Aside"]
    posed = b.group(lid_margins_group(), {"X": given["X"] - aside, **subset(given, _SOCKETS)})
    b.finish({"Upper": posed["Upper"], "Lower": posed["Lower"]})


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
