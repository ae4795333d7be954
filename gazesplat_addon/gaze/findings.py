# SPDX-License-Identifier: GPL-3.0-or-later
"""What a motion report means, as sentences an artist can read: each with the norm it is held against."""
from __future__ import annotations

import math
from dataclasses import dataclass

from .check import MotionReport, blink_rate_range

IN_BAND_AT_LEAST = 0.95
LONGEST_REST_S = 8.0             # nobody stares above 4-8 s without a shift
VOR_RESIDUAL_DEG = 0.3           # a gaze that slips further is seen to slide
ON_TARGET_SHARE = 0.95
BLINK_CV = (0.4, 1.1)            # in life 0.6-0.8; a metronome is 0. Wide, for a clip has few intervals
BLINK_DOWN_S, BLINK_UP_S = (0.05, 0.20), (0.12, 0.45)   # coil data, up to twice as slow for tired eyes
FEW = 5                          # below this many of anything a rate says nothing


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it holds (None: too little to tell), what it is called, and a sentence."""

    holds: bool | None
    title: str
    sentence: str

    def __str__(self) -> str:
        return f"{ {True: 'ok  ', False: 'FAIL', None: '-   '}[self.holds] } {self.title}: {self.sentence}"


def of_eyes(report: MotionReport, *, wanted_blinks_per_minute: float | None) -> list[Finding]:
    """Return what saccades, rests and blinks of a stretch say; the blink rate is judged where one was asked for."""
    moves = report.saccades + round(report.microsaccades_per_s * report.seconds)
    found = [Finding(None if not moves else report.in_band >= IN_BAND_AT_LEAST, "Saccade speed",
                     f"{_percent(report.in_band)} of {moves} eye movements peak within the published main sequence, the fastest at "
                     f"{report.fastest_deg_s:.0f} deg/s; people's stay within it."),
             Finding(report.longest_rest_s <= LONGEST_REST_S or report.microsaccades_per_s > 0.5, "Rests",
                     f"the longest look without a shift lasts {report.longest_rest_s:.1f} s, with {report.microsaccades_per_s:.1f} "
                     f"microsaccades a second; nobody holds still above {LONGEST_REST_S:.0f} s.")]
    if not math.isnan(report.on_target):
        found.append(Finding(report.on_target >= ON_TARGET_SHARE, "Landing",
                             f"{_percent(report.on_target)} of rests end within 0.5 deg of where they were meant."))
    return found + _blinks(report, wanted_blinks_per_minute)


def of_target(held_deg: float, worst_deg: float, contact: float, at_limit: float) -> list[Finding]:
    """Return what following the target says: RMS and worst slip in degrees, share of time in contact, share at the eyes' limits."""
    if math.isnan(held_deg):
        return [Finding(None, "Fixed gaze", "the eyes are at their limits all the time, so nothing can be said.")]
    limits = f" For {_percent(at_limit)} of the time the eyes are at their limits and cannot follow." if at_limit > 0 else ""
    return [Finding(worst_deg <= VOR_RESIDUAL_DEG, "Fixed gaze",
                    f"while the head moves, the gaze slips by {held_deg:.2f} deg RMS, {worst_deg:.2f} at worst; "
                    f"up to {VOR_RESIDUAL_DEG} is not seen.{limits}"),
            Finding(None, "Eye contact", f"the gaze is within 2.75 deg of its target {_percent(contact)} of the time; "
                                         "people who listen hold it for 75 %, who talk for 41 %.")]


def of_layers(repeats: dict[str, bool | None]) -> list[Finding]:
    """Return whether each layer's seed gives its keys again."""
    known = {name: same for name, same in repeats.items() if same is not None}
    if not known:
        return [Finding(None, "Same seed, same keys", "no generated layer, or every one was edited by hand.")]
    other = [name for name, same in known.items() if not same]
    return [Finding(not other, "Same seed, same keys", f"{', '.join(known)} come out the same." if not other else
                    f"{', '.join(other)} would come out differently now: the target, the gaze or the frame rate has changed since. "
                    "Remake the layer.")]


def _blinks(report: MotionReport, wanted: float | None) -> list[Finding]:
    count = round(report.blinks_per_minute * report.seconds / 60)
    rate = f"{count} blinks in {report.seconds:.0f} s, {report.blinks_per_minute:.1f} a minute"
    if wanted is None:
        found = [Finding(None if report.seconds < 20 else report.blinks_per_minute > 0, "Blink rate",
                         f"{rate}; people blink 17 times at rest, 26 talking, 4.5 reading.")]
    else:
        low, high = blink_rate_range(wanted, report.seconds)
        found = [Finding(low <= report.blinks_per_minute <= high, "Blink rate",
                         f"{rate}; {low:.0f} to {high:.0f} were to be expected of {wanted:g}.")]
    if count >= FEW:
        found += [
            Finding(BLINK_DOWN_S[0] <= report.blink_down_s <= BLINK_DOWN_S[1] and BLINK_UP_S[0] <= report.blink_up_s <= BLINK_UP_S[1]
                    and report.blink_up_s > report.blink_down_s, "Blink phases",
                    f"lids close in {1e3 * report.blink_down_s:.0f} ms and open in {1e3 * report.blink_up_s:.0f}; "
                    "people's close in 66-90 and open in 150-240."),
            Finding(BLINK_CV[0] <= report.blink_interval_cv <= BLINK_CV[1], "Blink rhythm",
                    f"intervals vary by {_percent(report.blink_interval_cv)}; people's by 60-80 %, a metronome's by none.")]
    return found


def _percent(share: float) -> str:
    return "none" if math.isnan(share) else f"{100 * share:.0f} %"
