# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls of a portrait: custom properties of its root, with limits and a word on each.

Custom properties rather than registered ones, so that a file animates and renders without the extension.
The ``life_`` ones are written by generators only; an artist's keys go on the others.
"""
from __future__ import annotations

from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class Control:
    """One float custom property."""

    name: str
    default: float
    low: float
    high: float
    description: str
    soft_low: float | None = None
    soft_high: float | None = None


CONTROLS = (
    Control("gaze_yaw", 0.0, -90.0, 90.0, "Your own gaze in degrees, + to the subject's left, on top of target and life", -35.0, 35.0),
    Control("gaze_pitch", 0.0, -90.0, 90.0, "Your own gaze in degrees, + up, on top of target and life", -30.0, 25.0),
    Control("look_at", 1.0, 0.0, 1.0, "How far the eyes follow their target"),
    Control("blink_left", 0.0, 0.0, 1.0, "How far you close the left eye: 0 as photographed, 1 shut"),
    Control("blink_right", 0.0, 0.0, 1.0, "How far you close the right eye: 0 as photographed, 1 shut"),
    Control("pupil", 1.0, 0.3, 3.0, "Radius of the pupils relative to the photo", 0.5, 1.8),
    Control("life", 1.0, 0.0, 1.0, "How much of the generated motion shows in the eyes"),
    Control("life_gaze_yaw", 0.0, -90.0, 90.0, "Generated gaze, degrees to the subject's left"),
    Control("life_gaze_pitch", 0.0, -90.0, 90.0, "Generated gaze, degrees up"),
    Control("life_gaze_dip", 0.0, -10.0, 10.0, "Generated: how far the eyes dip down and towards the nose under a blink, degrees"),
    Control("life_blink_left", 0.0, 0.0, 1.0, "Generated blinks of the left eye"),
    Control("life_blink_right", 0.0, 0.0, 1.0, "Generated blinks of the right eye"),
    Control("life_lids", 0.0, 0.0, 0.9, "Generated: how far heavy lids hang between blinks, 0 as photographed"),
    Control("life_pupil", 0.0, -0.9, 2.0, "Generated change of the pupils, relative to their size"),
)


def add_controls(root: bpy.types.Object) -> None:
    """Give a root its controls; those it has already keep their values."""
    for control in CONTROLS:
        if control.name not in root:
            root[control.name] = control.default
        root.id_properties_ui(control.name).update(
            min=control.low, max=control.high, default=control.default, description=control.description,
            soft_min=control.low if control.soft_low is None else control.soft_low,
            soft_max=control.high if control.soft_high is None else control.soft_high)
        root.property_overridable_library_set(f'["{control.name}"]', True)
