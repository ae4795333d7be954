# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of generated motion: what made each, which of its keys an artist has edited since, and whether it is heard.

A layer is the set of channels that one generator writes. Its recipe (seed, range, settings) and the shape of every key
that was made are kept on the portrait's root, in the file: so a key that was moved, added or removed by hand is known for
what it is, and a layer that is made anew leaves it alone.
"""
from __future__ import annotations

import json

import bpy
import numpy as np

from ...backend.contract import plain_json
from . import actions
from .actions import CHANNELS

LAYERS_KEY = "gazesplat_layers"
NAMES = tuple(dict.fromkeys(channel.layer for channel in CHANNELS.values()))
_SAME_FRAME = 2e-3
_SAME_SHARE = 1e-3      # of the largest value on the channel


def channels(layer: str) -> dict[str, actions.Channel]:
    """Return the channels of a layer by name."""
    return {name: channel for name, channel in CHANNELS.items() if channel.layer == layer}


def fcurves(root: bpy.types.Object, head: bpy.types.Object, layer: str) -> dict[str, bpy.types.FCurve]:
    """Return the F-curves that a layer has, by channel."""
    found = {name: actions.fcurve_for(head if channel.on_head else root, channel.data_path, channel.index)
             for name, channel in channels(layer).items()}
    return {name: fcurve for name, fcurve in found.items() if fcurve is not None}


# ---------------------------------------------------------------- what made it

def recipe(root: bpy.types.Object, layer: str) -> dict | None:
    """Return how a layer was made last, as it was remembered, or None."""
    stored = _stored(root, layer)
    if stored is None or "recipe" not in stored:
        return None
    try:
        return plain_json.parse(stored["recipe"])
    except (ValueError, TypeError):    # somebody has edited it: nobody knows any more how it was made
        return None


def remember(root: bpy.types.Object, head: bpy.types.Object, layer: str, how: dict | None, edited: dict[str, np.ndarray]) -> None:
    """Keep how a layer was made, and which keys it has now; those at ``edited`` frames by channel stay the artist's."""
    if LAYERS_KEY not in root:
        root[LAYERS_KEY] = {}
    entry: dict = {} if how is None else {"recipe": json.dumps(how)}
    for name, fcurve in fcurves(root, head, layer).items():
        rows = _shape(fcurve)
        made = rows[~_near(rows[:, 0], edited.get(name, np.zeros(0)))]
        if len(made):
            entry[name] = made.ravel().tolist()
    root[LAYERS_KEY][layer] = entry


def edited_frames(root: bpy.types.Object, head: bpy.types.Object, layer: str) -> dict[str, np.ndarray]:
    """Return the frames (K,) by channel at which an artist has moved, added or removed a key since the layer was made."""
    stored = _stored(root, layer)
    if stored is None:
        return {}
    found = {}
    present = fcurves(root, head, layer)
    for name in channels(layer):
        made = np.array(stored.get(name, ()), float).reshape(-1, 4)
        now = _shape(present[name]) if name in present else np.zeros((0, 4))
        changed = np.concatenate([now[~_among(now, made), 0], made[~_among(made, now), 0]])
        if len(changed):
            found[name] = np.unique(changed)
    return found


def edited_windows(root: bpy.types.Object, head: bpy.types.Object, layer: str) -> list[tuple[float, float]]:
    """Return the stretches of frames, in order and apart, whose motion an artist has edited: from key to key around each edit."""
    edited = edited_frames(root, head, layer)
    present = fcurves(root, head, layer)
    windows = []
    for name, frames in edited.items():
        keys = actions.read_keys(present[name]).frames if name in present else np.zeros(0)
        for frame in frames:
            before, after = keys[keys < frame - _SAME_FRAME], keys[keys > frame + _SAME_FRAME]
            windows.append((before[-1] if len(before) else frame - 1.0, after[0] if len(after) else frame + 1.0))
    return _merged(windows)


def gaps(first: float, last: float, windows: list[tuple[float, float]], shortest: float) -> list[tuple[float, float]]:
    """Return the stretches of a range that lie outside windows and last at least ``shortest`` frames."""
    edges = [first]
    for low, high in windows:
        if high > first and low < last:
            edges += [max(low, first), min(high, last)]
    edges.append(last)
    return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if high - low >= shortest]


# ---------------------------------------------------------------- whether it is heard

def is_muted(root: bpy.types.Object, head: bpy.types.Object, layer: str) -> bool:
    """Return whether a layer has keys and none of them is played."""
    present = fcurves(root, head, layer).values()
    return bool(present) and all(fcurve.mute for fcurve in present)


def set_muted(root: bpy.types.Object, head: bpy.types.Object, layer: str, muted: bool) -> None:
    """Play a layer or not. A muted F-curve leaves its property where it was, so that is brought to rest."""
    for name, fcurve in fcurves(root, head, layer).items():
        fcurve.mute = muted
        if muted:
            rest(root, head, name)
    for owner in (root, head):
        owner.update_tag()


def rest(root: bpy.types.Object, head: bpy.types.Object, channel_name: str) -> None:
    """Bring one channel's property to 0, where it shows nothing."""
    channel = CHANNELS[channel_name]
    if channel.on_head:
        getattr(head, channel.data_path)[channel.index] = 0.0
    else:
        root[channel_name] = 0.0


# ---------------------------------------------------------------- inside

def _stored(root: bpy.types.Object, layer: str):
    everything = root.get(LAYERS_KEY)
    return everything.get(layer) if everything is not None else None


def _shape(fcurve: bpy.types.FCurve) -> np.ndarray:
    """Return frame, value and the slopes on both sides (N, 4) of an F-curve's keys.

    Handles count by their slope: joining a range to the next may shorten one without changing what is played.
    """
    keys = actions.read_keys(fcurve)
    before, after = keys.points - keys.left, keys.right - keys.points
    slopes = [step[:, 1] / np.maximum(np.abs(step[:, 0]), 1e-6) for step in (before, after)]
    return np.column_stack([keys.points, *slopes])


def _among(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which keys (N,) of ``rows`` (N, 4) are found in ``others`` (M, 4), but for single precision."""
    if len(rows) == 0 or len(others) == 0:
        return np.zeros(len(rows), bool)
    others = others[np.argsort(others[:, 0])]
    right = np.clip(np.searchsorted(others[:, 0], rows[:, 0]), 1, max(len(others) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(others) - 1)
    nearest = np.where(np.abs(others[left, 0] - rows[:, 0]) <= np.abs(others[right, 0] - rows[:, 0]), left, right)
    off = np.abs(rows - others[nearest])
    scale = np.maximum(np.abs(rows), np.abs(others[nearest])).max(axis=0)
    return (off[:, 0] <= _SAME_FRAME) & (off[:, 1] <= _SAME_SHARE * scale[1]) & (off[:, 2:] <= 10 * _SAME_SHARE * scale[2:] + 1e-9).all(1)


def _near(frames: np.ndarray, others: np.ndarray) -> np.ndarray:
    if len(others) == 0:
        return np.zeros(len(frames), bool)
    return np.abs(frames[:, None] - others).min(1) <= _SAME_FRAME


def _merged(windows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted(windows):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
