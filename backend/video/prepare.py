# SPDX-License-Identifier: GPL-3.0-or-later
"""The first half of the video road: a clip or a folder of pictures becomes frames, masks and cameras."""
from __future__ import annotations

from pathlib import Path

from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..model.scan_photo import eye_ruler
from .cameras import find_cameras
from .clip import Clip
from .frames import FEWEST_FRAMES, choose_frames
from .masks import write_masks

NUM_FRAMES, HEIGHT = 40, 540
MOST_FRAMES, HEIGHTS = 200, (180, 2160)
# Of a job's time, which training mostly takes.
SHARES = {"frames": 0.08, "masks": 0.05, "cameras": 0.17}


def prepare_clip(path: Path, work: Path, options: dict, context: JobContext) -> Clip:
    """Read ``path`` (a clip, or a folder of pictures) and return its posed, masked frames; everything is kept in ``work``.

    Options: ``num_frames``, ``height`` (the shorter side, pixels), ``eye_ruler`` (fields of EyeRuler). What ``work`` holds
    already is not done again. Raises GazeSplatError: ``bad-option``, ``bad-eye-ruler``, those of frames.py, faces.py and cameras.py.
    """
    count, height = _number(options, "num_frames", NUM_FRAMES, FEWEST_FRAMES, MOST_FRAMES), _number(options, "height", HEIGHT, *HEIGHTS)
    ruler = eye_ruler(options)
    context.emit_stage("Choosing frames", SHARES["frames"])
    frames = choose_frames(path, work / "frames", count, height, context)
    context.emit_stage("Separating the head", SHARES["masks"])
    known = write_masks(frames, context, ordered=path.is_file())
    context.emit_stage("Finding the cameras", SHARES["cameras"])
    return find_cameras(frames, known, work, ruler, context, ordered=path.is_file(),
                        ruler_given="iris_diameter_m" in (options.get("eye_ruler") or {}))


def _number(options: dict, name: str, usual: int, low: int, high: int) -> int:
    value = options.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise GazeSplatError("bad-option", f"The option {name} must be a whole number from {low} to {high}.", f"Leave it out for {usual}.")
    return value
