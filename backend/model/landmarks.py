# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces in a photo: found at any size, then read precisely by averaging over several crops.

MediaPipe's Face Landmarker looks at 192 x 192 and 256 x 256 pixels. It misses faces that fill little
of the frame, and one reading of a face wanders by a pixel or two: hence tiles to find, crops to read.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType

import cv2
import numpy as np

# Read by the C++ logging when the library loads: errors only.
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import BaseOptions, vision

from . import weights
from .face_model import EYE_CORNERS, FOREHEAD, face_model

MOST_FACES = 8
# Detection needs no more than this; refinement goes back to the photo's own pixels.
_SEARCH_SIDE_PX = 1280
_CROP_SIDE_PX = 900
_FACE_SHARE = 0.6
# Shift (in face sizes), zoom, turn (degrees) and mirroring of the crops that are averaged. Mirroring
# cancels the model's sideways bias, which is about half a pixel of its input.
_JITTERS = ((0.0, 0.0, 1.0, 0.0, False), (0.0, 0.0, 1.0, 0.0, True), (0.03, 0.02, 1.06, 3.0, False),
            (-0.03, -0.02, 0.95, -3.0, True), (0.02, -0.03, 1.0, 2.0, True), (-0.02, 0.03, 0.97, -2.0, False))


@dataclass(frozen=True)
class Face:
    """One face in a picture.

    points_px    (478, 3) float64: x, y in pixels of the picture (centres at +0.5), z in the same unit
    blendshapes  52 scores 0..1 by name; left and right are the subject's
    spread_px    (478,) how far the averaged readings lie apart (rms); zeros for a single reading
    """

    points_px: np.ndarray
    blendshapes: dict[str, float]
    spread_px: np.ndarray

    @property
    def size_px(self) -> float:
        """The larger side of the box round the 468 face points, pixels."""
        return float(np.ptp(self.points_px[:468, :2], axis=0).max())

    @property
    def centre_px(self) -> np.ndarray:
        """Centre (2,) of the box round the face points, pixels."""
        box = self.points_px[:468, :2]
        return (box.min(axis=0) + box.max(axis=0)) / 2

    @property
    def roll_rad(self) -> float:
        """Angle by which the line through the eyes is turned clockwise in the picture, radians."""
        right = self.points_px[list(EYE_CORNERS["right"]), :2].mean(axis=0)
        left = self.points_px[list(EYE_CORNERS["left"]), :2].mean(axis=0)
        return float(np.arctan2(*(left - right)[::-1]))


class FaceReader:
    """The Face Landmarker, open while a ``with`` block runs."""

    def __init__(self) -> None:
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=weights.model_bytes(weights.FACE_LANDMARKER),
                                     delegate=BaseOptions.Delegate.CPU),
            num_faces=MOST_FACES, output_face_blendshapes=True)
        self._task = vision.FaceLandmarker.create_from_options(options)

    def __enter__(self) -> FaceReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._task.close()

    def read(self, picture: np.ndarray) -> list[Face]:
        """Return the faces in a picture (H, W, 3) uint8 sRGB."""
        height, width = picture.shape[:2]
        answer = self._task.detect(Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(picture)))
        faces = []
        for points, scores in zip(answer.face_landmarks, answer.face_blendshapes, strict=True):
            # z is given in units of the picture's width, like x.
            points_px = np.array([(p.x * width, p.y * height, p.z * width) for p in points])
            faces.append(Face(points_px, {s.category_name: float(s.score) for s in scores}, np.zeros(len(points))))
        return faces

    def find(self, picture: np.ndarray) -> list[Face]:
        """Return every distinct face in a picture (H, W, 3) uint8, largest first.

        The whole frame is searched, and overlapping halves and thirds of it, in which a small face
        fills enough of the detector's input.
        """
        height, width = picture.shape[:2]
        faces: list[Face] = []
        for x, y, w, h in _tiles(width, height):
            scale = min(1.0, _SEARCH_SIDE_PX / max(w, h))
            tile = picture[y:y + h, x:x + w]
            if scale < 1.0:
                tile = cv2.resize(tile, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            for face in self.read(tile):
                points = face.points_px / scale + [x, y, 0.0]
                faces.append(Face(points, face.blendshapes, face.spread_px))
        return _distinct(faces)

    def refine(self, picture: np.ndarray, face: Face) -> Face:
        """Read ``face`` again in jittered upright crops and return the average; ``face`` itself if none answers."""
        readings, blendshapes = [], []
        for jitter in _JITTERS:
            reading = self._read_crop(picture, face, *jitter)
            if reading is not None:
                readings.append(reading.points_px)
                blendshapes.append(reading.blendshapes)
        if not readings:
            return face
        mean = np.mean(readings, axis=0)
        spread = np.sqrt(np.mean(np.sum((np.array(readings) - mean)[..., :2] ** 2, axis=-1), axis=0))
        return Face(mean, {name: float(np.mean([b[name] for b in blendshapes])) for name in blendshapes[0]}, spread)

    def reread(self, picture: np.ndarray, face: Face, mirrored: bool) -> Face | None:
        """Return one more reading of ``face`` in an upright crop, mirrored or not; None if the crop does not answer."""
        return self._read_crop(picture, face, 0.0, 0.0, 1.0, 0.0, mirrored)

    def _read_crop(self, picture: np.ndarray, face: Face, dx: float, dy: float, zoom: float, turn_deg: float,
                   mirrored: bool) -> Face | None:
        scale = _FACE_SHARE * _CROP_SIDE_PX * zoom / face.size_px
        to_crop = cv2.getRotationMatrix2D((0.0, 0.0), np.degrees(face.roll_rad) + turn_deg, scale)
        centre = face.centre_px + np.array([dx, dy]) * face.size_px
        to_crop[:, 2] = _CROP_SIDE_PX / 2 - to_crop[:, :2] @ centre
        if mirrored:
            to_crop[0] = [0.0, 0.0, _CROP_SIDE_PX] - to_crop[0]
        crop = warp(picture, to_crop, (_CROP_SIDE_PX, _CROP_SIDE_PX))
        answers = self.read(crop)
        if not answers:
            return None
        nearest = min(answers, key=lambda a: float(np.linalg.norm(a.centre_px - _CROP_SIDE_PX / 2)))
        if np.linalg.norm(nearest.centre_px - _CROP_SIDE_PX / 2) > 0.2 * _CROP_SIDE_PX:
            return None
        back = cv2.invertAffineTransform(to_crop)
        points = np.concatenate([nearest.points_px[:, :2] @ back[:, :2].T + back[:, 2], nearest.points_px[:, 2:] / scale], axis=1)
        blendshapes = nearest.blendshapes
        if mirrored:
            points = points[face_model().mirror]
            blendshapes = {name: blendshapes[_other_side(name)] for name in blendshapes}
        return Face(points, blendshapes, nearest.spread_px)


def warp(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """Resample ``picture`` by an affine (2, 3) source -> target in pixels whose centres lie at +0.5.

    OpenCV puts pixel centres at whole numbers; shrinking blurs first, so that nothing aliases.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.7:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.5 / scale)
    shifted = matrix.astype(np.float64).copy()
    shifted[:, 2] += shifted[:, :2] @ [0.5, 0.5] - 0.5
    return cv2.warpAffine(picture, shifted, size, flags=cv2.INTER_CUBIC if scale > 0.7 else cv2.INTER_LINEAR, borderMode=border)


def _tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return x, y, w, h of the frame, of its overlapping 3 x 3 halves, and of 5 x 5 thirds of large frames."""
    tiles = [(0, 0, width, height)]
    for share, count in ((0.5, 3), (0.3, 5)):
        w, h = int(width * share), int(height * share)
        if min(w, h) < 240:
            continue
        tiles += [(x, y, w, h) for y in np.linspace(0, height - h, count).astype(int) for x in np.linspace(0, width - w, count).astype(int)]
    return [tuple(int(v) for v in tile) for tile in tiles]


def _distinct(faces: list[Face]) -> list[Face]:
    """Drop readings of a face that was already found; the largest reading of each stays (tiles cut faces)."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.size_px):
        if all(np.linalg.norm(face.centre_px - other.centre_px) > 0.5 * max(face.size_px, other.size_px) for other in kept):
            kept.append(face)
    return kept


def _other_side(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


def face_height_px(points_px: np.ndarray, chin: int = 152) -> float:
    """Return the distance from the top of the forehead to the chin in pixels, given landmarks (478, 3)."""
    return float(np.linalg.norm(points_px[FOREHEAD, :2] - points_px[chin, :2]))
