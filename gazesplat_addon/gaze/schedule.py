# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: what the generators make of a range of time, by one seed.

Each generator can be called alone and draws from its own stream of the seed, so a blink stays where it is when the
saccades are seeded anew. Blinks and heads answer to gaze shifts when they are given them: pass the saccades of a take,
or those found in keys that are already there (``check.find_saccades``).

Channels: ``life_gaze_yaw``, ``life_gaze_pitch`` (deg), ``life_gaze_dip`` (deg, down and nasal, under a blink),
``life_blink_left``, ``life_blink_right`` (closed share), ``life_lids`` (closed share of heavy lids), ``life_pupil`` (relative
change of diameter), and of the head ``head_yaw``, ``head_pitch``, ``head_roll`` (deg) and ``head_x``, ``head_y``, ``head_z``
(m, portrait axes).
Every channel rests at 0 at both ends of the range, so ranges join.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from . import blink, droop, fixation, head, inputs, pupil, track
from .blink import Blinks
from .curve import Curve
from .fixation import Fixations
from .presets import MotionPreset, of_state
from .saccade import Saccades
from .states import GazeState, state_named

# Largest change that thinning may make, in each channel's unit: far below what can be seen (1 deg moves the iris 0.19 mm).
TOLERANCES = {"life_gaze_yaw": 0.01, "life_gaze_pitch": 0.01, "life_gaze_dip": 0.01, "life_blink_left": 0.0, "life_blink_right": 0.0,
              "life_lids": 0.002, "life_pupil": 0.001, "head_yaw": 0.01, "head_pitch": 0.01, "head_roll": 0.01,
              "head_x": 2e-5, "head_y": 2e-5, "head_z": 2e-5}


@dataclass(frozen=True)
class Take:
    """Curves by channel over a range in seconds, and the events that they were made from (None where not made)."""

    start_s: float
    end_s: float
    curves: dict[str, Curve] = field(default_factory=dict)
    fixations: Fixations | None = None
    saccades: Saccades | None = None
    blinks: Blinks | None = None

    def with_(self, other: Take) -> Take:
        """Return both takes as one; a channel that both have is added up."""
        curves = dict(self.curves)
        for name, curve in other.curves.items():
            curves[name] = curves[name].plus(curve) if name in curves else curve
        return Take(min(self.start_s, other.start_s), max(self.end_s, other.end_s), curves, self.fixations or other.fixations,
                    self.saccades or other.saccades, self.blinks or other.blinks)


def saccade_curves(start_s: float, end_s: float, *, seed: int, state: str | GazeState = "talking", small_life: bool = True,
                   close_up: bool = True, listener_distance_m: float = 1.0) -> Take:
    """Return gaze in a state: fixations, saccades and corrections, and with ``small_life`` microsaccades and drift.

    ``close_up`` lets the gaze travel between the eyes and the mouth of whoever is looked at, ``listener_distance_m`` away.
    """
    inputs.check_range(start_s, end_s)
    inputs.check_amount("listener_distance_m", listener_distance_m, 0.1, 100.0)
    rng = _stream(seed, "saccades")
    fixations = fixation.schedule(start_s, end_s, state=state_named(state), rng=rng, close_up=close_up,
                                  listener_distance_m=listener_distance_m)
    yaw, pitch, saccades = track.gaze_track(fixations, rng=rng, small_life=small_life)
    return Take(start_s, end_s, {"life_gaze_yaw": yaw, "life_gaze_pitch": pitch}, fixations, saccades)


def blink_curves(start_s: float, end_s: float, *, seed: int, state: str | GazeState = "talking", per_minute: float | None = None,
                 saccades: Saccades | None = None, at_s: tuple[float, ...] = (), frame_s: float | None = None,
                 slowness: float = 1.0) -> Take:
    """Return the lids and the eye's dip under them.

    ``per_minute`` overrides the state's rate (0 for none); ``saccades`` evoke blinks; ``at_s`` asks for blinks at onsets;
    ``frame_s`` puts each closed moment on a whole frame (seconds per frame); ``slowness`` stretches every phase.
    """
    inputs.check_range(start_s, end_s)
    rate = state_named(state).blinks_per_minute if per_minute is None else per_minute
    inputs.check_rate(rate)
    inputs.check_amount("slowness", slowness, 0.5, 3.0)
    blinks = blink.plan(start_s, end_s, per_minute=rate, rng=_stream(seed, "blinks"), saccades=saccades, at_s=at_s, frame_s=frame_s,
                        slowness=slowness)
    lids, dip = blink.curves(blinks, start_s, end_s)
    return Take(start_s, end_s, {"life_blink_left": lids, "life_blink_right": lids, "life_gaze_dip": dip}, blinks=blinks)


def head_drift_curves(start_s: float, end_s: float, *, seed: int, turn_deg: float = head.IDLE_DEG, sway_m: float = head.IDLE_M,
                      saccades: Saccades | None = None, head_propensity: float = 0.5) -> Take:
    """Return the head's idle motion and, when ``saccades`` are given, its share of large gaze shifts.

    The eyes must then give back what the head turns: gaze channels are those of eyes and head together.
    """
    inputs.check_range(start_s, end_s)
    inputs.check_amount("turn_deg", turn_deg, 0.0, 10.0)
    inputs.check_amount("sway_m", sway_m, 0.0, 0.05)
    inputs.check_amount("head_propensity", head_propensity, 0.0, 1.0)
    take = Take(start_s, end_s, head.idle(start_s, end_s, rng=_stream(seed, "head"), turn_deg=turn_deg, sway_m=sway_m))
    if saccades is None:
        return take
    return take.with_(Take(start_s, end_s, head.follow(saccades, start_s, end_s, propensity=head_propensity)))


def pupil_curves(start_s: float, end_s: float, *, seed: int, share: float = pupil.HIPPUS_SHARE) -> Take:
    """Return the pupil's slow breathing; ``share`` is its usual peak, relative to the diameter."""
    inputs.check_range(start_s, end_s)
    inputs.check_amount("share", share, 0.0, 0.5)
    return Take(start_s, end_s, {"life_pupil": pupil.hippus(start_s, end_s, rng=_stream(seed, "pupil"), share=share)})


def lid_curves(start_s: float, end_s: float, *, seed: int, closed: float) -> Take:
    """Return heavy lids that hang at a closed share (0..0.8) between blinks."""
    inputs.check_range(start_s, end_s)
    inputs.check_amount("closed", closed, 0.0, 0.8)
    return Take(start_s, end_s, {"life_lids": droop.heavy_lids(start_s, end_s, rng=_stream(seed, "lids"), closed=closed)})


def make_take(start_s: float, end_s: float, *, preset: MotionPreset | str, seed: int, listener_distance_m: float = 1.0,
              frame_s: float | None = None) -> Take:
    """Return everything at once: gaze, blinks that large shifts evoke, lids, a head that follows the gaze, pupils.

    ``preset`` may be the name of a gaze state, for a person who does just that.
    """
    if isinstance(preset, str):
        preset = of_state(preset)
    gaze = saccade_curves(start_s, end_s, seed=seed, state=preset.gaze, small_life=preset.small_life, close_up=preset.close_up,
                          listener_distance_m=listener_distance_m)
    lids = blink_curves(start_s, end_s, seed=seed, per_minute=preset.blinks_per_minute, saccades=gaze.saccades, frame_s=frame_s,
                        slowness=preset.blink_slowness)
    turn = head_drift_curves(start_s, end_s, seed=seed, turn_deg=preset.head_turn_deg, sway_m=preset.head_sway_m,
                             saccades=gaze.saccades, head_propensity=preset.head_propensity)
    take = gaze.with_(lids).with_(turn).with_(pupil_curves(start_s, end_s, seed=seed, share=preset.pupil_share))
    return take.with_(lid_curves(start_s, end_s, seed=seed, closed=preset.lids_closed)) if preset.lids_closed > 0 else take


def _stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one stream of a seed."""
    inputs.check_seed(seed)
    return np.random.default_rng([int(seed), crc32(name.encode())])
