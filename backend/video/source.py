# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures out of a clip or a folder, upright, at the working size, one after the other.

A clip is read from its start when it is short, and by jumps when it is long: ten minutes of 4K cost what forty jumps
cost. The container's frame count is only ever a guess; the end is where reading fails.
"""
from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..contract.errors import GazeSplatError
from ..model.photo import load_photo
from . import container, tone

LOG = logging.getLogger(__name__)

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"})
# Longer clips are read by jumps. A phone's five to thirty seconds stay below.
LONGEST_READ_THROUGH = 2400
# A container that does not say how long it is may go on for ever.
MOST_FRAMES = 20_000
_LARGEST_SIDE_PX = 8192
Warn = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Picture:
    """One picture: ``pixels`` (H, W, 3) uint8 sRGB at the working size, its place and its time in the clip."""

    index: int
    time_s: float
    pixels: np.ndarray


class ClipSource:
    """A clip (mp4, mov, mkv, webm) that OpenCV can read. Use in a ``with`` block."""

    def __init__(self, path: Path, short_side_px: int) -> None:
        """Open ``path``. Raises GazeSplatError ``clip-empty``, ``no-pictures`` or ``clip-unreadable``."""
        self._path, self._short_side_px = path, short_side_px
        if path.stat().st_size == 0:
            raise GazeSplatError("clip-empty", f"The file {path.name} is empty.", "Copy it again from the phone.")
        self._container = container.describe(path)
        if self._container.sound and not self._container.pictures:
            raise GazeSplatError("no-pictures", f"The file {path.name} holds sound but no pictures.", "Choose the video itself.")
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            self._capture.release()
            raise _unreadable(path)
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        width, height = (int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if max(width, height) > _LARGEST_SIDE_PX:
            self._capture.release()
            raise GazeSplatError("clip-too-large", f"The clip has {width} x {height} pixels, more than can be read.", "Export it in 4K.")
        fps, count = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = float(fps) if 0.5 < fps < 1000.0 else 30.0
        self.claimed_frames = int(count) if 0 < count < 1e8 else 0

    def __enter__(self) -> ClipSource:
        return self

    def __exit__(self, *failure: object) -> None:
        self._capture.release()

    @property
    def by_jumps(self) -> bool:
        """True when the clip is too long to be read through."""
        return self.claimed_frames > LONGEST_READ_THROUGH

    @property
    def high_dynamic_range(self) -> bool:
        """True for PQ and HLG clips, whose frames are tone-mapped."""
        return self._container.high_dynamic_range

    def read_through(self, wanted: Callable[[int], bool]) -> Iterator[Picture]:
        """Yield the pictures whose index is ``wanted``, from the first to where reading ends."""
        last = -1.0
        for index in range(MOST_FRAMES):
            if not self._capture.grab():
                return
            if wanted(index):
                last = self._time(index, last)
                picture = self._retrieve(index, last)
                if picture is not None:
                    yield picture

    def jump_through(self, count: int) -> Iterator[Picture]:
        """Yield about ``count`` pictures spread over the clip, in pairs of neighbours; fewer where jumps fail."""
        last = -1.0
        for start in np.linspace(0, self.claimed_frames - 1, max(count // 2, 2)).astype(int):
            self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000.0 * start / self.fps)
            for index in (int(start), int(start) + 1):
                if not self._capture.grab():
                    break
                time_s = self._time(index, -1.0)
                picture = self._retrieve(index, time_s) if time_s > last else None
                if picture is not None:
                    last = time_s
                    yield picture

    def _time(self, index: int, last: float) -> float:
        """Return the frame's own time stamp: frames of a phone come unevenly. Broken stamps give way to the frame rate."""
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        return stamp if np.isfinite(stamp) and stamp > last else max(index / self.fps, last + 1e-3)

    def _retrieve(self, index: int, time_s: float) -> Picture | None:
        ok, pixels = self._capture.retrieve()
        if not ok or pixels is None or pixels.size == 0:
            return None
        small = fitted(pixels, self._short_side_px)[..., ::-1]
        if self.high_dynamic_range:
            small = tone.to_ordinary(small, self._container.transfer)
        return Picture(index, time_s, np.ascontiguousarray(small))


def folder_pictures(folder: Path, short_side_px: int, warn: Warn) -> Iterator[Picture]:
    """Yield the pictures of a folder in the order of their names, those of the commonest size only.

    Raises GazeSplatError ``no-pictures``, and those of load_photo for a damaged one.
    """
    files = sorted((f for f in folder.iterdir() if f.suffix.lower() in PICTURES), key=_natural)
    if not files:
        raise GazeSplatError("no-pictures", f"There are no pictures in the folder {folder.name}.", "Choose a folder of JPEG or PNG files.")
    shape = None
    for index, file in enumerate(files):
        pixels = fitted(load_photo(file).pixels, short_side_px)
        shape = shape or pixels.shape
        if pixels.shape != shape:
            warn("picture-size", f"The picture {file.name} has another size than the first and is left out.",
                 "One camera, held one way, must have taken them all.")
            continue
        yield Picture(index, index / 30.0, pixels)


def fitted(pixels: np.ndarray, short_side_px: int) -> np.ndarray:
    """Return the picture reduced (never enlarged) to this shorter side, with even sides."""
    height, width = pixels.shape[:2]
    scale = min(1.0, short_side_px / min(height, width))
    size = tuple(max(2, int(round(side * scale / 2.0)) * 2) for side in (width, height))
    if scale == 1.0:
        size = (width // 2 * 2, height // 2 * 2)
        return pixels[:size[1], :size[0]]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _natural(path: Path) -> list:
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def _unreadable(path: Path) -> GazeSplatError:
    return GazeSplatError("clip-unreadable", f"The file {path.name} is not a clip that can be read, or it is damaged.",
                          "Copy it again from the phone, or export it as MP4 (H.264).")
