# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated life on a portrait's timeline: takes in seconds become keys in the scene's frames."""
from __future__ import annotations

import bpy

from ..backend.contract.errors import GazeSplatError
from .gaze import schedule
from .gaze.schedule import Take
from .scene import actions, store

# Whoever is looked at stands this near or far, as far as the generators care.
_NEAREST_M, _FARTHEST_M = 0.2, 50.0


def add_saccades(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: int | None, end: int | None, state: str) -> int:
    """Write gaze shifts around the target for somebody in ``state`` and return how many keys were made."""
    first, seconds, fps = _span(scene, start, end)
    take = schedule.saccade_curves(0.0, seconds, seed=seed, state=state, listener_distance_m=_target_distance_m(root))
    return _write(root, take, first, fps)


def add_blinks(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: int | None, end: int | None, per_minute: float) -> int:
    """Write blinks, also those that the large gaze shifts of the range carry, and return how many keys were made."""
    first, seconds, fps = _span(scene, start, end)
    shifts = actions.gaze_shifts(root, first, first + seconds * fps, fps=fps) if per_minute > 0 else None
    take = schedule.blink_curves(0.0, seconds, seed=seed, per_minute=per_minute, saccades=shifts, frame_s=1.0 / fps)
    return _write(root, take, first, fps)


def add_head_drift(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: int | None, end: int | None) -> int:
    """Write the sway of a head and its share of the range's large gaze shifts; return how many keys were made.

    The head joins in gaze shifts only while the eyes hold a target, because then they give back what it turns.
    """
    first, seconds, fps = _span(scene, start, end)
    holds_target = root["look_at"] > 0.5
    shifts = actions.gaze_shifts(root, first, first + seconds * fps, fps=fps) if holds_target else None
    return _write(root, schedule.head_drift_curves(0.0, seconds, seed=seed, saccades=shifts), first, fps)


def add_pupil_life(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: int | None, end: int | None) -> int:
    """Write the slow breathing of the pupils and return how many keys were made."""
    first, seconds, fps = _span(scene, start, end)
    return _write(root, schedule.pupil_curves(0.0, seconds, seed=seed), first, fps)


def clear(root: bpy.types.Object, scene: bpy.types.Scene, *, start: float | None, end: float | None) -> int:
    """Remove generated keys from a range, everywhere where it is open, and return how many went."""
    head = store.part_of(root, store.HEAD)
    keyed = _keyed_range(root, head)
    if keyed is None:
        return 0
    # One frame more on each side, so that the very ends go too.
    first = keyed[0] - 1.0 if start is None else float(start)
    last = keyed[1] + 1.0 if end is None else float(end)
    if start is None or end is None:
        last = max(last, first + 1.0)
    return actions.clear_take(root, head, first, last, fps=_fps(scene))


def generated_range(root: bpy.types.Object) -> tuple[float, float] | None:
    """Return the first and the last frame with generated keys, or None where there are none."""
    return _keyed_range(root, store.part_of(root, store.HEAD))


def _write(root: bpy.types.Object, take: Take, first: float, fps: float) -> int:
    return actions.write_take(root, store.part_of(root, store.HEAD), take, start_frame=first, fps=fps)


def _span(scene: bpy.types.Scene, start: int | None, end: int | None) -> tuple[float, float, float]:
    """Return the first frame, the seconds up to the last and the frame rate; the scene's range by default."""
    fps = _fps(scene)
    first = float(scene.frame_start if start is None else start)
    last = float(scene.frame_end if end is None else end)
    if not last > first:
        raise GazeSplatError("bad-range", f"The range ends at frame {last:g}, which is not after its start at {first:g}.",
                             "Give an end that is later than the start, or set the scene's frame range.")
    return first, (last - first) / fps, fps


def _fps(scene: bpy.types.Scene) -> float:
    return scene.render.fps / scene.render.fps_base


def _target_distance_m(root: bpy.types.Object) -> float:
    """Return how far the eyes' target is from the head, kept within what people look at."""
    target, head = store.part_of(root, store.GAZE), store.part_of(root, store.HEAD)
    distance = (target.matrix_world.translation - head.matrix_world.translation).length
    return min(max(distance, _NEAREST_M), _FARTHEST_M)


def _keyed_range(root: bpy.types.Object, head: bpy.types.Object) -> tuple[float, float] | None:
    curves = [actions.fcurve_for(owner, path, index) for owner in (root, head) for path, index in actions.channels_of(owner)]
    ranges = [curve.range() for curve in curves if len(curve.keyframe_points)]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
