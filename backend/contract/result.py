# SPDX-License-Identifier: GPL-3.0-or-later
"""``result/``: it appears complete or not at all."""
from __future__ import annotations

import shutil
from pathlib import Path

from . import environment, paths
from .errors import GazeSplatError

PLY = "portrait.ply"
JSON = "portrait.json"
NPZ = "portrait.npz"
PREVIEW = "preview.png"
METRICS = "metrics.json"
PHOTO = "portrait.photo.png"       # the part of the photo that was read, and
SCAN = "portrait.scan.json"        # what was read from it, see gazesplat_addon/rig/eye_marks.py
FRAMES = "portrait.frames.npz"     # of a clip or a head from elsewhere: what lay under the eyes, see backend/video/kept_frames.py
LINEAR = "portrait.linear.npz"     # colours for linear blending, see gazesplat_addon/splat/linear_refit.py
FILES = (PLY, JSON, NPZ, PREVIEW, METRICS)
REFIT = "refit"                    # the kind of job that makes only these for a splat file that exists:
REFIT_FILES = (LINEAR, METRICS)
READINGS = "readings.npz"          # what an actor's face did in every frame, see gazesplat_addon/gaze/capture.py
CAPTURE = "capture"                # the kind of job that reads a performance:
CAPTURE_FILES = (READINGS, METRICS)
EYES = "eyes"                      # the kind of job that builds a portrait again with its eyes corrected
GRAFT = "graft"                    # the kind of job that gives a splat head from elsewhere living eyes
_FILES_OF = {REFIT: REFIT_FILES, CAPTURE: CAPTURE_FILES, environment.SETUP: (environment.SETUP_REPORT,)}


def begin(folder: Path) -> Path:
    """Return ``result.part/``, new and empty, for the stages to fill."""
    part = folder / paths.RESULT_PART
    discard(folder)
    part.mkdir()
    return part


def publish(folder: Path, kind: str) -> Path:
    """Rename ``result.part/`` to ``result/`` and return it, if it holds every file that a job of this kind makes.

    Raises GazeSplatError ``incomplete-result`` otherwise.
    """
    part = folder / paths.RESULT_PART
    missing = missing_files(part, kind)
    if missing:
        raise GazeSplatError("incomplete-result", f"The reconstruction ended without {', '.join(missing)}.",
                             "This is a fault in GazeSplat: please report it with the job's log.txt.")
    result = folder / paths.RESULT
    part.rename(result)
    return result


def discard(folder: Path) -> None:
    """Remove what an unfinished job has left of its result."""
    part = folder / paths.RESULT_PART
    if part.exists():
        shutil.rmtree(part)


def missing_files(folder: Path, kind: str = "") -> list[str]:
    """Return the names of a portrait's files, or of another kind of job's, that are not in the folder."""
    return [name for name in _FILES_OF.get(kind, FILES) if not (folder / name).is_file()]
