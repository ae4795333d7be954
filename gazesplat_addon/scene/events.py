# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeline markers for what the eyes do: where each blink is shut and where each glance leaves."""
from __future__ import annotations

import bpy
import numpy as np

from ..gaze import check
from . import actions
from .actions import CHANNELS

GLANCE_DEG = 5.0     # ours: smaller shifts are too many to mark


def mark(root: bpy.types.Object, scene: bpy.types.Scene, start_frame: float, end_frame: float, *, fps: float) -> int:
    """Replace a portrait's markers by those of a range and return how many there are."""
    clear(root, scene)
    made = {"blink": _blinks(root, start_frame, end_frame, fps), "glance": _glances(root, start_frame, end_frame, fps)}
    for what, frames in made.items():
        for frame in frames:
            scene.timeline_markers.new(f"{root.name} {what}", frame=round(float(frame)))
    return sum(map(len, made.values()))


def clear(root: bpy.types.Object, scene: bpy.types.Scene) -> int:
    """Remove a portrait's markers and return how many there were."""
    ours = [marker for marker in scene.timeline_markers if marker.name in (f"{root.name} blink", f"{root.name} glance")]
    for marker in ours:
        scene.timeline_markers.remove(marker)
    return len(ours)


def _blinks(root, start_frame, end_frame, fps) -> np.ndarray:
    fcurve = actions.fcurve_for(root, CHANNELS["life_blink_left"].data_path)
    if fcurve is None:
        return np.zeros(0)
    times = check.sample_times(0.0, (end_frame - start_frame) / fps)
    found = check.find_blinks(times, actions.read_keys(fcurve).evaluate(start_frame + times * fps))
    return start_frame + (found.start_s + found.down_s + found.closed_s / 2) * fps


def _glances(root, start_frame, end_frame, fps) -> np.ndarray:
    found = actions.gaze_shifts(root, start_frame, end_frame, fps=fps)
    return np.zeros(0) if found is None else start_frame + found.start_s[found.amplitude_deg >= GLANCE_DEG] * fps
