# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pictures of a clip are worth learning from: sharp, spread over what the camera saw, eyes open where it can.

The clip passes once. Buckets of neighbouring pictures keep their sharpest few; when there are twice as many buckets as
frames wanted, neighbours merge. So memory is bounded whatever the clip's length, which nobody knows beforehand.
"""
from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..model.landmarks import FaceReader
from .clip import IMAGES, Frames, write_png
from .faces import Reading, eyes_open, read_faces
from .source import ClipSource, Picture, folder_pictures

LOG = logging.getLogger(__name__)

FEWEST_FRAMES = 8
KEPT_PER_BUCKET = 3
_THUMB = (36, 24)
# A cut: the share of the picture's colours that changed at once, alone and beside what the clip does elsewhere.
_CUT_CHANGE, _CUT_RATIO = 0.45, 3.0
# Frames below this share of the clip's usual sharpness are motion blur.
_BLURRED = 0.35
_SHUT = 0.35


@dataclass
class Candidate:
    """A picture that may be chosen; ``packed`` is its PNG, ``thumb`` (24, 36, 3) and ``colours`` (64,) what it looks like."""

    index: int
    time_s: float
    sharpness: float
    packed: np.ndarray
    thumb: np.ndarray
    colours: np.ndarray
    reading: Reading | None = None

    def pixels(self) -> np.ndarray:
        """Return the picture (H, W, 3) uint8 sRGB."""
        return np.ascontiguousarray(cv2.imdecode(self.packed, cv2.IMREAD_COLOR)[..., ::-1])


@dataclass
class Buckets:
    """The sharpest pictures of equal stretches of a clip; ``most`` buckets, then neighbours merge."""

    most: int
    stride: int = 1
    held: dict[int, list[Candidate]] = field(default_factory=dict)

    def wants(self, index: int) -> bool:
        """Tell whether a picture at this place should be looked at at all."""
        return index % max(1, self.stride // (2 * KEPT_PER_BUCKET)) == 0

    def add(self, picture: Picture) -> None:
        """Look at one picture and keep it while it is among the sharpest of its stretch."""
        sharpness = _sharpness(picture.pixels)
        stretch = self.held.setdefault(picture.index // self.stride, [])
        if len(stretch) == KEPT_PER_BUCKET:
            if sharpness <= stretch[-1].sharpness:
                return
            stretch.pop()
        packed = cv2.imencode(".png", picture.pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
        thumb = cv2.resize(picture.pixels, _THUMB, interpolation=cv2.INTER_AREA)
        stretch.append(Candidate(picture.index, picture.time_s, sharpness, packed, thumb.astype(np.float32), _colours(thumb)))
        stretch.sort(key=lambda one: -one.sharpness)
        if len(self.held) > self.most:
            self._merge()

    def _merge(self) -> None:
        self.stride *= 2
        merged: dict[int, list[Candidate]] = {}
        for stretch in self.held.values():
            for one in stretch:
                merged.setdefault(one.index // self.stride, []).append(one)
        self.held = {key: sorted(ones, key=lambda one: -one.sharpness)[:KEPT_PER_BUCKET] for key, ones in merged.items()}

    def stretches(self) -> list[list[Candidate]]:
        """Return the buckets in the order of the clip."""
        return [self.held[key] for key in sorted(self.held)]


def choose_frames(path: Path, folder: Path, count: int, short_side_px: int, context: JobContext) -> Frames:
    """Choose ``count`` frames of a clip or folder of pictures and write them to ``folder``; resumes from there.

    Raises GazeSplatError: those of source.py and of faces.read_faces, ``too-few-frames``, ``too-many-cuts``.
    """
    resumed = Frames.load(folder)
    if resumed is not None:
        return resumed
    stretches = _longest_shot(_collect(path, count, short_side_px, context), context)
    if len(stretches) < FEWEST_FRAMES:
        raise GazeSplatError("too-few-frames", f"There are only {len(stretches)} usable pictures.",
                             f"Film for about five seconds, all round the head; at least {FEWEST_FRAMES} pictures are needed.")
    stretches = _spread(stretches, count)
    context.progress(0.5, "Finding the face")
    with FaceReader() as reader:
        read_faces([one for stretch in stretches for one in stretch], reader, context)
    chosen = [_best(stretch) for stretch in stretches]
    chosen = _without_blur(chosen)
    return _written(chosen, folder)


def _collect(path: Path, count: int, short_side_px: int, context: JobContext) -> list[list[Candidate]]:
    buckets = Buckets(2 * count)
    if path.is_dir():
        _fill(buckets, folder_pictures(path, short_side_px, context.warn), 0, context)
        return buckets.stretches()
    with ClipSource(path, short_side_px) as source:
        if source.high_dynamic_range:
            context.warn("clip-hdr", "This is an HDR clip; its colours were brought to the ordinary range.",
                         "Filming with HDR switched off keeps the colours exact.")
        if source.by_jumps:
            context.warn("clip-long", f"The clip lasts about {source.claimed_frames / source.fps:.0f} s: only parts of it are looked at.",
                         "Five to twenty seconds round the head are best.")
            _fill(buckets, source.jump_through(3 * count), 3 * count, context)
        if not buckets.held:
            _fill(buckets, source.read_through(buckets.wants), source.claimed_frames, context)
    if not buckets.held:
        raise GazeSplatError("clip-unreadable", f"No picture of {path.name} can be read: it is damaged, or in a format that is not known.",
                             "Copy it again from the phone, or export it as MP4 (H.264).")
    return buckets.stretches()


def _fill(buckets: Buckets, pictures: Iterable[Picture], expected: int, context: JobContext) -> None:
    for number, picture in enumerate(pictures):
        context.progress(0.5 * min(number / max(expected, 1), 1.0), "Reading the clip")
        buckets.add(picture)


def _longest_shot(stretches: list[list[Candidate]], context: JobContext) -> list[list[Candidate]]:
    """Return the stretches of the longest shot: a cut shows another place, which has other cameras."""
    if len(stretches) < 3:
        return stretches
    first = [min(stretch, key=lambda one: one.index) for stretch in stretches]
    change = np.array([0.5 * np.abs(a.colours - b.colours).sum() for a, b in zip(first, first[1:], strict=False)])
    usual = np.maximum(np.median(change), 0.02)
    cuts = np.flatnonzero((change > _CUT_CHANGE) & (change > _CUT_RATIO * usual)) + 1
    if not len(cuts):
        return stretches
    edges = [0, *cuts.tolist(), len(stretches)]
    start, end = max(zip(edges, edges[1:], strict=False), key=lambda shot: shot[1] - shot[0])
    if end - start < FEWEST_FRAMES:
        raise GazeSplatError("too-many-cuts", f"The clip has {len(cuts)} cuts, and no shot is long enough.", "Film the head in one go.")
    context.warn("clip-cut", f"The clip has {len(cuts)} cut{'s' if len(cuts) > 1 else ''}; only its longest shot is used.",
                 "Film the head in one go.")
    return stretches[start:end]


def _spread(stretches: list[list[Candidate]], count: int) -> list[list[Candidate]]:
    """Return ``count`` stretches, evenly spaced half by time and half by how much the picture moves."""
    if len(stretches) <= count:
        return stretches
    thumbs = np.array([stretch[0].thumb for stretch in stretches])
    moved = np.abs(np.diff(thumbs, axis=0)).mean(axis=(1, 2, 3))
    moved = np.minimum(moved, 4.0 * np.median(moved) + 1e-6)
    way = np.concatenate([[0.0], np.cumsum(0.5 / (len(stretches) - 1) + 0.5 * moved / max(moved.sum(), 1e-6))])
    taken: list[int] = []
    for target in np.linspace(0.0, way[-1], count):
        free = [i for i in range(len(stretches)) if i not in taken]
        taken.append(min(free, key=lambda i: abs(way[i] - target)))
    return [stretches[i] for i in sorted(taken)]


def _best(stretch: list[Candidate]) -> Candidate:
    """Return the sharpest picture of a stretch with open eyes, else with a face, else the sharpest."""
    def worth(one: Candidate) -> float:
        if one.reading is None:
            return 0.5 * one.sharpness
        return one.sharpness * (1.0 if eyes_open(one.reading) > _SHUT else 0.7)

    return max(stretch, key=worth)


def _without_blur(chosen: list[Candidate]) -> list[Candidate]:
    """Leave out pictures that are much softer than their neighbours in the clip, as long as enough remain."""
    sharpness = np.array([one.sharpness for one in chosen])
    around = np.array([np.median(sharpness[max(0, i - 4):i + 5]) for i in range(len(sharpness))])
    keep = sharpness > _BLURRED * around
    return [one for one, good in zip(chosen, keep, strict=True) if good] if keep.sum() >= FEWEST_FRAMES else chosen


def _written(chosen: list[Candidate], folder: Path) -> Frames:
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    names = tuple(f"{i:04d}.png" for i in range(len(chosen)))
    for name, one in zip(names, chosen, strict=True):
        write_png(folder / IMAGES / name, one.pixels())
    height, width = chosen[0].pixels().shape[:2]
    sharpness = np.array([one.sharpness for one in chosen])
    landmarks = np.array([np.full((478, 3), np.nan) if one.reading is None else one.reading.face.points_px for one in chosen])
    frames = Frames(folder, names, width, height, np.array([one.index for one in chosen]),
                    np.array([one.time_s for one in chosen]) - chosen[0].time_s, sharpness / np.percentile(sharpness, 75),
                    np.array([np.nan if one.reading is None else eyes_open(one.reading) for one in chosen]), landmarks)
    frames.save()
    return frames


def _sharpness(pixels: np.ndarray) -> float:
    """Return how much fine detail the middle of the picture has: the spread of its second derivative."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 8:height * 7 // 8, width // 6:width * 5 // 6]
    grey = cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY)
    if min(grey.shape) > 400:
        grey = cv2.resize(grey, None, fx=400 / min(grey.shape), fy=400 / min(grey.shape), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F, ksize=3).std()) + 1e-6


def _colours(thumb: np.ndarray) -> np.ndarray:
    bins = (thumb.reshape(-1, 3) // 64).astype(np.int64) @ [16, 4, 1]
    return np.bincount(bins, minlength=64) / len(bins)
