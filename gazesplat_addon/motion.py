# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated life on a portrait's timeline: takes in seconds become keys in the scene's frames, layer by layer.

Each layer remembers how it was made, so it can be made anew with another seed or over another range; what an artist has
edited in it stays.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from ..backend.contract.errors import GazeSplatError
from . import preferences
from .gaze import blink, head, inputs, presets, pupil, schedule, track
from .gaze.keys import from_slopes
from .gaze.presets import MotionPreset
from .gaze.saccade import Saccades
from .gaze.schedule import Take
from .gaze.states import GazeState, state_named
from .scene import actions, eye_rig, layers, store, upgrade

# Keys that switch between targets are the artist's, in a group of their own.
TARGETS_GROUP = "Gaze Targets"
# Whoever is looked at stands this near or far, as far as the generators care.
_NEAREST_M, _FARTHEST_M = 0.2, 50.0
# A stretch between two edited ones that is shorter than this is left at rest: nothing can begin and end in it.
_SHORTEST_GAP_S = 0.5
# Each stretch between edits draws from its own seed, or the same few darts would repeat in all of them.
_SEED_STEP = 7919


Make = Callable[[float, float, float, int], Take]   # first frame, last frame, frames per second, seed


def add_saccades(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: float | None = None, end: float | None = None,
                 state: str | dict = "listening", small_life: bool = True, close_up: bool = True, keep_edits: bool = True) -> int:
    """Write gaze shifts around the target for somebody in ``state`` and return how many keys were made."""
    how = {"state": state, "small_life": small_life, "close_up": close_up}
    return _write(root, scene, "gaze", how, seed, start, end, keep_edits)


def add_blinks(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: float | None = None, end: float | None = None,
               per_minute: float = 17.0, at_frames: tuple[float, ...] = (), slowness: float = 1.0, keep_edits: bool = True) -> int:
    """Write blinks, also those that large gaze shifts carry or ``at_frames`` ask for, and return how many keys were made."""
    how = {"per_minute": per_minute, "at_frames": [float(frame) for frame in at_frames], "slowness": slowness}
    return _write(root, scene, "blinks", how, seed, start, end, keep_edits)


def add_heavy_lids(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: float | None = None, end: float | None = None,
                   closed: float = 0.3, keep_edits: bool = True) -> int:
    """Write lids that hang between blinks and return how many keys were made."""
    return _write(root, scene, "lids", {"closed": closed}, seed, start, end, keep_edits)


def add_head_drift(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: float | None = None, end: float | None = None,
                   propensity: float = 0.5, turn_deg: float = head.IDLE_DEG, sway_m: float = head.IDLE_M, keep_edits: bool = True) -> int:
    """Write the sway of a head and its share of the range's large gaze shifts; return how many keys were made.

    The eyes give back what the head turns: their drivers see to it, with a target and without.
    """
    return _write(root, scene, "head", {"propensity": propensity, "turn_deg": turn_deg, "sway_m": sway_m}, seed, start, end, keep_edits)


def add_pupil_life(root: bpy.types.Object, scene: bpy.types.Scene, *, seed: int, start: float | None = None, end: float | None = None,
                   share: float = pupil.HIPPUS_SHARE, keep_edits: bool = True) -> int:
    """Write the slow breathing of the pupils and return how many keys were made."""
    return _write(root, scene, "pupils", {"share": share}, seed, start, end, keep_edits)


def look_at_list(root: bpy.types.Object, scene: bpy.types.Scene, targets: list[tuple[float, object, str]]) -> int:
    """Let the eyes go from target to target (frame, object or point or None, bone), in order of time; return how many keys were made.

    Each target is a constraint on top of the one before, whose influence is keyed: up in the time of a saccade, or gently where the
    eyes go home (None).
    """
    gaze, fps = store.part_of(root, store.GAZE), fps_of(scene)
    eye_rig.forget_targets(gaze)
    made, before = 0, None
    for number, (frame, target, bone) in enumerate(targets):
        constraint = eye_rig.add_target(gaze, target, bone, f"{eye_rig.TARGET_CONSTRAINT} {number + 1:02d}")
        where = eye_rig.target_point(gaze, target, bone)
        if number:
            angle_deg = np.degrees(Vector(before - _eyes_at(root)).angle(where - _eyes_at(root), 0.0))
            step = track.attention_step(angle_deg, gentle=target is None)
            frames = np.array([targets[0][0] - 1.0, *(frame + step.times_s * fps)])
            new = from_slopes(frames, np.array([0.0, *step.values]), np.array([0.0, *(step.slopes / fps)]))
            actions.replace_range(gaze, eye_rig.influence_path(constraint), 0, new, ease_frames=0.0, group=TARGETS_GROUP,
                                  key_type="KEYFRAME")
            made += len(new)
        before = where
    root["look_at"] = 1.0
    root.update_tag()
    return made


def _eyes_at(root: bpy.types.Object) -> Vector:
    return store.part_of(root, store.HEAD).matrix_world.translation


def animate(root: bpy.types.Object, scene: bpy.types.Scene, preset: MotionPreset, *, seed: int, start: float | None = None,
            end: float | None = None, keep_edits: bool = True) -> int:
    """Write every layer of a preset over a range and return how many keys were made."""
    span = {"seed": seed, "start": start, "end": end, "keep_edits": keep_edits}
    made = add_saccades(root, scene, state=asdict(preset.gaze), small_life=preset.small_life, close_up=preset.close_up, **span)
    made += add_blinks(root, scene, per_minute=preset.blinks_per_minute, slowness=preset.blink_slowness, **span)
    made += add_head_drift(root, scene, propensity=preset.head_propensity, turn_deg=preset.head_turn_deg, sway_m=preset.head_sway_m, **span)
    made += add_pupil_life(root, scene, share=preset.pupil_share, **span)
    if preset.lids_closed > 0:
        return made + add_heavy_lids(root, scene, closed=preset.lids_closed, **span)
    first, last, fps = _span(scene, start, end)
    clear(root, scene, start=first, end=last, only="lids")
    return made


def remake(root: bpy.types.Object, scene: bpy.types.Scene, layer: str, *, seed: int | None = None, start: float | None = None,
           end: float | None = None, keep_edits: bool = True) -> int:
    """Make a layer anew as it was made last, with another seed or over another range; return how many keys were made.

    The same seed over a range that starts elsewhere is the same motion, moved in time. GazeSplatError ``no-recipe``.
    """
    how = layers.recipe(root, layer)
    if how is None:
        raise GazeSplatError("no-recipe", f"{root.name} has no generated layer {layer} that could be made anew.",
                             "Add it first, for example with portrait.animate().")
    how = dict(how)
    old = how.pop("start"), how.pop("end")
    new = old[0] if start is None else float(start), old[1] if end is None else float(end)
    if start is not None and end is None:
        new = new[0], new[0] + old[1] - old[0]
    inputs.check_range(*new, "frame range")
    if new != old:
        if keep_edits:
            for low, high in layers.gaps(old[0], old[1], layers.edited_windows(root, store.part_of(root, store.HEAD), layer), 1.0):
                clear(root, scene, start=low, end=high, only=layer)
        else:
            clear(root, scene, start=old[0], end=old[1], only=layer)
    was_seed = how.pop("seed")
    if "at_frames" in how:
        how["at_frames"] = [frame + new[0] - old[0] for frame in how["at_frames"]]
    return _write(root, scene, layer, how, was_seed if seed is None else seed, *new, keep_edits)


def repeats(root: bpy.types.Object, scene: bpy.types.Scene, layer: str) -> bool | None:
    """Return whether a layer's recipe gives the very keys that it has; None where it has no recipe or was edited by hand."""
    how, head_object = layers.recipe(root, layer), store.part_of(root, store.HEAD)
    if how is None or layers.edited_frames(root, head_object, layer):
        return None
    how = dict(how)
    first, last, seed, fps = how.pop("start"), how.pop("end"), how.pop("seed"), fps_of(scene)
    take = _PLANS[layer](root, **how)(first, last, fps, seed)
    return actions.plays_take(root, head_object, take, start_frame=first, fps=fps)


def clear(root: bpy.types.Object, scene: bpy.types.Scene, *, start: float | None, end: float | None, only: str | None = None) -> int:
    """Remove generated keys from a range, everywhere where it is open, of one layer or all; return how many went."""
    head_object = store.part_of(root, store.HEAD)
    keyed = keyed_range(root, only)
    if keyed is None:
        return 0
    # One frame more on each side, so that the very ends go too.
    first = keyed[0] - 1.0 if start is None else float(start)
    last = keyed[1] + 1.0 if end is None else float(end)
    if start is None or end is None:
        last = max(last, first + 1.0)
    gone = 0
    for layer in layers.NAMES if only is None else (only,):
        edited = {name: frames[(frames < first) | (frames > last)]
                  for name, frames in layers.edited_frames(root, head_object, layer).items()}
        muted = layers.is_muted(root, head_object, layer)
        gone += actions.clear_take(root, head_object, first, last, fps=fps_of(scene), names=tuple(layers.channels(layer)))
        left = layers.fcurves(root, head_object, layer)
        for name in layers.channels(layer):
            if name not in left:
                layers.rest(root, head_object, name)
        layers.remember(root, head_object, layer, layers.recipe(root, layer) if left else None, edited)
        if muted:
            layers.set_muted(root, head_object, layer, True)
    return gone


def keyed_range(root: bpy.types.Object, only: str | None = None) -> tuple[float, float] | None:
    """Return the first and the last frame with generated keys, of one layer or any, or None where there are none."""
    head_object = store.part_of(root, store.HEAD)
    ranges = [fcurve.range() for layer in (layers.NAMES if only is None else (only,))
              for fcurve in layers.fcurves(root, head_object, layer).values() if len(fcurve.keyframe_points)]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def fps_of(scene: bpy.types.Scene) -> float:
    """Return the scene's frames per second."""
    return scene.render.fps / scene.render.fps_base


def preset_folder() -> Path:
    """Return the folder for an artist's own presets; it need not exist yet."""
    return preferences.user_folder() / "presets"


def preset_named(name: str | MotionPreset) -> MotionPreset:
    """Return a preset of ours or of the artist's."""
    return name if isinstance(name, MotionPreset) else presets.named(name, preset_folder())


# ---------------------------------------------------------------- inside

def _write(root: bpy.types.Object, scene: bpy.types.Scene, layer: str, how: dict, seed: int, start: float | None,
           end: float | None, keep_edits: bool) -> int:
    """Write one layer over a range, around what was edited by hand unless that may go, and remember how."""
    inputs.check_seed(seed)
    upgrade.renew_drivers(root)
    first, last, fps = _span(scene, start, end)
    head_object = store.part_of(root, store.HEAD)
    make = _PLANS[layer](root, **how)
    edited = layers.edited_frames(root, head_object, layer)
    if keep_edits:
        stretches = layers.gaps(first, last, layers.edited_windows(root, head_object, layer), _SHORTEST_GAP_S * fps)
    else:
        edited = {name: frames[(frames < first) | (frames > last)] for name, frames in edited.items()}
    if not keep_edits or not edited:
        stretches = [(first, last)]
    muted = layers.is_muted(root, head_object, layer)
    takes = [(low, make(low, high, fps, seed + _SEED_STEP * number)) for number, (low, high) in enumerate(stretches)]
    made = sum(actions.write_take(root, head_object, take, start_frame=low, fps=fps) for low, take in takes)
    layers.remember(root, head_object, layer, {**how, "seed": int(seed), "start": first, "end": last}, edited)
    if muted:
        layers.set_muted(root, head_object, layer, True)
    return made


def _plan_gaze(root: bpy.types.Object, *, state: str | dict, small_life: bool, close_up: bool) -> Make:
    doing = GazeState(**{**state, "direction_shares": tuple(state["direction_shares"])}) if isinstance(state, dict) else state_named(state)

    def make(first: float, last: float, fps: float, seed: int) -> Take:
        return schedule.saccade_curves(0.0, (last - first) / fps, seed=seed, state=doing, small_life=small_life, close_up=close_up,
                                       listener_distance_m=_target_distance_m(root))
    return make


def _plan_blinks(root: bpy.types.Object, *, per_minute: float, at_frames: list[float], slowness: float) -> Make:
    inputs.check_rate(per_minute)

    def make(first: float, last: float, fps: float, seed: int) -> Take:
        shifts = _shifts(root, first, last, fps) if per_minute > 0 else None
        # a frame that is asked for is the one on which the eye is shut
        ahead_s = slowness * (sum(blink.DOWN_S) + sum(blink.CLOSED_S) / 2) / 2
        asked = tuple((frame - first) / fps - ahead_s for frame in at_frames if first <= frame <= last)
        return schedule.blink_curves(0.0, (last - first) / fps, seed=seed, per_minute=per_minute, saccades=shifts, frame_s=1.0 / fps,
                                     at_s=asked, slowness=slowness)
    return make


def _plan_lids(root: bpy.types.Object, *, closed: float) -> Make:
    return lambda first, last, fps, seed: schedule.lid_curves(0.0, (last - first) / fps, seed=seed, closed=closed)


def _plan_head(root: bpy.types.Object, *, propensity: float, turn_deg: float, sway_m: float) -> Make:
    return lambda first, last, fps, seed: schedule.head_drift_curves(
        0.0, (last - first) / fps, seed=seed, turn_deg=turn_deg, sway_m=sway_m, saccades=_shifts(root, first, last, fps),
        head_propensity=propensity)


def _plan_pupils(root: bpy.types.Object, *, share: float) -> Make:
    return lambda first, last, fps, seed: schedule.pupil_curves(0.0, (last - first) / fps, seed=seed, share=share)


# What a layer's recipe, less its seed and range, says: how to make a take of it.
_PLANS: dict[str, Callable[..., Make]] = {"gaze": _plan_gaze, "blinks": _plan_blinks, "lids": _plan_lids, "head": _plan_head,
                                          "pupils": _plan_pupils}


def _shifts(root: bpy.types.Object, first: float, last: float, fps: float) -> Saccades | None:
    return actions.gaze_shifts(root, first, last, fps=fps)


def _span(scene: bpy.types.Scene, start: float | None, end: float | None) -> tuple[float, float, float]:
    """Return the first frame, the last frame and the frame rate; the scene's range by default."""
    first = float(scene.frame_start if start is None else start)
    last = float(scene.frame_end if end is None else end)
    if not last > first:
        raise GazeSplatError("bad-range", f"The range ends at frame {last:g}, which is not after its start at {first:g}.",
                             "Give an end that is later than the start, or set the scene's frame range.")
    return first, last, fps_of(scene)


def _target_distance_m(root: bpy.types.Object) -> float:
    """Return how far the eyes' target is from the head, kept within what people look at."""
    target, head_object = store.part_of(root, store.GAZE), store.part_of(root, store.HEAD)
    distance = (target.matrix_world.translation - head_object.matrix_world.translation).length
    return min(max(distance, _NEAREST_M), _FARTHEST_M)
