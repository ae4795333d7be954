# SPDX-License-Identifier: GPL-3.0-or-later
"""What eyes that came from a clip are built again from: ``portrait.frames.npz``, beside the scan and the picture of their own frame.

It keeps the other frames' parts round the eyes, to which built eyes are fitted, and the trained head's splats that the eyes replaced,
so that the head can be had as it was trained. Frames themselves are not kept: clips are large, and show more than a face.
A head from elsewhere keeps what its eyes replaced in the same way, and has no other frames.
"""
from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...gazesplat_addon.rig.eye_marks import SIDES
from ...gazesplat_addon.splat.arrays import Splats, concatenate
from ...gazesplat_addon.splat.npz import read_arrays
from ..contract import result
from ..contract.errors import GazeSplatError
from ..render import Camera
from .eye_views import MOST_VIEWS, EyeView

VERSION = 1
MOST_VIEW_PIXELS = 24_000_000     # of all parts together: sixteen of a face that fills frames of 2160 pixels
MOST_UNDER = 200_000              # as many as a trained head has
_UNDER = "under_"
_LARGEST_M = 1e3


@dataclass(frozen=True)
class KeptFrames:
    """What a rebuild wants to know of a clip.

    mask           (H, W) float32 0..1, the head in the frame that the eyes are built from
    rest_gaze_deg  where the eyes look in it (yaw, pitch)
    views          the other frames' parts round the eyes
    under          the trained splats that the eyes replaced
    drawn          the sides whose lids an artist has drawn
    """

    mask: np.ndarray
    rest_gaze_deg: tuple[float, float]
    views: list[EyeView]
    under: Splats
    drawn: frozenset[str] = frozenset()

    def save(self, folder: Path) -> None:
        """Write it beside a portrait. Pictures and masks come from 8 bits and are kept in 8 bits."""
        cameras = [view.camera for view in self.views]
        under = {_UNDER + f.name: getattr(self.under, f.name).astype(np.float32) for f in fields(Splats)}
        part = folder / f"{result.FRAMES}.part"
        with part.open("wb") as handle:
            np.savez_compressed(
                handle, version=np.int32(VERSION), mask=_bytes(self.mask), rest_gaze_deg=np.array(self.rest_gaze_deg, float),
                drawn=np.array([side in self.drawn for side in SIDES]),
                sizes=np.array([(one.width, one.height) for one in cameras], np.int32).reshape(-1, 2),
                lenses=np.array([(one.fx, one.fy, one.cx, one.cy, *_sensor(one)) for one in cameras], float).reshape(-1, 8),
                w2c=np.array([one.w2c for one in cameras], float).reshape(-1, 4, 4),
                pixels=_joined([view.image for view in self.views]), masks=_joined([view.mask for view in self.views]), **under)
        part.replace(folder / result.FRAMES)


def load_frames(folder: Path, size_px: tuple[int, int], head: Splats) -> tuple[KeptFrames, Splats]:
    """Return what ``KeptFrames.save`` wrote beside a portrait whose frame has this size (H, W), and the head as it was trained.

    ``head`` are the portrait's splats without its eyes. Raises GazeSplatError ``no-scan``, ``bad-scan``, ``scan-newer``.
    """
    path, again = folder / result.FRAMES, "Reconstruct the portrait from its clip once more."
    if not path.is_file():
        raise GazeSplatError("no-scan", f"There is no {path.name} beside the portrait, so its eyes cannot be built again.", again)
    columns = {"means": 3, "scales": 3, "rotations": 4, "opacities": 1, "colours": 3, "sh_rest": 45}
    most = {"version": 8, "mask": size_px[0] * size_px[1], "rest_gaze_deg": 16, "drawn": len(SIDES), "sizes": 8 * MOST_VIEWS,
            "lenses": 64 * MOST_VIEWS, "w2c": 128 * MOST_VIEWS, "pixels": 3 * MOST_VIEW_PIXELS, "masks": MOST_VIEW_PIXELS}
    try:
        version = int(read_arrays(path, {"version": 8})["version"])
        if version > VERSION:
            raise GazeSplatError("scan-newer", f"{path.name} was written by a newer GazeSplat (format {version}).", "Update the extension.")
        found = read_arrays(path, most | {_UNDER + name: 4 * MOST_UNDER * count for name, count in columns.items()})
        under = Splats(*(_finite(found[_UNDER + f.name]).astype(np.float32) for f in fields(Splats)))
        if under.sh_rest.shape[1] != head.sh_rest.shape[1] or not _sound(under):
            raise ValueError("its splats are no part of this head")
        kept = KeptFrames(_shaped(found["mask"], size_px), _gaze(found["rest_gaze_deg"]), _views(found), under,
                          frozenset(side for side, drawn in zip(SIDES, found["drawn"].ravel(), strict=True) if drawn))
    except (ValueError, TypeError, OSError) as error:
        raise GazeSplatError("bad-scan", f"{path.name} is damaged ({error}).", again) from error
    return kept, concatenate([head, under])


def _views(found: dict[str, np.ndarray]) -> list[EyeView]:
    count = len(found["sizes"])
    if found["sizes"].shape != (count, 2) or found["lenses"].shape != (count, 8) or found["w2c"].shape != (count, 4, 4):
        raise ValueError("its cameras are not whole")
    sizes = found["sizes"].astype(int)
    ends = np.cumsum(sizes.prod(1))
    whole = (ends[-1] if count else 0) == found["masks"].size and found["pixels"].size == 3 * found["masks"].size
    if not whole or not ((sizes >= 1) & (sizes <= MOST_VIEW_PIXELS)).all():
        raise ValueError("its pictures are not whole")
    lenses, w2c = _finite(found["lenses"]), _finite(found["w2c"])
    turns = w2c[:, :3, :3]
    if not np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-3):
        raise ValueError("its cameras are no cameras")
    pictures, masks = np.split(found["pixels"].ravel(), 3 * ends[:-1]), np.split(found["masks"].ravel(), ends[:-1])
    return [EyeView(_shaped(picture, (height, width, 3)), _shaped(mask, (height, width)),
                    Camera(width, height, *lens[:4], pose, sensor=tuple(lens[4:])))
            for picture, mask, (width, height), lens, pose in zip(pictures[:count], masks[:count], sizes.tolist(), lenses.tolist(), w2c,
                                                                  strict=True)]


def _sensor(camera: Camera) -> tuple[float, float, float, float]:
    return camera.sensor or (0.0, 0.0, float(camera.width), float(camera.height))


def _sound(splats: Splats) -> bool:
    """Return whether splats have places, sizes and turns as a head's have."""
    placed = (np.abs(splats.means) < _LARGEST_M).all() and (np.linalg.norm(splats.rotations, axis=1) > 0.5).all()
    return bool(placed and ((splats.scales > 0.0) & (splats.scales < _LARGEST_M)).all()
                and ((splats.opacities >= 0.0) & (splats.opacities <= 1.0)).all())


def _gaze(values: np.ndarray) -> tuple[float, float]:
    yaw, pitch = map(float, _finite(values))
    return yaw, pitch


def _finite(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise ValueError("it holds numbers that are none")
    return values


def _shaped(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.dtype != np.uint8:
        raise ValueError("its pictures are no bytes")
    return values.reshape(shape).astype(np.float32) / np.float32(255.0)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def _joined(pictures: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.uint8), *(_bytes(picture).ravel() for picture in pictures)])
