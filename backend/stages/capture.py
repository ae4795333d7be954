# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "capture": the gaze, lids and head of whoever acts in a clip, read frame by frame.

What is read is noisy on purpose: ``gazesplat_addon/gaze/capture.py`` makes motion of it, in the add-on, where it can be
tried again with other settings in no time.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...gazesplat_addon.gaze.capture import Readings
from ..context import JobContext
from ..contract import result
from ..contract.errors import GazeSplatError
from ..model.landmarks import FaceReader
from ..model.performance import PerformanceReader
from ..video.source import ClipSource

SHORT_SIDE_PX = 720          # landmarks look at 256 pixels of a face; more than this only costs time
MOST_FRAMES = 6000           # four minutes at 24 fps
FEWEST_SEEN = 0.5            # of the frames


def run(context: JobContext) -> None:
    """Read ``context.input_path`` and write readings.npz and metrics.json."""
    context.emit_stage("Reading the performance", 1.0)
    rows, times = [], []
    with ClipSource(context.input_path, SHORT_SIDE_PX) as clip, FaceReader() as reader:
        expected = min(clip.claimed_frames or MOST_FRAMES, MOST_FRAMES)
        performance = PerformanceReader(reader)
        for picture in clip.read_through(lambda index: index < MOST_FRAMES):
            context.progress(min(picture.index / expected, 1.0), f"Frame {picture.index + 1}")
            times.append(picture.time_s)
            rows.append(performance.read(picture.pixels))
        fps, more = clip.fps, clip.claimed_frames > MOST_FRAMES
    if len(rows) < 10:
        raise GazeSplatError("clip-too-short", f"The clip has only {len(rows)} frames.", "Choose a clip of a second or more.")
    seen = float(np.mean([row is not None for row in rows]))
    if seen < FEWEST_SEEN:
        raise GazeSplatError("no-face", f"A face is found in only {seen:.0%} of the frames.",
                             "Film one face from the front, upright and in even light.")
    if performance.crowded > 0.2:
        context.warn("several-faces", "There are several faces in the clip; the one that was largest at first is followed.",
                     "Cut the clip so that it shows one person.")
    if more:
        context.warn("clip-long", f"Only the first {MOST_FRAMES} frames are read.", "Cut the clip into pieces.")
    readings = performance.readings(np.array(times), rows)
    save_readings(context.result_part_folder / result.READINGS, readings)
    metrics = {"frames": len(rows), "fps": fps, "seen": seen, "stage_seconds": context.stage_seconds}
    context.end_stage()
    (context.result_part_folder / result.METRICS).write_text(json.dumps(metrics, indent=1), "utf-8")


def save_readings(path: Path, readings: Readings) -> None:
    """Write readings as arrays."""
    np.savez_compressed(path, **{name: getattr(readings, name) for name in readings.__dataclass_fields__})
