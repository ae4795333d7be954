# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the NASA portrait, whole and spoiled, and a context that records what a stage says."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

ASTRONAUT = Path(__file__).resolve().parents[1] / "docs" / "examples" / "astronaut.png"
# The face's box (left, top, right, bottom) in the 512 x 512 picture, and its eye openings as
# (outer or left corner x, other corner x, upper lid y, lower lid y).
FACE_BOX = (172, 62, 278, 172)
EYES = ((193.0, 214.0, 96.5, 105.5), (235.0, 257.0, 99.0, 107.5))


class RecordingContext:
    """Stands in for a job: remembers stages and warnings."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.warnings: list[tuple[str, str, str]] = []

    @property
    def codes(self) -> list[str]:
        return [code for code, _, _ in self.warnings]

    def emit_stage(self, name: str, share: float) -> None:
        self.stages.append(name)

    def progress(self, fraction: float, text: str = "") -> None:
        assert 0.0 <= fraction <= 1.0

    def warn(self, code: str, message: str, hint: str = "") -> None:
        self.warnings.append((code, message, hint))


def astronaut() -> np.ndarray:
    """The portrait (512, 512, 3) uint8."""
    return np.asarray(Image.open(ASTRONAUT).convert("RGB")).copy()


def with_closed_eyes(picture: np.ndarray) -> np.ndarray:
    """Pull the skin above each eye down over it, as a lid would."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    source = y.copy()
    for left, right, upper, lower in EYES:
        across = np.clip(1.0 - ((x - (left + right) / 2) / (0.62 * (right - left))) ** 2, 0.0, 1.0)
        top, bottom = upper - 11.0, lower + 0.5
        inside = (across > 0) & (y > top) & (y < bottom)
        lid = top + (y - top) * (upper - 1.5 - top) / (bottom - top)
        source = np.where(inside, y + (lid - y) * np.sqrt(across), source)
    return cv2.remap(picture, x, source.astype(np.float32), cv2.INTER_LINEAR)


def with_cup(picture: np.ndarray) -> np.ndarray:
    """Hold a pale cup before the mouth."""
    covered = picture.copy()
    cv2.ellipse(covered, (226, 146), (24, 27), 0, 0, 360, (235, 235, 228), -1)
    return covered


def two_faces(picture: np.ndarray) -> np.ndarray:
    """The portrait twice, side by side."""
    return np.hstack([picture, picture[:, ::-1]])


def save(picture: np.ndarray, path: Path, **options: object) -> Path:
    """Write a picture with Pillow and return its path."""
    Image.fromarray(picture).save(path, **options)
    return path
