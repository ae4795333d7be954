# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person is doing, as numbers: how long they look where, how far, how often they blink.

Talking and listening are Eyes Alive (Lee, Badler & Badler 2002); blink rates are Bentivoglio (n=150), rest 17,
talking 26, reading 4.5 a minute. Where no norm was found the comment says "ours".
"""
from __future__ import annotations

from dataclasses import dataclass

from ...backend.contract.errors import GazeSplatError

# Eyes Alive: share (%) of gaze shifts towards 0, 45, ... 315 deg; 0 is the subject's left, 90 up.
DIRECTION_SHARES = (15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.79)
THOUGHTFUL_SHARES = (12.0, 22.0, 16.0, 22.0, 12.0, 4.0, 8.0, 4.0)  # ours: people who think look up and aside


@dataclass(frozen=True)
class GazeState:
    """One way of looking. Durations in seconds, angles in degrees; durations are drawn log-normal (always uneven)."""

    name: str
    pattern: str                     # "glances" (at the other / away), "lines" (reading) or "stare"
    blinks_per_minute: float
    at_mean_s: float = 0.0           # looking at the other
    at_spread_s: float = 0.0
    away_mean_s: float = 0.0         # looking away
    away_spread_s: float = 0.0
    cap_deg: float = 0.0             # largest glance
    direction_shares: tuple[float, ...] = DIRECTION_SHARES


STATES = {state.name: state for state in (
    GazeState("talking", "glances", 26.0, 3.13, 3.16, 0.93, 0.80, 27.5),    # Eyes Alive
    GazeState("listening", "glances", 17.0, 7.92, 1.57, 0.43, 0.24, 22.7),  # Eyes Alive; blinks at rest
    GazeState("thinking", "glances", 17.0, 1.10, 0.70, 2.60, 1.50, 27.5, THOUGHTFUL_SHARES),  # ours; blinks at rest
    GazeState("reading", "lines", 4.5),                                     # Rayner 1998, see fixation.py
    GazeState("staring", "stare", 8.0),                                     # ours: between reading and rest
)}


def state_named(name: str | GazeState) -> GazeState:
    """Return the state of that name, or raise ``unknown-state``; a state is returned as it is."""
    if isinstance(name, GazeState):
        return name
    if name not in STATES:
        raise GazeSplatError("unknown-state", f"There is no gaze state {name!r}.", f"Choose one of {', '.join(STATES)}.")
    return STATES[name]
