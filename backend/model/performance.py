# SPDX-License-Identifier: GPL-3.0-or-later
"""One actor's eyes, lids and head in one frame after the other.

Two readings of the eyes are combined: MediaPipe's eyeLook scores, which were trained on faces at any pose, and the irises'
place between the lid corners over their diameter. Both were held against rendered heads with known gaze (two identities, yaw
±20, pitch ±10): 27 degrees of yaw and 42 of pitch a score, and the geometry's yaw reads 1.25 times too large because the corners
turn away with the lid. Their errors differ, so the mean of both is better than either (0.9 and 1.1 degrees alone, 0.8 together).
"""
from __future__ import annotations

import cv2
import numpy as np

from ...gazesplat_addon.gaze.capture import Readings
from .face_checks import lid_aperture
from .face_model import EYE_CORNERS, IRISES, face_model
from .landmarks import Face, FaceReader
from .scan import EyeRuler

YAW_DEG_PER_SCORE = 27.0
PITCH_DEG_PER_SCORE = 42.0
LEVEL_SCORE = -0.27          # of up less down, when the gaze is level: open lids read as a look down
GEOMETRY_GAIN = 0.8
_LEVER = EyeRuler().lever_yaw_m / EyeRuler().iris_diameter_m    # in iris diameters
NARROWED = 0.15              # closing share from which the lids hide so much iris that only the scores are used
FIELD_PX_PER_WIDTH = 1.2     # focal length over the frame's longer side: a phone's main camera; a clip does not say
RIVAL_SHARE = 0.5            # of the followed face's size: as large a second one could be meant


class PerformanceReader:
    """Follows one face through frames; ``read`` them in order."""

    def __init__(self, reader: FaceReader) -> None:
        self._reader = reader
        self._last: Face | None = None
        self._frames = self._shared = 0

    @property
    def crowded(self) -> float:
        """Share of the frames in which another face was about as large."""
        return self._shared / max(self._frames, 1)

    def read(self, picture: np.ndarray) -> dict | None:
        """Return what one picture (H, W, 3) uint8 says, or None without a face."""
        self._frames += 1
        face = self._follow(picture)
        if face is None:
            return None
        self._last = face
        readings = [one for one in (self._reader.reread(picture, face, mirrored) for mirrored in (False, True)) if one is not None]
        if not readings:
            return None
        points = np.mean([one.points_px for one in readings], axis=0)
        eyes = [i for side in IRISES.values() for i in side] + [i for side in EYE_CORNERS.values() for i in side]
        apart = [np.linalg.norm(one.points_px[eyes, :2] - points[eyes, :2], axis=1).mean() for one in readings]
        scores = {name: float(np.mean([one.blendshapes[name] for one in readings])) for name in readings[0].blendshapes}
        rotation, place_cm = _head_pose(points, picture.shape)
        return {"score_yaw": _score_yaw(scores), "score_pitch": _score_pitch(scores), "geometry": _geometry(points),
                "aperture": [lid_aperture(points, side) for side in ("left", "right")], "rotation": rotation, "place_cm": place_cm,
                "spread": float(np.mean(apart) / face.size_px) if len(readings) > 1 else 1.0}

    def readings(self, times_s: np.ndarray, rows: list[dict | None]) -> Readings:
        """Return all frames as arrays, NaN where no face was found."""
        count = len(rows)
        eye, aperture = np.full((count, 2), np.nan), np.full((count, 2), np.nan)
        turn, place, spread = np.full((count, 3), np.nan), np.full((count, 3), np.nan), np.full(count, np.inf)
        open_aperture = np.quantile([np.mean(row["aperture"]) for row in rows if row is not None], 0.7)
        for i, row in enumerate(rows):
            if row is None:
                continue
            closing = np.clip((1 - np.mean(row["aperture"]) / open_aperture) / NARROWED, 0.0, 1.0)
            geometry = 0.5 * (1 - closing)
            eye[i] = (1 - geometry) * row["score_yaw"] + geometry * row["geometry"], row["score_pitch"]
            aperture[i], spread[i] = row["aperture"], row["spread"]
            turn[i], place[i] = _turn_deg(row["rotation"]), np.array([row["place_cm"][0], row["place_cm"][2], -row["place_cm"][1]]) / 100
        return Readings(np.asarray(times_s, float), eye, aperture, turn, place, spread)

    def _follow(self, picture: np.ndarray) -> Face | None:
        found = self._reader.read(picture) or self._reader.find(picture)
        if not found:
            return None
        if self._last is None:
            face = max(found, key=lambda one: one.size_px)
        else:
            last = self._last
            face = min(found, key=lambda one: np.linalg.norm(one.centre_px - last.centre_px) / last.size_px
                       + abs(np.log(one.size_px / last.size_px)))
        self._shared += any(one is not face and one.size_px > RIVAL_SHARE * face.size_px for one in found)
        return face


def _score_yaw(scores: dict[str, float]) -> float:
    left = scores["eyeLookOutLeft"] - scores["eyeLookInLeft"]
    right = scores["eyeLookInRight"] - scores["eyeLookOutRight"]
    return YAW_DEG_PER_SCORE * 0.5 * (left + right)


def _score_pitch(scores: dict[str, float]) -> float:
    up = 0.5 * (scores["eyeLookUpLeft"] + scores["eyeLookUpRight"])
    down = 0.5 * (scores["eyeLookDownLeft"] + scores["eyeLookDownRight"])
    return PITCH_DEG_PER_SCORE * (up - down - LEVEL_SCORE)


def _geometry(points_px: np.ndarray) -> float:
    """Return the eyes' yaw in degrees from where the irises lie between the corners."""
    shares = []
    for side in ("left", "right"):
        centre, *limbus = (points_px[i, :2] for i in IRISES[side])
        outer, inner = (points_px[i, :2] for i in EYE_CORNERS[side])
        across = (outer - inner) if side == "left" else (inner - outer)    # towards the subject's left
        diameter = 2 * np.linalg.norm(np.array(limbus) - centre, axis=1).mean()
        shares.append((centre - (outer + inner) / 2) @ across / np.linalg.norm(across) / diameter)
    return float(GEOMETRY_GAIN * np.degrees(np.arcsin(np.clip(np.mean(shares) / _LEVER, -1.0, 1.0))))


def _head_pose(points_px: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation (3, 3) and place (3,) in centimetres of the canonical face in the camera (OpenCV axes), from its stable points."""
    model = face_model()
    height, width = shape[:2]
    focal = FIELD_PX_PER_WIDTH * max(width, height)
    camera = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    vertices = model.vertices[model.stable] * [1.0, -1.0, -1.0]
    seen = np.ascontiguousarray(points_px[model.stable, :2])
    _, turn, place = cv2.solvePnP(vertices, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    turn, place = cv2.solvePnPRefineLM(vertices, seen, camera, None, turn, place)
    return cv2.Rodrigues(turn)[0], place[:, 0]


def _turn_deg(rotation: np.ndarray) -> tuple[float, float, float]:
    """Return yaw (+ subject's left), pitch (+ up) and roll (+ top of the head to the subject's left) of a head in the camera."""
    forward, up = rotation @ [0.0, 0.0, -1.0], rotation @ [0.0, -1.0, 0.0]
    yaw = np.arctan2(forward[0], -forward[2])
    pitch = np.arcsin(np.clip(-forward[1], -1.0, 1.0))
    left = np.array([np.cos(yaw), 0.0, np.sin(yaw)])       # level, to the subject's left
    roll = np.arcsin(np.clip(up @ left, -1.0, 1.0))
    return tuple(np.degrees((yaw, pitch, roll)))
