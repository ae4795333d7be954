# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a clip's masks and cameras are found, against rendered heads whose own are known.

The original's masks, for comparison: an ellipse round the face's box, as a tracker of faces alone can give.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..video.clip import Cameras, Frames

# The ellipse that holds hair and ears for most heads: wider and higher than the face's box, its middle a little above.
ELLIPSE_WIDER, ELLIPSE_HIGHER, ELLIPSE_UP = 1.5, 1.7, 0.15
_NOT_HEAD = ("background", "cloth")


@dataclass(frozen=True)
class Truth:
    """What the rendered clip in ``folder`` holds: its meta.json and its request's intrinsics and eye ruler."""

    folder: Path
    meta: dict
    request: dict

    @classmethod
    def read(cls, folder: Path) -> Truth:
        """Read a clip's folder."""
        return cls(folder, *(json.loads((folder / name).read_text("utf-8")) for name in ("meta.json", "request.json")))

    def files(self) -> list[str]:
        """Return the clip's pictures in order."""
        return list(self.request["frames"])

    def eye_ruler(self) -> dict:
        """Return the option ``eye_ruler`` of this clip, or nothing."""
        ruler = self.request.get("eye_ruler")
        return {} if ruler is None else {
            "iris_diameter_m": ruler["iris_diameter_m"], "lever_yaw_m": ruler["centre_to_iris_m"],
            "lever_pitch_m": ruler["centre_to_iris_m"], "globe_radius_m": ruler["eyeball_radius_m"]}

    def frames(self, role: str) -> list[dict]:
        """Return meta.json's entries of a role: "frame", or "test" for held-out views."""
        return [frame for frame in self.meta["frames"] if frame["role"] == role]

    def picture(self, frame: dict) -> np.ndarray:
        """Return a frame's picture (H, W, 3) RGB 0..1."""
        return cv2.imread(str(self.folder / frame["file"]))[..., ::-1].astype(np.float32) / np.float32(255.0)

    def class_map(self, frame: dict) -> np.ndarray:
        """Return a frame's classes (H, W), indices into meta.json's list."""
        return cv2.imread(str(self.folder / f"{Path(frame['file']).stem}_id.png"), cv2.IMREAD_GRAYSCALE)

    def head_in(self, frame: dict) -> np.ndarray:
        """Return where the head is (H, W) bool in a frame of any role."""
        return ~np.isin(self.class_map(frame), [self.meta["classes"].index(name) for name in _NOT_HEAD])

    def head_mask(self, index: int) -> np.ndarray:
        """Return where the head is (H, W) bool in picture ``index``."""
        classes = self.meta["classes"]
        picture = cv2.imread(str(self.folder / self.files()[index].replace(".jpg", "_id.png")), cv2.IMREAD_GRAYSCALE)
        return ~np.isin(picture, [classes.index(name) for name in _NOT_HEAD])

    def head_to_camera(self, indices: np.ndarray) -> np.ndarray:
        """Return (F, 4, 4) from the first frame's head to the cameras: a turning head is a moving camera."""
        by_file = {frame["file"]: frame for frame in self.meta["frames"]}
        frames = [by_file[self.files()[int(i)]] for i in indices]
        back = np.linalg.inv(np.array(self.meta["frames"][0]["head_to_world"]))
        return np.array([np.array(frame["camera"]["w2c"]) @ np.array(frame["head_to_world"]) @ back for frame in frames])


def mask_figures(frames: Frames, truth: Truth) -> dict[str, float]:
    """Return intersection over union with the true head: mean and worst frame, and the mean of the ellipses."""
    ours, ellipses = [], []
    for i in range(len(frames)):
        true = truth.head_mask(int(frames.index[i]))
        ours.append(_overlap(frames.mask(i) > 0.5, true))
        if frames.with_face[i]:
            ellipses.append(_overlap(ellipse_mask(frames.landmarks_px[i], true.shape), true))
    return {"iou": round(float(np.mean(ours)), 4), "iou_worst": round(float(np.min(ours)), 4),
            "iou_of_ellipses": round(float(np.mean(ellipses)), 4)}


def ellipse_mask(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the ellipse (H, W) bool round the box of landmarks (478, 3)."""
    low, high = landmarks[:468, :2].min(axis=0), landmarks[:468, :2].max(axis=0)
    size = high - low
    x, y = (low + high) / 2 - [0.0, ELLIPSE_UP * size[1]]
    rows, columns = np.mgrid[:shape[0], :shape[1]] + 0.5
    return ((columns - x) / (ELLIPSE_WIDER * size[0] / 2)) ** 2 + ((rows - y) / (ELLIPSE_HIGHER * size[1] / 2)) ** 2 < 1.0


def camera_figures(frames: Frames, cameras: Cameras, truth: Truth) -> dict[str, float | str]:
    """Return centre errors (mm) and rotation errors (degrees), rms and largest, after the best similarity; and the scale's error.

    The portrait frame has its own origin and tilt, so a similarity lies between it and the truth; its scale says how far
    the irises' metric scale is off.
    """
    true = truth.head_to_camera(frames.index)
    centres = -np.einsum("fji,fj->fi", true[:, :3, :3], true[:, :3, 3])
    found = cameras.world_to_camera[:, :3, :3]
    scale, turn, shift = similarity(cameras.centres, centres)
    off = np.linalg.norm(scale * cameras.centres @ turn.T + shift - centres, axis=1) * 1000.0
    left = np.einsum("fij,kj,flk->fil", found, turn, true[:, :3, :3])
    own = np.einsum("fji,fjk->ik", true[:, :3, :3], found)
    u, _, vt = np.linalg.svd(own)
    best = np.einsum("fij,kj,flk->fil", found, u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt, true[:, :3, :3])
    return {"road": cameras.source, "cameras": len(cameras), "focal_px": round(cameras.fx, 1),
            "focal_error_percent": round(100.0 * (cameras.fx / truth.request["intrinsics"]["fx"] - 1.0), 2),
            "centre_rms_mm": round(float(np.sqrt((off ** 2).mean())), 3), "centre_max_mm": round(float(off.max()), 3),
            "rotation_mean_deg": round(float(angles_deg(left).mean()), 3), "rotation_max_deg": round(float(angles_deg(left).max()), 3),
            "pose_mean_deg": round(float(angles_deg(best).mean()), 3), "scale_error_percent": round(100.0 * (1.0 / scale - 1.0), 2)}


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return scale, rotation and shift that lay points (N, 3) best over others (Umeyama 1991)."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, singular, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    turn = u @ np.diag(sign) @ vt
    scale = float((singular * sign).sum() / (a ** 2).sum())
    return scale, turn, target.mean(axis=0) - scale * turn @ source.mean(axis=0)


def angles_deg(turns: np.ndarray) -> np.ndarray:
    """Return the angles (F,) in degrees by which rotations (F, 3, 3) turn."""
    return np.degrees(np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1.0) / 2.0, -1.0, 1.0)))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))
