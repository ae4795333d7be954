# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: whole performances as plain JSON files, ours beside this one and an artist's own in a folder of theirs.

A file holds what differs from somebody who listens: any field of ``MotionPreset``, and any of ``GazeState`` under "gaze".
"""
from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from ...backend.contract import plain_json
from ...backend.contract.errors import GazeSplatError
from . import head, inputs, pupil
from .states import STATES, GazeState, state_named

SHIPPED = Path(__file__).resolve().parent / "presets"
FORMAT = 1
_log = logging.getLogger(__name__)
LARGEST_BYTES = 65536
_PATTERNS = ("glances", "lines", "stare")
# What each number of a preset may be; durations in seconds, angles in degrees.
_BOUNDS = {"blinks_per_minute": (0.0, inputs.MAX_BLINKS_PER_MINUTE), "blink_slowness": (0.5, 3.0), "lids_closed": (0.0, 0.8),
           "head_propensity": (0.0, 1.0), "head_turn_deg": (0.0, 10.0), "head_sway_m": (0.0, 0.05), "pupil_share": (0.0, 0.5)}
_GAZE_BOUNDS = {"at_mean_s": (0.2, 60.0), "at_spread_s": (0.0, 60.0), "away_mean_s": (0.2, 60.0), "away_spread_s": (0.0, 60.0),
                "cap_deg": (1.0, 35.0)}


@dataclass(frozen=True)
class MotionPreset:
    """One way of being there.

    name, label, description   the file's name, what a menu shows, what it tells
    gaze                where and for how long the eyes rest
    blinks_per_minute   0 for none; blink_slowness stretches every phase of a blink
    lids_closed         closed share at which heavy lids hang between blinks
    small_life          microsaccades and drift; close_up: from eye to eye to mouth of whoever is looked at
    head_propensity     0..1, head_turn_deg and head_sway_m: RMS of the idle head; pupil_share: usual peak of the hippus
    """

    name: str
    label: str
    description: str = ""
    gaze: GazeState = field(default_factory=lambda: STATES["listening"])
    blinks_per_minute: float = 17.0
    blink_slowness: float = 1.0
    lids_closed: float = 0.0
    small_life: bool = True
    close_up: bool = True
    head_propensity: float = 0.5
    head_turn_deg: float = head.IDLE_DEG
    head_sway_m: float = head.IDLE_M
    pupil_share: float = pupil.HIPPUS_SHARE


def of_state(name: str) -> MotionPreset:
    """Return the preset that a bare gaze state stands for."""
    state = state_named(name)
    return MotionPreset(name, name.capitalize(), gaze=state, blinks_per_minute=state.blinks_per_minute)


def all_presets(*folders: Path) -> dict[str, MotionPreset]:
    """Return the presets of our folder and the given ones by name; a later folder's file replaces one of the same name.

    Raises GazeSplatError ``bad-preset`` with the file's name for one that cannot be used.
    """
    found: dict[str, MotionPreset] = {}
    for folder in (SHIPPED, *folders):
        if folder.is_dir():
            found |= {path.stem: read(path) for path in sorted(folder.glob("*.json"))}
    return found


def usable(*folders: Path) -> dict[str, MotionPreset]:
    """Return what ``all_presets`` does, without the files that cannot be used: a menu must open all the same."""
    found: dict[str, MotionPreset] = {}
    for folder in (SHIPPED, *folders):
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            try:
                found[path.stem] = read(path)
            except GazeSplatError as error:
                _log.warning("%s", error)
    return found


def named(name: str, *folders: Path) -> MotionPreset:
    """Return the preset of that name (any case); GazeSplatError ``unknown-preset``.

    Only its own file is read, so a broken file of another preset is not in the way.
    """
    wanted = str(name).strip().lower().replace(" ", "_")
    paths = {path.stem.lower(): path for folder in (SHIPPED, *folders) if folder.is_dir() for path in sorted(folder.glob("*.json"))}
    if wanted not in paths:
        raise GazeSplatError("unknown-preset", f"There is no motion preset {name!r}.", f"Choose one of {', '.join(sorted(paths))}.")
    return read(paths[wanted])


def read(path: Path) -> MotionPreset:
    """Return the preset in a JSON file; GazeSplatError ``bad-preset`` says what is wrong with it."""
    try:
        data = plain_json.read(path, LARGEST_BYTES)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f'it does not say "format": {FORMAT}')
        return _preset(path.stem, data)
    except (OSError, ValueError, TypeError) as error:
        raise GazeSplatError("bad-preset", f"The motion preset {path.name} cannot be used: {error}.",
                             "Compare it with those that come with GazeSplat; docs/motion.md lists every field.") from error


def _preset(name: str, data: dict) -> MotionPreset:
    known = {f.name for f in fields(MotionPreset)} - {"name", "gaze"} | {"state", "gaze"}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"it has no use for {', '.join(unknown)}")
    state = data.pop("state", "listening")
    if state not in STATES:
        raise ValueError(f"there is no gaze state {state!r}, only {', '.join(STATES)}")
    gaze = _gaze(STATES[state], data.pop("gaze", {}))
    for text in ("label", "description"):
        if not isinstance(data.get(text, ""), str):
            raise ValueError(f"{text} is not a text")
    for switch in ("small_life", "close_up"):
        if not isinstance(data.get(switch, True), bool):
            raise ValueError(f"{switch} is neither true nor false")
    rate = data.pop("blinks_per_minute", gaze.blinks_per_minute)
    numbers = {"blinks_per_minute": rate, **{key: data.pop(key) for key in list(data) if key in _BOUNDS}}
    return MotionPreset(name, data.pop("label", name.replace("_", " ").capitalize()), gaze=gaze,
                        **{key: _number(key, value, _BOUNDS[key]) for key, value in numbers.items()}, **data)


def _gaze(state: GazeState, changes: dict) -> GazeState:
    if not isinstance(changes, dict):
        raise ValueError("gaze is not a group of fields")
    made: dict[str, object] = {}
    for key, value in changes.items():
        if key in _GAZE_BOUNDS:
            made[key] = _number(key, value, _GAZE_BOUNDS[key])
        elif key == "pattern" and value in _PATTERNS:
            made[key] = value
        elif key == "direction_shares" and isinstance(value, list) and len(value) == 8:
            made[key] = tuple(_number(key, share, (0.0, 100.0)) for share in value)
            if sum(made[key]) <= 0:
                raise ValueError("direction_shares are all 0")
        else:
            raise ValueError(f"gaze.{key} cannot be {value!r}")
    return replace(state, **made)


def _number(name: str, value: object, bounds: tuple[float, float]) -> float:
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, not a number within {low:g} and {high:g}")
    return float(value)
