# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts structure from motion in a process of its own, watches it, ends it when the artist cancels."""
from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ..context import JobContext
from ..contract.errors import GazeSplatError
from .clip import IMAGES, MASKS, SFM_HEAD, Frames
from .poses import Poses

LOG = logging.getLogger(__name__)

FEATURES = 8192
# Of a whole frame; matching time grows with the square.
MOST_MATCHED = 3500
# A quarter of COLMAP's contrast threshold: skin has little.
PEAK = 0.0016
MOST_THREADS = 8
_PHASES = {"features": (0.05, "Finding features"), "matches": (0.45, "Matching features"), "cameras": (0.8, "Finding the cameras"),
           "points": (0.95, "Finding the cameras")}
_POLL_S = 0.1
_LEAST_FREE_BYTES = 16 << 20
_MODEL, _NOTHING_FOUND = "model.npz", "nothing_found.txt"
# Exit codes that say nothing about the pictures: an exception, killed from outside.
_NO_ANSWER = (1, -9, -15)
_CHILD = Path(__file__).with_name("sfm_child.py")


def run_sfm(frames: Frames, which: np.ndarray, source: str, folder: Path, context: JobContext) -> Poses | None:
    """Return the cameras that COLMAP finds for the frames ``which`` (K,), or None when it finds none.

    ``source`` is clip.SFM_HEAD (features inside the masks only) or clip.SFM_SCENE. Features are found once for both, in
    ``folder``; a finished run, also one that found nothing, is not repeated. Raises GazeSplatError ``backend-incomplete``
    without pycolmap, ``disk-full``.
    """
    place = folder / source
    place.mkdir(parents=True, exist_ok=True)
    if (place / _NOTHING_FOUND).is_file():
        return None
    if not (place / _MODEL).is_file():
        request = {"images": str(frames.folder / IMAGES), "masks": str(frames.folder / MASKS),
                   "head_only": source == SFM_HEAD, "most": MOST_MATCHED,
                   "names": [frames.names[i] for i in which], "features": FEATURES, "peak": PEAK, "found": str(folder / "features.db"),
                   "folder": str(place), "out": str(place / _MODEL), "threads": min(MOST_THREADS, os.cpu_count() or 1)}
        (place / "request.json").write_text(json.dumps(request), "utf-8")
        if not _run_child(place / "request.json", context):
            return None
    return _read(place / _MODEL, frames, source)


def _run_child(request: Path, context: JobContext) -> bool:
    """Run the child to its end; return False when it found no cameras or broke down. An answer that is none is kept."""
    said = request.with_name("said.txt")
    with said.open("wb") as out, request.with_name("log.txt").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-I", str(_CHILD), str(request)], stdin=subprocess.PIPE,
                                 stdout=out, stderr=log)
        try:
            while child.poll() is None:
                phase = said.read_text("utf-8", "replace").split("progress ")[-1].strip()
                context.progress(*_PHASES.get(phase, (0.0, "Finding features")))
                time.sleep(_POLL_S)
        finally:
            # Also when a report raised because the artist cancelled.
            if child.poll() is None:
                child.kill()
                child.wait()
            child.stdin.close()
    if child.returncode == 0:
        return True
    text = request.with_name("log.txt").read_text("utf-8", "replace")
    LOG.warning("structure from motion ended with %s: %s", child.returncode, text[-2000:])
    if "No module named 'pycolmap'" in text:
        raise GazeSplatError("backend-incomplete", "The backend's Python has no pycolmap, which finds the cameras of a clip.",
                             "Run the doctor in the preferences, which says what to install.")
    # COLMAP aborts on a full disk, and then its log, which lies there too, is empty.
    if "disk is full" in text or "No space left" in text or shutil.disk_usage(request.parent).free < _LEAST_FREE_BYTES:
        for part in request.parent.parent.glob("features.db.part*"):
            part.unlink()
        shutil.rmtree(request.parent)
        raise GazeSplatError("disk-full", "The disk is full.", "Free some space, then try again.")
    if child.returncode not in _NO_ANSWER:
        request.with_name(_NOTHING_FOUND).touch()
    return False


def _read(path: Path, frames: Frames, source: str) -> Poses:
    place = {name: i for i, name in enumerate(frames.names)}
    with np.load(path, allow_pickle=False) as data:
        placed = np.tile(np.eye(4), (len(data["names"]), 1, 1))
        placed[:, :3] = data["world_to_camera"]
        return Poses(np.array([place[str(name)] for name in data["names"]]), placed, tuple(float(v) for v in data["lens"]),
                     data["points"].astype(np.float64), data["colours"], source)
