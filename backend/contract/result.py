# SPDX-License-Identifier: GPL-3.0-or-later
"""``result/``: it appears complete or not at all."""
from __future__ import annotations

import shutil
from pathlib import Path

from . import paths
from .errors import GazeSplatError

PLY = "portrait.ply"
JSON = "portrait.json"
NPZ = "portrait.npz"
PREVIEW = "preview.png"
METRICS = "metrics.json"
LINEAR = "portrait.linear.npz"     # colours for linear blending, see gazesplat_addon/splat/linear_refit.py
FILES = (PLY, JSON, NPZ, PREVIEW, METRICS)
REFIT = "refit"                    # the kind of job that makes only these for a splat file that exists:
REFIT_FILES = (LINEAR, METRICS)


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
    """Return the names of a portrait's files, or of a refit's, that are not in the folder."""
    return [name for name in (REFIT_FILES if kind == REFIT else FILES) if not (folder / name).is_file()]
