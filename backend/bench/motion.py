# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten minutes of every preset through the self-check, beside the motion of the browser GazeSplat.

    bench motion [--json FILE] [--seed N] [--minutes N]

What is measured is what an F-curve would play: baked keys, rounded to its 32-bit numbers, sampled between frames.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...gazesplat_addon.gaze import bake, check, keys, presets, schedule

FRAME_RATES = (24.0, 30.0, 60.0, 120.0)
START_FRAME = 1.0
# The browser GazeSplat moves its eyes by slow sines whose fastest moment is 1.75 deg/s, and its code never calls its blink.
# Amplitude and the slower vertical sine are ours: only the peak speed was read from it.
ORIGINAL_PEAK_DEG_S, ORIGINAL_YAW_DEG, ORIGINAL_PITCH_SHARE = 1.75, 2.5, 0.5

# Title, key in a row, how it is written.
COLUMNS = (
    ("saccades /min", "saccades_per_minute", "{:.0f}"), ("in band 24", "in_band_24", "{:.1%}"), ("30", "in_band_30", "{:.1%}"),
    ("60", "in_band_60", "{:.1%}"), ("120 fps", "in_band_120", "{:.1%}"), ("fastest deg/s", "fastest_deg_s", "{:.2f}"),
    ("< 5 deg", "below_5_deg", "{:.0%}"), ("< 15", "below_15_deg", "{:.0%}"), ("micro /s", "microsaccades_per_s", "{:.2f}"),
    ("longest rest s", "longest_rest_s", "{:.1f}"), ("on target", "on_target", "{:.1%}"), ("blinks /min", "blinks_per_minute", "{:.1f}"),
    ("95 % range", "blink_range", "{0[0]:.1f}-{0[1]:.1f}"), ("CV", "blink_interval_cv", "{:.2f}"), ("full", "full_blinks", "{:.0%}"),
    ("down ms", "blink_down_ms", "{:.0f}"), ("up ms", "blink_up_ms", "{:.0f}"), ("keys", "keys", "{:d}"),
    ("made in s", "seconds_to_make", "{:.2f}"),
)


def main(argv: list[str]) -> int:
    """Run the benchmark; returns 0 when every preset holds its bars, else 1."""
    parser = argparse.ArgumentParser(prog="bench motion", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args(argv)
    seconds = 60 * arguments.minutes
    made = presets.all_presets()
    rows = {name: run_preset(preset, seconds, arguments.seed) for name, preset in made.items()}
    rows["browser GazeSplat"] = run_original(seconds)
    sys.stdout.write(table(rows) + "\n")
    failed = {name: broken for name in made if (broken := broken_bars(rows[name]))}
    for name, broken in failed.items():
        sys.stdout.write(f"{name} misses: {', '.join(broken)}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), "utf-8")
    return 1 if failed else 0


def run_preset(preset: presets.MotionPreset, seconds: float, seed: int) -> dict:
    """Make, bake and measure one preset; returns plain data by column."""
    started = time.perf_counter()
    take = schedule.make_take(0.0, seconds, preset=preset, seed=seed, frame_s=1 / FRAME_RATES[0])
    baked = {channel: bake.bake(curve, fps=FRAME_RATES[0], start_frame=START_FRAME, tolerance=schedule.TOLERANCES[channel])
             for channel, curve in take.curves.items()}
    made_in = time.perf_counter() - started
    times = check.sample_times(0.0, seconds)
    row: dict = {}
    for fps in FRAME_RATES:
        yaw, pitch, closed = (_played(take, channel, fps, times) for channel in ("life_gaze_yaw", "life_gaze_pitch", "life_blink_left"))
        measured = check.report(times, yaw, pitch, closed, take.fixations)
        if fps == FRAME_RATES[0]:
            row = _row(measured)
        row[f"in_band_{fps:.0f}"] = measured.in_band
    row |= {"blink_range": check.blink_rate_range(preset.blinks_per_minute, seconds),
            "keys": sum(map(len, baked.values())), "seconds_to_make": made_in}
    return row


def run_original(seconds: float) -> dict:
    """Measure the browser GazeSplat's motion."""
    times = check.sample_times(0.0, seconds)
    beat = ORIGINAL_PEAK_DEG_S / ORIGINAL_YAW_DEG / np.hypot(1.0, ORIGINAL_PITCH_SHARE**2)
    yaw = ORIGINAL_YAW_DEG * np.sin(beat * times)
    pitch = ORIGINAL_PITCH_SHARE * ORIGINAL_YAW_DEG * np.sin(ORIGINAL_PITCH_SHARE * beat * times)
    return _row(check.report(times, yaw, pitch, np.zeros(len(times))))


def broken_bars(row: dict) -> list[str]:
    """Return the bars that a preset misses."""
    low, high = row["blink_range"]
    held = {f"95 % of saccades in the band at {fps:.0f} fps": row[f"in_band_{fps:.0f}"] >= 0.95 for fps in FRAME_RATES}
    held |= {"blink rate in its range": low <= row["blinks_per_minute"] <= high, "95 % of rests end on target": row["on_target"] >= 0.95,
             "made in 2 s": row["seconds_to_make"] < 2.0}
    return [name for name, holds in held.items() if not holds]


def table(rows: dict[str, dict]) -> str:
    """Return the rows as text, one column a preset: so many measures side by side would not fit a terminal."""
    cells = [["", *rows]]
    for title, key, form in COLUMNS:
        values = (row.get(key) for row in rows.values())
        cells.append([title, *("-" if value is None else form.format(value) for value in values)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(rows) + 1)]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
                     for line in cells)


def _played(take: schedule.Take, channel: str, fps: float, times: np.ndarray) -> np.ndarray:
    """Return what Blender would play (T,): keys thinned and rounded as an F-curve holds them."""
    made = bake.bake(take.curves[channel], fps=fps, start_frame=START_FRAME, tolerance=schedule.TOLERANCES[channel])
    held: keys.Keys = replace(made, **{name: getattr(made, name).astype(np.float32).astype(float) for name in ("points", "left", "right")})
    return held.evaluate(START_FRAME + times * fps)


def _row(measured: check.MotionReport) -> dict:
    """Return a report as columns, None where there was nothing to measure."""
    row = {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in measured.as_dict().items()}
    row["saccades_per_minute"] = measured.saccades * 60 / measured.seconds
    for name in ("blink_down", "blink_up"):
        value = row.pop(f"{name}_s")
        row[f"{name}_ms"] = None if value is None else 1e3 * value
    row["in_band_24"] = row["in_band"]
    return row
