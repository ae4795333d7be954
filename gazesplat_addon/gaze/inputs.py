# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse the values an artist may type wrongly, before any motion is made of them."""
from __future__ import annotations

import math

from ...backend.contract.errors import GazeSplatError

MAX_BLINKS_PER_MINUTE = 90.0  # above it blinks of 0.3 s overlap and the lids would flutter


def check_range(start: float, end: float, what: str = "range") -> None:
    """Raise ``bad-range`` unless start and end (seconds or frames) are finite and end comes after start."""
    if not (math.isfinite(start) and math.isfinite(end)):
        raise GazeSplatError("bad-range", f"The {what} {start} to {end} is not made of numbers.", "Give a start and an end.")
    if end <= start:
        raise GazeSplatError("bad-range", f"The {what} ends at {end:g}, which is not after its start at {start:g}.",
                             "Give an end that is later than the start.")


def check_fps(fps: float) -> None:
    """Raise ``bad-fps`` unless the frame rate is a finite number above 0."""
    if not (math.isfinite(fps) and fps > 0):
        raise GazeSplatError("bad-fps", f"A frame rate of {fps} frames per second cannot be animated.",
                             "Set the scene's frame rate to a number above 0, for example 24.")


def check_rate(per_minute: float) -> None:
    """Raise ``bad-rate`` unless a blink rate per minute lies within 0 and MAX_BLINKS_PER_MINUTE."""
    if not (math.isfinite(per_minute) and 0 <= per_minute <= MAX_BLINKS_PER_MINUTE):
        raise GazeSplatError("bad-rate", f"A rate of {per_minute} blinks per minute is not possible.",
                             f"Use 0 to {MAX_BLINKS_PER_MINUTE:g}; people at rest blink about 17 times.")


def check_seed(seed: int) -> None:
    """Raise ``bad-seed`` unless the seed is a whole number of 0 or more."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or int(seed) < 0:
        raise GazeSplatError("bad-seed", f"The seed {seed!r} is not a whole number of 0 or more.", "Use for example seed=3.")


def check_amount(name: str, value: float, low: float, high: float) -> None:
    """Raise ``bad-amount`` unless a named setting is a finite number within low and high."""
    if not (math.isfinite(value) and low <= value <= high):
        raise GazeSplatError("bad-amount", f"{name} is {value}, outside {low:g} to {high:g}.",
                             f"Choose {name} within {low:g} and {high:g}.")
