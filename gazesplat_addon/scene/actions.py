# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes in and out of slotted actions: the only place where generated motion touches an F-curve.

Generated motion has channels of its own, in an F-curve group for each layer ("GazeSplat Gaze", ...), so that an artist's keys
on other channels are never in the way. Groups of channels rather than NLA strips: strips would hide the artist's own keys of
the same action behind a stack, and keys in them cannot be edited in place. Keys are of Blender's type GENERATED, the seams that
join ranges of type BREAKDOWN. Replacing a range leaves every key outside it as it was, and what those keys play. Nothing here
keeps references between calls, and nothing pushes an undo step: that is the operator's.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

import bpy
import numpy as np
from bpy_extras import anim_utils

from ...backend.contract.errors import GazeSplatError
from ..gaze import bake, check, inputs, keys, schedule
from ..gaze.curve import catmull_rom_slopes
from ..gaze.keys import Keys
from ..gaze.saccade import Saccades
from ..gaze.schedule import Take

GROUP = "GazeSplat"             # how the name of every group of ours begins
SEAM_EASE_FRAMES = 1.5          # for curves written without a say of their own: about one saccade at 24 fps
GENERATED_TYPE, SEAM_TYPE = "GENERATED", "BREAKDOWN"
_HANDLE_TYPES = ("handle_left_type", "handle_right_type")
# All that a key holds beside its place and handles: carried over for keys that stay.
_CARRIED = {"type": int, "interpolation": int, **dict.fromkeys(_HANDLE_TYPES, int), "easing": int, "amplitude": float, "period": float,
            "back": float, "select_control_point": bool, "select_left_handle": bool, "select_right_handle": bool}


@dataclass(frozen=True)
class Channel:
    """Where one channel of a take is keyed: on the root or the head Empty, which property, in which unit."""

    on_head: bool
    data_path: str
    index: int
    factor: float      # curve unit -> property unit
    ease_s: float      # how long a seam takes
    layer: str         # which generator writes it

    @property
    def group(self) -> str:
        """Name of its F-curve group."""
        return f"{GROUP} {self.layer.capitalize()}"


def _root(name: str, ease_s: float, layer: str) -> Channel:
    return Channel(False, f'["{name}"]', 0, 1.0, ease_s, layer)


def _head(path: str, index: int, factor: float) -> Channel:
    return Channel(True, path, index, factor, 1.0, "head")


# A gaze seam is as quick as a saccade, a lid's as a blink; heads and pupils take their time.
# Head axes: + yaw turns -Y towards +X (about +Z), + pitch lifts -Y (about -X), + roll tips +Z towards +X (about +Y).
CHANNELS = {
    "life_gaze_yaw": _root("life_gaze_yaw", 0.06, "gaze"), "life_gaze_pitch": _root("life_gaze_pitch", 0.06, "gaze"),
    "life_gaze_dip": _root("life_gaze_dip", 0.10, "blinks"), "life_blink_left": _root("life_blink_left", 0.10, "blinks"),
    "life_blink_right": _root("life_blink_right", 0.10, "blinks"), "life_lids": _root("life_lids", 0.5, "lids"),
    "life_pupil": _root("life_pupil", 0.5, "pupils"),
    "head_yaw": _head("delta_rotation_euler", 2, radians(1.0)), "head_pitch": _head("delta_rotation_euler", 0, -radians(1.0)),
    "head_roll": _head("delta_rotation_euler", 1, radians(1.0)), "head_x": _head("delta_location", 0, 1.0),
    "head_y": _head("delta_location", 1, 1.0), "head_z": _head("delta_location", 2, 1.0),
}


def write_take(root: bpy.types.Object, head: bpy.types.Object, take: Take, *, start_frame: float, fps: float) -> int:
    """Write every channel of a take, whose second 0 lies on ``start_frame``, and return how many keys were made.

    Generated keys in the take's range are replaced on the channels that it has, and on no other.
    """
    inputs.check_fps(fps)
    missing = [name for name in take.curves if not CHANNELS[name].on_head and name not in root]
    if missing:
        raise GazeSplatError("not-a-portrait", f"{root.name} lacks the properties {', '.join(missing)}.",
                             "Choose the root of a portrait, or load the portrait again.")
    for owner in {head if CHANNELS[name].on_head else root for name in take.curves}:
        channelbag(owner, create=True)   # refuses what cannot be keyed before anything is written
    made = 0
    for name, curve in take.curves.items():
        channel = CHANNELS[name]
        new = bake.bake(curve, fps=fps, start_frame=start_frame, factor=channel.factor, tolerance=schedule.TOLERANCES[name])
        replace_range(head if channel.on_head else root, channel.data_path, channel.index, new, ease_frames=channel.ease_s * fps,
                      group=channel.group)
        made += len(new)
    return made


def plays_take(root: bpy.types.Object, head: bpy.types.Object, take: Take, *, start_frame: float, fps: float) -> bool:
    """Return whether the keys of a take are there, each where ``write_take`` would put it."""
    for name, curve in take.curves.items():
        channel = CHANNELS[name]
        fcurve = fcurve_for(head if channel.on_head else root, channel.data_path, channel.index)
        new = bake.bake(curve, fps=fps, start_frame=start_frame, factor=channel.factor, tolerance=schedule.TOLERANCES[name])
        old = read_keys(fcurve).points if fcurve is not None else np.zeros((0, 2))
        old = old[(old[:, 0] > start_frame - 0.01) & (old[:, 0] < new.frames[-1] + 0.01)]
        if old.shape != new.points.shape or not np.allclose(old, new.points, atol=2e-3):
            return False
    return True


def clear_take(root: bpy.types.Object, head: bpy.types.Object, start_frame: float, end_frame: float, *, fps: float,
               names: Sequence[str] = tuple(CHANNELS)) -> int:
    """Remove generated keys of a range from the named channels and return how many went; the rest plays as before."""
    inputs.check_fps(fps)
    return sum(clear_range(head if channel.on_head else root, channel.data_path, channel.index, start_frame, end_frame,
                           ease_frames=channel.ease_s * fps)
               for channel in (CHANNELS[name] for name in names))


def gaze_shifts(root: bpy.types.Object, start_frame: float, end_frame: float, *, fps: float) -> Saccades | None:
    """Return the saccades of the gaze keys in a range, in seconds after ``start_frame``; None where there are no keys.

    They are read from what the keys play, so gaze edited by hand evokes blinks and turns heads like any other.
    """
    inputs.check_fps(fps)
    inputs.check_range(start_frame, end_frame, "frame range")
    curves = [fcurve_for(root, CHANNELS[name].data_path, 0) for name in ("life_gaze_yaw", "life_gaze_pitch")]
    if all(curve is None for curve in curves):
        return None
    times = check.sample_times(0.0, (end_frame - start_frame) / fps)
    frames = start_frame + times * fps
    yaw, pitch = (np.zeros(len(frames)) if curve is None else read_keys(curve).evaluate(frames) for curve in curves)
    return check.find_saccades(times, yaw, pitch)[0]


def write_curve(id_block: bpy.types.ID, data_path: str, index: int, frames: np.ndarray, values: np.ndarray, *,
                slopes: np.ndarray | None = None, interpolation: str = "BEZIER", group: str = GROUP,
                ease_frames: float = SEAM_EASE_FRAMES) -> bpy.types.FCurve:
    """Replace what a channel plays from the first to the last of ``frames`` (N,), which may lie between frames.

    ``slopes`` (N,) per frame make exact cubics; without them ``BEZIER`` keys take the slope of their neighbours. ``LINEAR``
    draws straight lines. Keys outside the range stay.
    """
    frames, values = np.asarray(frames, float), np.asarray(values, float)
    if len(frames) < 2 or frames.shape != values.shape or not (np.diff(frames) > 0).all():
        raise ValueError("write_curve needs two frames or more, increasing, and as many values")
    if interpolation not in ("BEZIER", "LINEAR"):
        raise ValueError(f"interpolation is {interpolation!r}, expected 'BEZIER' or 'LINEAR'")
    new = keys.from_slopes(frames, values, catmull_rom_slopes(frames, values) if slopes is None else np.asarray(slopes, float))
    if interpolation == "LINEAR":
        new = keys.straightened(new)
    return replace_range(id_block, data_path, index, new, ease_frames=ease_frames, group=group)


def replace_range(id_block: bpy.types.ID, data_path: str, index: int, new: Keys, *, ease_frames: float,
                  group: str = GROUP, key_type: str = GENERATED_TYPE) -> bpy.types.FCurve:
    """Replace what a channel plays between the first and the last of new keys, joining it to the keys outside."""
    start_frame, end_frame = new.frames[[0, -1]]
    fcurve = fcurve_for(id_block, data_path, index, create=True, group=group)
    before, after = keys.cut(read_keys(fcurve), start_frame, end_frame)
    _write_keys(fcurve, keys.joined(before, new, after, ease_frames=ease_frames), key_type)
    return fcurve


def clear_range(id_block: bpy.types.ID, data_path: str, index: int, start_frame: float, end_frame: float, *,
                ease_frames: float = SEAM_EASE_FRAMES) -> int:
    """Bring a channel to rest at 0 in a range and return how many keys went; an F-curve without keys is removed.

    Where the channel was away from 0 at an end of the range, a seam just inside it leads there.
    """
    inputs.check_range(start_frame, end_frame, "frame range")
    fcurve = fcurve_for(id_block, data_path, index)
    if fcurve is None:
        return 0
    old = read_keys(fcurve)
    inside = (old.frames >= start_frame - keys.EPSILON_FRAMES) & (old.frames <= end_frame + keys.EPSILON_FRAMES)
    if not inside.any() and np.abs(old.evaluate(np.linspace(start_frame, end_frame, 5))).max() <= keys.REST:
        return 0   # it rests there already
    rest = keys.cleared(old, start_frame, end_frame, ease_frames=ease_frames)
    if len(rest) or len(fcurve.modifiers):
        _write_keys(fcurve, rest)
    else:
        channelbag(id_block).fcurves.remove(fcurve)   # Blender removes a group with its last curve
    return int((inside & ~old.seam).sum())


def channels_of(id_block: bpy.types.ID) -> list[tuple[str, int]]:
    """Return (data path, index) of the generated channels that have keys."""
    bag = channelbag(id_block)
    return [] if bag is None else [(c.data_path, c.array_index) for c in bag.fcurves
                                   if c.group is not None and c.group.name.startswith(GROUP)]


def fcurve_for(id_block: bpy.types.ID, data_path: str, index: int = 0, *, create: bool = False,
               group: str = GROUP) -> bpy.types.FCurve | None:
    """Return the F-curve of a channel in the data-block's own action slot; made, and put in the group, when ``create``."""
    bag = channelbag(id_block, create=create)
    if bag is None:
        return None
    fcurve = bag.fcurves.find(data_path, index=index)
    if fcurve is None and create:
        fcurve = bag.fcurves.new(data_path, index=index)
        fcurve.group = bag.groups.get(group) or bag.groups.new(group)
    return fcurve


def channelbag(id_block: bpy.types.ID, *, create: bool = False) -> bpy.types.ActionChannelbag | None:
    """Return the F-curves of the slot that a data-block plays; None where it has none, unless ``create``."""
    animation = id_block.animation_data
    if create:
        if not id_block.is_editable:
            raise GazeSplatError("not-editable", f"{id_block.name} comes from another file and cannot be keyed.",
                                 "Make it local, or make a library override.")
        animation = animation or id_block.animation_data_create()
        _ensure_slot(id_block, animation)
    if animation is None or animation.action is None or animation.action_slot is None:
        return None
    return _channelbag_of(animation.action, animation.action_slot, create)


def read_keys(fcurve: bpy.types.FCurve) -> Keys:
    """Return the keys of an F-curve as arrays."""
    points = fcurve.keyframe_points
    key, left, right = (_get(points, name, float, 2).reshape(-1, 2) for name in ("co", "handle_left", "handle_right"))
    return Keys(key, left, right, np.minimum(_get(points, "interpolation", int), keys.BEZIER),
                _get(points, "type", int) == _value("type", SEAM_TYPE), np.arange(len(points)))


def _write_keys(fcurve: bpy.types.FCurve, new: Keys, key_type: str = GENERATED_TYPE) -> None:
    """Write keys, carrying over everything else that the keys which stay hold."""
    points = fcurve.keyframe_points
    stays = new.origin >= 0
    old = read_keys(fcurve)
    carried = {name: _get(points, name, kind) for name, kind in _CARRIED.items()}
    free, aligned = _value("handle_left_type", "FREE"), _value("handle_left_type", "ALIGNED")
    # A handle that was moved must keep its place: free it, or align it where both lie on one line.
    moved = ~stays
    moved[stays] = (np.abs(new.left[stays] - old.left[new.origin[stays]]).max(1) > 1e-4) | (
        np.abs(new.right[stays] - old.right[new.origin[stays]]).max(1) > 1e-4)
    handle = np.where(_is_straight(new), aligned, free)
    fresh = {"type": np.where(new.seam, _value("type", SEAM_TYPE), _value("type", key_type)), "interpolation": new.interpolation}
    points.clear()
    points.add(len(new))
    for name, old_values in carried.items():
        values = np.asarray(fresh.get(name, np.zeros(len(new))), old_values.dtype)
        if stays.any():
            values[stays] = old_values[new.origin[stays]]
        if name in _HANDLE_TYPES:
            values = np.where(moved, handle, values).astype(old_values.dtype)
        points.foreach_set(name, values)
    for name, pairs in (("co", new.points), ("handle_left", new.left), ("handle_right", new.right)):
        points.foreach_set(name, pairs.astype(np.float32).ravel())
    fcurve.update()


def _is_straight(new: Keys) -> np.ndarray:
    """Return which keys (N,) have both handles on one line, in the F-curve's own plane."""
    a, b = new.points - new.left, new.right - new.points
    cross = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    return cross <= 1e-4 * np.hypot(*a.T) * np.hypot(*b.T)


def _get(points: bpy.types.FCurveKeyframePoints, name: str, kind: type, width: int = 1) -> np.ndarray:
    values = np.empty(len(points) * width, {int: np.int32, float: np.float32, bool: bool}[kind])
    points.foreach_get(name, values)
    return values.astype(float) if width > 1 else values


def _value(name: str, identifier: str) -> int:
    """Return the number behind an enum item of a keyframe, which is what foreach_get and foreach_set speak."""
    return bpy.types.Keyframe.bl_rna.properties[name].enum_items[identifier].value


def _ensure_slot(id_block: bpy.types.ID, animation: bpy.types.AnimData) -> None:
    """Give a data-block an action and a slot of its own where it has none; an artist's action is used as it is."""
    if animation.action is None:
        animation.action = bpy.data.actions.new(f"{id_block.name}Action")
    if not animation.action.is_editable:
        raise GazeSplatError("not-editable", f"The action {animation.action.name} comes from another file and cannot be keyed.",
                             "Make the action local first.")
    if animation.action_slot is None:
        animation.action_slot = animation.action.slots.new(id_block.id_type, id_block.name)


def _channelbag_of(action: bpy.types.Action, slot: bpy.types.ActionSlot, create: bool) -> bpy.types.ActionChannelbag | None:
    """Return the channelbag of a slot. Blender 5.0 has a function that makes what is missing; 4.5 only one that looks."""
    if not create:
        return anim_utils.action_get_channelbag_for_slot(action, slot)
    if hasattr(anim_utils, "action_ensure_channelbag_for_slot"):
        return anim_utils.action_ensure_channelbag_for_slot(action, slot)
    layer = action.layers[0] if len(action.layers) else action.layers.new("Layer")
    strip = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)
