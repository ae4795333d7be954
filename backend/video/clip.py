# SPDX-License-Identifier: GPL-3.0-or-later
"""A filmed head as data: the frames that were chosen, their masks, and where the cameras stood.

Stages hand these to each other and keep them under the job's ``work/``, so that a killed job resumes. Pictures
stay on disk as PNG: forty frames of 540p fit in memory, forty of 4K would not.
"""
from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np

from ..model.scan import EyeRuler

IMAGES, MASKS = "images", "masks"
_FRAMES, _CAMERAS = "frames.npz", "cameras.npz"
# What a Cameras object was found with, best first.
SFM_HEAD, SFM_SCENE, FACE = "sfm-head", "sfm-scene", "face"


@dataclass(frozen=True)
class Frames:
    """F chosen frames of one size, in the order of the clip.

    folder        holds images/NAME.png (and masks/NAME.png once they are known)
    names         F file names without folder, "0000.png"
    width, height pixels, even
    index         (F,) int, place in the clip, from 0
    time_s        (F,) float64, seconds since the clip's first frame
    sharpness     (F,) float64, 1 = as sharp as the sharper half of the clip
    eyes_open     (F,) float64, 0 shut .. 1 open, NaN where no face was found
    landmarks_px  (F, 478, 3) float64, MediaPipe's face: x, y in pixels (centres at +0.5), z in the same unit; NaN where no face was found
    """

    folder: Path
    names: tuple[str, ...]
    width: int
    height: int
    index: np.ndarray
    time_s: np.ndarray
    sharpness: np.ndarray
    eyes_open: np.ndarray
    landmarks_px: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def with_face(self) -> np.ndarray:
        """(F,) bool, where a face was found."""
        return np.isfinite(self.landmarks_px[:, 0, 0])

    def image(self, i: int) -> np.ndarray:
        """Return frame ``i`` as (H, W, 3) uint8 sRGB."""
        return read_png(self.folder / IMAGES / self.names[i])

    def mask(self, i: int) -> np.ndarray:
        """Return the head's soft mask in frame ``i``: (H, W) float32, 0..1."""
        return read_png(self.folder / MASKS / self.names[i]).astype(np.float32) / np.float32(255.0)

    def save(self) -> None:
        """Write all but the pictures to ``folder``."""
        _save(self.folder / _FRAMES, {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"})

    @classmethod
    def load(cls, folder: Path) -> Frames | None:
        """Return what ``save`` wrote, or None when there is nothing to resume from."""
        data = _load(folder / _FRAMES)
        if data is None:
            return None
        return cls(folder, tuple(str(n) for n in data.pop("names")), int(data.pop("width")), int(data.pop("height")), **data)

    def chosen(self, which: np.ndarray) -> Frames:
        """Return the frames at these indices (K,), with the same pictures."""
        arrays = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.type == "np.ndarray"}
        return replace(self, names=tuple(self.names[i] for i in which), **arrays)


@dataclass(frozen=True)
class Cameras:
    """One pinhole camera for every frame of a ``Frames`` of the same length, in the portrait frame.

    fx, fy, cx, cy    pixels; the frames were undistorted to this camera
    world_to_camera   (F, 4, 4) float64, rigid, OpenCV; world = the portrait frame: metres, +Z up, face along -Y, +X the
                      subject's left, origin midway between the eyes
    points, colours   (N, 3) float32 metres and (N, 3) uint8: sparse points of the head; N may be 0
    face_points       (478, 3) float64, the landmarks triangulated, metres; NaN where too few views saw one
    ruler             the eye lengths that the metric scale comes from
    source            SFM_HEAD (features inside the masks), SFM_SCENE (whole frames) or FACE (landmarks alone)
    radial            SIMPLE_RADIAL's k that was taken out of the frames
    """

    fx: float
    fy: float
    cx: float
    cy: float
    world_to_camera: np.ndarray
    points: np.ndarray
    colours: np.ndarray
    face_points: np.ndarray
    ruler: EyeRuler
    source: str
    radial: float = 0.0

    def __len__(self) -> int:
        return len(self.world_to_camera)

    @property
    def centres(self) -> np.ndarray:
        """(F, 3) the cameras' positions in the portrait frame, metres."""
        rotation, shift = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        return -np.einsum("fji,fj->fi", rotation, shift)

    def save(self, folder: Path) -> None:
        """Write into ``folder``."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ruler"}
        _save(folder / _CAMERAS, data | {f"ruler_{f.name}": getattr(self.ruler, f.name) for f in fields(EyeRuler)})

    @classmethod
    def load(cls, folder: Path) -> Cameras | None:
        """Return what ``save`` wrote, or None when there is nothing to resume from."""
        data = _load(folder / _CAMERAS)
        if data is None:
            return None
        ruler = EyeRuler(**{f.name: float(data.pop(f"ruler_{f.name}")) for f in fields(EyeRuler)})
        numbers = {name: float(data.pop(name)) for name in ("fx", "fy", "cx", "cy", "radial")}
        return cls(**numbers, source=str(data.pop("source")), ruler=ruler, **data)


@dataclass(frozen=True)
class Clip:
    """Frames with masks, and their cameras: what a trainer gets. Both have the same length."""

    frames: Frames
    cameras: Cameras


def read_png(path: Path) -> np.ndarray:
    """Return a picture as uint8: (H, W, 3) RGB or (H, W) grey. Raises OSError when it cannot be read."""
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise OSError(f"{path} is not a picture")
    return np.ascontiguousarray(picture[..., ::-1]) if picture.ndim == 3 else picture


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) RGB or (H, W) grey uint8, by rename. Raises OSError, as on a full disk (OpenCV's own writer would not say)."""
    _, data = cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _save(path: Path, data: dict) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, **data)
    part.replace(path)


def _load(path: Path) -> dict | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}
