# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's face through a clip: found, followed, and told from other people's."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..model.face_checks import OTHER_FACE_SHARE, SMALLEST_FACE_PX, lid_aperture
from ..model.landmarks import Face, FaceReader
from .upright import is_confirmed, quarter_turns, read_any_way_up, turned_points

# Of the frames: fewer with a face, and there is nobody to follow (whoever walks all round a head sees its face in some of them only);
# more with a second one, and nobody knows whom.
FEWEST_WITH_FACE, FEWEST_FACES, MOST_WITH_OTHERS = 0.05, 3, 0.2
# Of open eyes' lid gap (over the iris' diameter), as face_checks has it: shut below the one, wide at the other.
_SHUT_GAP, _OPEN_GAP = 0.15, 0.6
# People who take turns wear different things: colours this far (CIE a, b) from the usual, in this share of the frames.
_OTHER_CLOTHES, MOST_CHANGED = 15.0, 0.25


@dataclass(frozen=True)
class Reading:
    """The followed face in one picture, and how many others were large enough to be meant.

    clothes_ab  (2,) CIE a and b of what is worn below the chin, NaN when that lies outside the picture
    """

    face: Face
    others: int
    clothes_ab: np.ndarray


class Readable(Protocol):
    """A picture of the clip, and what was read in it."""

    reading: Reading | None

    def pixels(self) -> np.ndarray:
        """Return (H, W, 3) uint8 sRGB."""


def read_faces(pictures: list[Readable], reader: FaceReader, context: JobContext) -> None:
    """Read the face in every picture, in the order of the clip, into its ``reading``.

    Raises GazeSplatError: ``no-face``, ``several-faces``, ``face-too-small``.
    """
    last: Face | None = None
    for number, picture in enumerate(pictures):
        context.progress(0.5 + 0.5 * number / len(pictures), "Finding the face")
        pixels = picture.pixels()
        found = read_any_way_up(reader, pixels)
        if not found and number % 3 == 0:
            found = [face for face in reader.find(pixels) if is_confirmed(reader, pixels, face)]
        if not found:
            continue
        face = max(found, key=lambda one: one.size_px) if last is None else min(found, key=lambda one: _unlike(one, last))
        rivals = [one for one in found if one is not face and one.size_px > OTHER_FACE_SHARE * face.size_px]
        picture.reading = Reading(face, len(rivals), _clothes(pixels, face))
        last = face
    _check(pictures)


def eyes_open(reading: Reading) -> float:
    """Return 0 (shut) .. 1 (wide) for the less open eye."""
    gap = min(lid_aperture(reading.face.points_px, side) for side in ("left", "right"))
    return float(np.clip((gap - _SHUT_GAP) / (_OPEN_GAP - _SHUT_GAP), 0.0, 1.0))


def _unlike(face: Face, last: Face) -> float:
    """Return how far a face is from where it was, in face sizes."""
    moved = np.linalg.norm(face.centre_px - last.centre_px) / last.size_px
    return float(moved + abs(np.log(face.size_px / last.size_px)))


def _clothes(pixels: np.ndarray, face: Face) -> np.ndarray:
    """Return the usual a and b (2,) of a patch as wide as the face, a neck's length below it."""
    turns = quarter_turns(face.points_px)
    face = replace(face, points_px=turned_points(face.points_px, turns, pixels.shape[1::-1]))
    pixels = np.rot90(pixels, turns)
    x, y = face.centre_px
    half = face.size_px / 2
    left, top, right, bottom = (int(v) for v in (x - half, y + 1.7 * half, x + half, y + 2.8 * half))
    patch = pixels[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)]
    if patch.shape[0] < half / 4 or patch.shape[1] < half / 2:
        return np.full(2, np.nan)
    return np.median(cv2.cvtColor(patch.astype(np.float32) / np.float32(255.0), cv2.COLOR_RGB2LAB)[..., 1:].reshape(-1, 2), axis=0)


def _check(pictures: list[Readable]) -> None:
    readings = [picture.reading for picture in pictures if picture.reading is not None]
    if len(readings) < max(FEWEST_FACES, FEWEST_WITH_FACE * len(pictures)):
        raise GazeSplatError("no-face", f"A face is found in only {len(readings)} of {len(pictures)} pictures of the clip.",
                             "Film one face from the front and both sides, upright and in even light.")
    crowded = sum(reading.others > 0 for reading in readings)
    clothes = np.array([reading.clothes_ab for reading in readings])
    clothes = clothes[np.isfinite(clothes[:, 0])]
    changed = np.linalg.norm(clothes - np.median(clothes, axis=0), axis=1) > _OTHER_CLOTHES if len(clothes) else np.zeros(1)
    if crowded > MOST_WITH_OTHERS * len(readings) or changed.mean() > MOST_CHANGED:
        raise GazeSplatError("several-faces", "There are several people in the clip.", "Film one person alone.")
    size = float(np.median([reading.face.size_px for reading in readings]))
    if size < SMALLEST_FACE_PX:
        raise GazeSplatError("face-too-small", f"The face is only {size:.0f} pixels high in the frames.",
                             "Film from nearer: the head should fill a third of the picture.")
