# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a generated layer onto the artist's own channels: what is played stays, what generators write is empty again.

An own channel and a generated one are not always simply added (lids take the larger, the head turns one after the other), so
the sum is sampled at the keys of both and between them, and thinned where it is smooth.
"""
from __future__ import annotations

from math import radians

import bpy
import numpy as np
from mathutils import Euler

from ..gaze.curve import Curve, catmull_rom_slopes
from ..gaze.keys import from_slopes
from . import actions, layers
from .actions import CHANNELS
from .eye_rig import DIP_SHARE

_BETWEEN = 4            # samples from one key to the next
_TOLERANCE = {"pupil": 0.001, "blink_left": 0.002, "blink_right": 0.002}
_ANGLE_DEG = 0.01
# The artist's channels that take a layer up: whether on the head, data path, index.
_LIDS = [(False, f'["blink_{side}"]', 0) for side in ("left", "right")]
_OWN = {"gaze": [(False, f'["gaze_{axis}"]', 0) for axis in ("yaw", "pitch")],
        "blinks": [*_LIDS, (False, '["gaze_pitch"]', 0)], "lids": _LIDS, "pupils": [(False, '["pupil"]', 0)],
        "head": [(True, path, axis) for path in ("rotation_euler", "location") for axis in range(3)]}


def bake_layer(root: bpy.types.Object, head: bpy.types.Object, layer: str, *, fps: float) -> int:
    """Bake one layer and return how many keys the artist's channels have of it; 0 where it is empty.

    The sideways part of the dip under a blink, a degree at most, has no channel of the artist's and goes.
    """
    present = layers.fcurves(root, head, layer)
    if not present:
        return 0
    # keys of the artist's that the result replaces have a say in where it is sampled
    keyed = [actions.read_keys(fcurve).frames for fcurve in present.values()]
    first, last = min(frames[0] for frames in keyed), max(frames[-1] for frames in keyed)
    own = [actions.fcurve_for(head if on_head else root, path, index) for on_head, path, index in _OWN[layer]]
    theirs = [actions.read_keys(fcurve).frames for fcurve in own if fcurve is not None]
    keyed += [frames[(frames > first) & (frames < last)] for frames in theirs]
    frames = _frames(keyed)
    made = {name: _play(root, head, name, frames) for name in layers.channels(layer)}
    life = _own(root, '["life"]', frames)
    plans = {"gaze": _gaze, "blinks": _blinks, "lids": _lids, "pupils": _pupils, "head": _head}
    shown = {name: values if CHANNELS[name].on_head else life * values for name, values in made.items()}
    targets = plans[layer](root, head, frames, shown)
    for name in layers.channels(layer):
        channel = CHANNELS[name]
        actions.clear_range(head if channel.on_head else root, channel.data_path, channel.index, frames[0] - 1, frames[-1] + 1)
        layers.rest(root, head, name)
    layers.remember(root, head, layer, None, {})
    return sum(_write(head if on_head else root, path, index, frames, values, fps)
               for (on_head, path, index), values in zip(_OWN[layer], targets, strict=True))


def _gaze(root, head, frames, made):
    return [_own(root, f'["gaze_{axis}"]', frames) + made[f"life_gaze_{axis}"] for axis in ("yaw", "pitch")]


def _blinks(root, head, frames, made):
    # under heavy lids a blink closes what they have left open
    hang = _own(root, '["life"]', frames) * _play(root, head, "life_lids", frames)
    lids = []
    for side in ("left", "right"):
        blink = made[f"life_blink_{side}"]
        lids.append(np.maximum(_own(root, f'["blink_{side}"]', frames), np.where(blink > 0, hang + (1 - hang) * blink, 0.0)))
    return [*lids, _own(root, '["gaze_pitch"]', frames) - DIP_SHARE * made["life_gaze_dip"]]


def _lids(root, head, frames, made):
    return [np.maximum(_own(root, f'["blink_{side}"]', frames), made["life_lids"]) for side in ("left", "right")]


def _pupils(root, head, frames, made):
    return [_own(root, '["pupil"]', frames) * (1 + made["life_pupil"])]


def _head(root, head, frames, made):
    if head.rotation_mode in ("QUATERNION", "AXIS_ANGLE"):
        head.rotation_mode = "YXZ"
    delta = np.stack([made["head_pitch"], made["head_roll"], made["head_yaw"]], 1)
    own = np.stack([_own(head, "rotation_euler", frames, axis) for axis in range(3)], 1)
    turned, near = [], None
    for first, second in zip(delta, own, strict=True):   # over frames, not splats: Blender applies the delta before the rotation
        matrix = Euler(first, head.rotation_mode).to_matrix() @ Euler(second, head.rotation_mode).to_matrix()
        near = matrix.to_euler(head.rotation_mode, near) if near is not None else matrix.to_euler(head.rotation_mode)
        turned.append(tuple(near))
    turned = np.array(turned)
    return [*turned.T, *(_own(head, "location", frames, axis) + made[f"head_{letter}"] for axis, letter in enumerate("xyz"))]


def _frames(key_frames: list[np.ndarray]) -> np.ndarray:
    """Return the frames at which the sum is sampled: every key, and between two keys evenly."""
    keys = np.unique(np.concatenate(key_frames))
    keys = keys[np.append(True, np.diff(keys) > 4e-3)]
    between = keys[:-1, None] + np.diff(keys)[:, None] * np.arange(1, _BETWEEN) / _BETWEEN
    # not closer than a twentieth of a frame: a blink or a dart has its own keys there
    keep = np.repeat(np.diff(keys) > 0.05 * _BETWEEN, _BETWEEN - 1)
    return np.unique(np.concatenate([keys, between.ravel()[keep]]))


def _play(root, head, name: str, frames: np.ndarray) -> np.ndarray:
    """Return what a generated channel plays, muted or not, in the property's unit."""
    channel = CHANNELS[name]
    fcurve = actions.fcurve_for(head if channel.on_head else root, channel.data_path, channel.index)
    return np.zeros(len(frames)) if fcurve is None or fcurve.mute else actions.read_keys(fcurve).evaluate(frames)


def _own(owner: bpy.types.Object, path: str, frames: np.ndarray, index: int = 0) -> np.ndarray:
    """Return what an artist's channel plays, or its value where it has no keys."""
    fcurve = actions.fcurve_for(owner, path, index)
    if fcurve is not None:
        return np.array([fcurve.evaluate(frame) for frame in frames])
    return np.full(len(frames), owner[path[2:-2]] if path.startswith("[") else getattr(owner, path)[index])


def _write(owner: bpy.types.Object, path: str, index: int, frames: np.ndarray, values: np.ndarray, fps: float) -> int:
    """Replace a channel's keys over the frames by thinned ones and return how many they are."""
    tolerance = radians(_ANGLE_DEG) if path == "rotation_euler" else 2e-5 if path == "location" else _TOLERANCE.get(path[2:-2], _ANGLE_DEG)
    pinned = np.zeros(len(frames), bool)
    pinned[[0, -1]] = True
    curve = Curve(frames / fps, values, catmull_rom_slopes(frames / fps, values), pinned).thinned(tolerance)
    new = from_slopes(curve.times_s * fps, curve.values, curve.slopes / fps)
    actions.replace_range(owner, path, index, new, ease_frames=0.5, group="Object Transforms" if not path.startswith("[") else "Controls",
                          key_type="KEYFRAME")
    return len(new)
