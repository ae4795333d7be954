# SPDX-License-Identifier: GPL-3.0-or-later
"""Performance capture against acted clips whose gaze and blinks are known, without calibration.

    bench capture --gt FOLDER [--json FILE]

FOLDER holds gazeclip/<name>/ with meta.json (frames with gaze, blink and time_s; events) and their pictures.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.gaze import capture
from ..contract.errors import GazeSplatError
from ..model.landmarks import FaceReader
from ..model.performance import PerformanceReader

YAW_BAR_DEG, PITCH_BAR_DEG, ONSET_BAR_FRAMES = 1.5, 2.0, 1
OPEN_BELOW = 0.5             # closed share above which nobody sees where an eye looks
EASED_FRAMES = 2             # at both ends, where a take starts and ends at rest


def main(argv: list[str]) -> int:
    """Run the benchmark; returns 0 when every clip holds the bars, else 1."""
    parser = argparse.ArgumentParser(prog="bench capture", description=__doc__.splitlines()[0])
    parser.add_argument("--gt", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    clips = sorted(path.parent for path in arguments.gt.glob("gazeclip/*/meta.json"))
    if not clips:
        raise GazeSplatError("no-clips", f"There are no clips in {arguments.gt}/gazeclip.", "Give a folder as --help says.")
    rows = {clip.name: run_clip(clip) for clip in clips}
    sys.stdout.write(table(rows) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), "utf-8")
    return 0 if all(row["holds"] for row in rows.values()) else 1


def run_clip(folder: Path) -> dict:
    """Read one clip, interpret it and return the figures."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    frames = meta["frames"]
    with FaceReader() as reader:
        performance = PerformanceReader(reader)
        read = [performance.read(cv2.imread(str(folder / frame["file"]))[..., ::-1]) for frame in frames]
    times = np.array([frame.get("time_s", i / meta["fps"]) for i, frame in enumerate(frames)])
    readings = performance.readings(times, read)
    acting = capture.interpret(readings)
    truth = np.array([frame["gaze"] for frame in frames])
    closed = np.array([frame["blink"] for frame in frames])
    return figures(acting, readings, truth, closed)


def figures(acting: capture.Acting, readings: capture.Readings, truth_deg: np.ndarray, closed: np.ndarray) -> dict:
    """Return errors of gaze (where the lids are open, and everywhere), of lids, and of blink onsets."""
    inside = np.arange(len(closed)) >= EASED_FRAMES
    inside &= inside[::-1]
    error = acting.gaze_deg - truth_deg
    seen = inside & (closed < OPEN_BELOW)
    raw = readings.eye_deg + readings.head_deg[:, :2] - np.median(readings.head_deg[:, :2], axis=0) - acting.contact_deg - truth_deg
    onsets = np.array([i for i in range(1, len(closed)) if closed[i] > 0 and closed[i - 1] <= 0], int)
    made = np.array([first for first, _ in acting.blinks], int)
    late = np.abs(made[:, None] - onsets[None]).astype(float)
    missed = int((late.min(0, initial=np.inf) > ONSET_BAR_FRAMES).sum())
    false = int((late.min(1, initial=np.inf) > ONSET_BAR_FRAMES).sum())
    row = {"frames": len(closed), "yaw_rms_deg": _rms(error[seen, 0]), "pitch_rms_deg": _rms(error[seen, 1]),
           "yaw_rms_all_deg": _rms(error[inside, 0]), "pitch_rms_all_deg": _rms(error[inside, 1]),
           "raw_yaw_rms_deg": _rms(raw[seen, 0]), "raw_pitch_rms_deg": _rms(raw[seen, 1]), "lids_rms": _rms(acting.closed.mean(1) - closed),
           "blinks": len(onsets), "missed": missed, "false": false, "saccades": len(acting.take.saccades)}
    holds = row["yaw_rms_deg"] <= YAW_BAR_DEG and row["pitch_rms_deg"] <= PITCH_BAR_DEG and missed == false == 0
    return row | {"holds": bool(holds)}


def table(rows: dict[str, dict]) -> str:
    """Return the figures as text, a line a clip."""
    columns = {"frames": "frames", "yaw RMS": "yaw_rms_deg", "pitch RMS": "pitch_rms_deg", "all yaw": "yaw_rms_all_deg",
               "all pitch": "pitch_rms_all_deg", "raw yaw": "raw_yaw_rms_deg", "raw pitch": "raw_pitch_rms_deg", "lids RMS": "lids_rms",
               "blinks": "blinks", "missed": "missed", "false": "false", "saccades": "saccades"}
    head = f"{'clip':12s}" + "".join(f"{title:>11s}" for title in columns)
    lines = [f"{name:12s}" + "".join(f"{row[key]:11.2f}" if isinstance(row[key], float) else f"{row[key]:11d}" for key in columns.values())
             + ("" if row["holds"] else "   misses a bar") for name, row in rows.items()]
    return "\n".join([head, *lines])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
