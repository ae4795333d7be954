# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an eye's rig the node groups need, as named sockets."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ..rig.sidecar import CURVE_TERMS, SHADE_TERMS, EyeRig
from .builder import Builder, Value

# Names of the sockets that the lid curves take; they are handed down through three levels of groups.
CURVES = ("Upper", "Lower", "Closing")
CURVE_SOCKETS = tuple(f"{curve} {term + 1}" for curve in CURVES for term in range(CURVE_TERMS))
SHADE_SOCKETS = tuple(f"Shade {term + 1}" for term in range(SHADE_TERMS))
MARGIN_SOCKETS = ("Inner X", "Outer X", "Corner Y", "Iris Radius", "Overlap", "Zip", *CURVE_SOCKETS)
# What a pose does to the margins, single values worked out once for an eye.
MARGIN_POSE_SOCKETS = ("Carried", "Upper Rise", "Lower Rise", "Corner Rise", "Blink")
GAZE_SOCKETS = ("Gaze X", "Gaze Y", "Gaze Z")


def eye_constants(rig: EyeRig) -> dict[str, float | tuple[float, float, float]]:
    """Return the sockets' values of one eye: metres, portrait frame; angles in degrees."""
    frame, gaze = np.asarray(rig.frame, float), rig.gaze_frame()
    values: dict[str, float | tuple[float, float, float]] = {
        "Centre": rig.centre_m, "Pivot Yaw": rig.pivot_yaw_m, "Pivot Pitch": rig.pivot_pitch_m, "Iris Centre": rig.iris_centre_m,
        "Inner X": rig.inner_x_m, "Outer X": rig.outer_x_m, "Corner Y": rig.corner_y_m,
        "Iris Radius": rig.iris_radius_m, "Pupil Radius": rig.pupil_radius_m, "Lid Radius": rig.lid_radius_m,
        "Upper Reach": rig.upper_reach_m, "Lower Reach": rig.lower_reach_m,
        "Lever Yaw": rig.lever_yaw_m, "Lever Pitch": rig.lever_pitch_m,
        "Follow Upper Up": rig.follow_upper_up, "Follow Upper Down": rig.follow_upper_down,
        "Follow Lower Up": rig.follow_lower_up, "Follow Lower Down": rig.follow_lower_down,
        "Carry": rig.carry, "Overlap": rig.overlap, "Zip": rig.zip_share, "Lead": rig.lead_m,
        "Lash Angle": rig.lash_angle_deg, "Highlight Share": rig.highlight_share,
    }
    for index, axis in enumerate("XYZ"):
        values[f"Frame {axis}"] = tuple(frame[:, index])
        values[f"Gaze {axis}"] = tuple(gaze[:, index])
    for curve, terms in zip(CURVES, (rig.upper_m, rig.lower_m, rig.closing_m), strict=True):
        if len(terms) > CURVE_TERMS:
            raise ValueError(f"a lid curve has {len(terms)} terms, the node groups take {CURVE_TERMS}")
        for term in range(CURVE_TERMS):
            values[f"{curve} {term + 1}"] = terms[term] if term < len(terms) else 0.0
    values.update(zip(SHADE_SOCKETS, rig.shade, strict=True))
    return {name: tuple(map(float, value)) if isinstance(value, tuple) else float(value) for name, value in values.items()}


def declare(b: Builder, names: Iterable[str]) -> None:
    """Declare group inputs for constants, vectors where the constant is a point, an axis or a colour."""
    for name in names:
        b.input(name, "Vector" if is_vector(name) else "Float")


def is_vector(name: str) -> bool:
    """Return whether a constant is a vector."""
    return name in ("Centre", "Pivot Yaw", "Pivot Pitch", "Iris Centre", *SHADE_SOCKETS) or name[:-1] in ("Frame ", "Gaze ")


def subset(given: Mapping[str, Value], names: Iterable[str]) -> dict[str, Value]:
    """Return the named values, to hand them down to a nested group."""
    return {name: given[name] for name in names}
