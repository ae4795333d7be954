# SPDX-License-Identifier: GPL-3.0-or-later
"""The model files that ship with the extension: where they lie, and that they are the ones meant."""
from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from ..contract.errors import GazeSplatError

FOLDER = Path(__file__).resolve().parents[1] / "models"
FACE_LANDMARKER = "face_landmarker.task"
SELFIE_SEGMENTATION = "selfie_segmentation.tflite"
_REINSTALL = "Install the extension again from its zip."


@cache
def model_bytes(name: str) -> bytes:
    """Return the content of a shipped model file after checking it against ``SHA256SUMS``.

    Raises GazeSplatError ``model-file-missing`` or ``model-file-damaged``.
    """
    try:
        content = (FOLDER / name).read_bytes()
        sums = (FOLDER / "SHA256SUMS").read_text("utf-8")
    except OSError as error:
        raise GazeSplatError("model-file-missing", f"The model file {name} cannot be read: {error.strerror}.", _REINSTALL) from error
    expected = {line.split()[1]: line.split()[0] for line in sums.splitlines() if line.strip()}
    if expected.get(name) != hashlib.sha256(content).hexdigest():
        raise GazeSplatError("model-file-damaged", f"The model file {name} is not the one that was shipped.", _REINSTALL)
    return content
