# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faces are refused, and what an artist is warned of: exactly one whole, frontal, open-eyed face.

The thresholds were set on 45 pictures (studio portraits, phone selfies, stills of acting and talking people, rendered
heads with known blinks and turns); each is stated with the values that it lies between.
"""
from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ..contract.errors import GazeSplatError
from .face_model import EYE_CORNERS, EYE_LIDS, EYES, IRISES, LIPS, OVAL
from .landmarks import Face, warp

Warn = Callable[[str, str, str], None]

SMALLEST_FACE_PX = 60
ADVISED_FACE_PX = 250
OTHER_FACE_SHARE = 0.4          # smaller faces stand in the background
LYING_ROLL_DEG = 60.0           # no neck bends that far: the picture lies on its side
PROFILE_YAW_DEG = 42.0          # the far iris is half hidden by the nose beyond; a true 40 is read as 39 to 40.5
TURNED_YAW_DEG = 25.0
# Lid gap over iris diameter at the pupil: open eyes 0.42 to 1.0, three quarters closed 0.25, closed below 0.1 (a calm blink 0.18).
CLOSED_APERTURE, NARROW_APERTURE = 0.20, 0.33
CLOSED_SCORE, NARROW_SCORE = 0.62, 0.45   # MediaPipe's eyeBlink: closed 0.56 to 0.80, half closed 0.3, looking down at most 0.47
GOOD_IRIS_PX, LEAST_IRIS_PX = 8.0, 5.0
# Readings of one face in shifted crops agree where it is seen: rms spread in percent of its size. Mouth 0.2 to 0.6, behind
# hands 0.6 to 1.1, behind a cup 2.9; jaw 0.3 to 0.8 (frontal), with hands on it 1.3 to 3.
MOUTH_SPREAD, SURE_MOUTH_SPREAD, JAW_SPREAD = 0.006, 0.015, 0.0115
# Log ratio of red to green, lips less the skin round them: 0.10 to 1.2, a covered half -0.1 to 0.03 (very dark skin too).
LEAST_LIP_RED = 0.06
# Dark rims: grey steps as a share of skin brightness. Thick frames 0.14 and 0.19, bare faces at most 0.10 and 0.16, never both.
GLASSES_BRIDGE, GLASSES_RIM = 0.105, 0.12

_JAWS = ((397, 365, 379, 378), (172, 136, 150, 149))
_INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_PATCH_PX = 200                 # the upright crop in which appearance is judged; the face fills 60 %


def the_one_face(faces: list[Face], warn: Warn) -> Face:
    """Return the only face that can be meant.

    Raises GazeSplatError ``no-face``, ``several-faces`` or ``face-too-small``.
    """
    if not faces:
        raise GazeSplatError("no-face", "There is no face to be found in this photo.",
                             "Use an upright photo that shows one face from the front, in even light.")
    largest, *others = sorted(faces, key=lambda face: -face.size_px)
    rivals = [face for face in others if face.size_px > OTHER_FACE_SHARE * largest.size_px]
    if rivals:
        raise GazeSplatError("several-faces", f"There are {len(rivals) + 1} faces in this photo.",
                             "Crop it to one person, or choose another photo.")
    if largest.size_px < SMALLEST_FACE_PX:
        raise GazeSplatError("face-too-small", f"The face is only {largest.size_px:.0f} pixels high.",
                             f"Use a photo in which it has at least {ADVISED_FACE_PX} pixels.")
    if others:
        warn("background-face", "There is another, smaller face in the background.", "The largest face is used.")
    return largest


def check_whole(face: Face, shape: tuple[int, int]) -> None:
    """Raise ``face-cut`` when the face's outline leaves a picture of this (height, width)."""
    x, y = face.points_px[list(OVAL), :2].T
    if ((x < 1) | (y < 1) | (x > shape[1] - 1) | (y > shape[0] - 1)).mean() > 0.05:
        raise GazeSplatError("face-cut", "The face is cut by the edge of the photo.",
                             "Use a photo that shows the whole head with some space around it.")


def check_upright(face: Face) -> None:
    """Raise ``photo-sideways`` when the picture was not turned the way it was taken."""
    roll_deg = np.degrees(face.roll_rad)
    if abs(roll_deg) > LYING_ROLL_DEG:
        which = "upside down" if abs(roll_deg) > 135.0 else "on its side"
        raise GazeSplatError("photo-sideways", f"The photo lies {which}.", "Turn it so that the head is upright, and save it again.")


def check_eyes_open(face: Face, warn: Warn) -> None:
    """Raise ``eyes-closed`` when an eye is shut; warn of eyes that are nearly so."""
    shut, narrow = [], []
    for side in EYES:
        aperture, score = lid_aperture(face.points_px, side), face.blendshapes[f"eyeBlink{side.capitalize()}"]
        if score > CLOSED_SCORE or (aperture < CLOSED_APERTURE and score > NARROW_SCORE):
            shut.append(side)
        elif aperture < NARROW_APERTURE and score > 0.3:
            narrow.append(side)
    if shut:
        which = "The eyes are" if len(shut) == 2 else f"The subject's {shut[0]} eye is"
        raise GazeSplatError("eyes-closed", f"{which} closed in this photo.", "Use a photo with open eyes: their look is taken from it.")
    if narrow:
        warn("eyes-narrow", "The eyes are nearly closed in this photo, so most of the irises is guessed.",
             "Use a photo with wider open eyes.")


def lid_aperture(points_px: np.ndarray, side: str) -> float:
    """Return the gap between the lids at the pupil over the iris' diameter, given landmarks (478, 3)."""
    upper, lower = (points_px[i, :2] for i in EYE_LIDS[side])
    centre, *limbus = (points_px[i, :2] for i in IRISES[side])
    return float(np.linalg.norm(upper - lower) / (2.0 * np.linalg.norm(np.array(limbus) - centre, axis=1).mean()))


def check_turn(yaw_deg: float, warn: Warn) -> None:
    """Raise ``profile-view`` for a head that is turned too far; warn when its far side is mostly guessed."""
    if abs(yaw_deg) > PROFILE_YAW_DEG:
        raise GazeSplatError("profile-view", f"The head is turned {abs(yaw_deg):.0f} degrees away from the camera.",
                             "Use a photo in which both eyes face the camera.")
    if abs(yaw_deg) > TURNED_YAW_DEG:
        warn("turned-head", f"The head is turned {abs(yaw_deg):.0f} degrees, so its far side is guessed.",
             "A photo from the front gives both sides.")


def check_detail(face: Face, iris_px: float, warn: Warn) -> None:
    """Warn of faces and irises (radius ``iris_px``) that have too few pixels for close-ups."""
    better = "A photo in which the face has 500 pixels or more shows lashes and irises."
    if iris_px < LEAST_IRIS_PX:
        warn("low-resolution", f"The irises are only {2 * iris_px:.0f} pixels wide, so eyes stay blurred and gaze is read roughly.", better)
    elif face.size_px < ADVISED_FACE_PX:
        warn("low-resolution", f"The face is {face.size_px:.0f} pixels high, so close-ups will look soft.", better)
    elif iris_px < GOOD_IRIS_PX:
        warn("low-resolution", f"The irises are {2 * iris_px:.0f} pixels wide, so close-ups of the eyes will look soft.", better)


def check_appearance(picture: np.ndarray, face: Face, yaw_deg: float, warn: Warn) -> None:
    """Warn when something covers the face, or frames of glasses; picture (H, W, 3) uint8, ``face`` refined in it."""
    patch, points = _upright_patch(picture, face)
    if _is_covered(patch, points, face, yaw_deg):
        warn("occluded", "Something covers a part of the face, such as a hand or a cup.",
             "It will stick to the skin: use a photo that shows the whole face.")
    if _wears_glasses(patch, points):
        warn("glasses", "Glasses are read as part of the skin and do not stand off the face.",
             "Use a photo without glasses for views from the side.")


def _is_covered(patch: np.ndarray, points: np.ndarray, face: Face, yaw_deg: float) -> bool:
    spread = face.spread_px / face.size_px
    mouth = spread[list(LIPS)].mean()
    jaw = max(spread[list(side)].mean() for side in _JAWS)
    hidden_lips = min(_lip_redness(patch, points)) < LEAST_LIP_RED
    return bool(mouth > SURE_MOUTH_SPREAD or (mouth > MOUTH_SPREAD and hidden_lips) or (jaw > JAW_SPREAD and abs(yaw_deg) < TURNED_YAW_DEG))


def _lip_redness(patch: np.ndarray, points: np.ndarray) -> list[float]:
    """Return for both halves of the mouth how much redder the lips are than the skin round them (log ratio)."""
    linear = np.clip(patch, 0.004, 1.0) ** 2.2
    red = np.log(linear[..., 0] / linear[..., 1])
    outer, inner = _filled(points[list(LIPS)]), _filled(points[list(_INNER_LIPS)])
    lips = outer & ~_grown(inner, 1) if inner.sum() > 30 else outer
    skin = _grown(outer, 10) & ~_grown(outer, 3)
    left = np.arange(_PATCH_PX)[None, :] < points[13, 0]
    return [float(np.median(red[lips & half]) - np.median(red[skin & half])) if (lips & half).sum() > 8 else 0.0 for half in (left, ~left)]


def _wears_glasses(patch: np.ndarray, points: np.ndarray) -> bool:
    """Return whether dark rims cross the bridge of the nose and run below both eyes. Thin frames go unnoticed."""
    grey = cv2.GaussianBlur(patch.mean(axis=2), (0, 0), 1.0)
    skin = max(0.05, float(np.median(grey[_filled(points[list(OVAL)])])))
    step = np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3)) / 8.0 / skin
    middle = (points[EYE_CORNERS["right"][1]] + points[EYE_CORNERS["left"][1]]) / 2
    reach = 0.18 * abs(points[EYE_CORNERS["left"][1], 0] - points[EYE_CORNERS["right"][1], 0])
    bridge = _strongest_row(step, (points[9, 1] + points[168, 1]) / 2, points[197, 1] + 1, middle[0], reach)
    rims = []
    for side, (_, lower) in EYE_LIDS.items():
        x, y = points[lower]
        half = 0.4 * abs(points[EYE_CORNERS[side][0], 0] - points[EYE_CORNERS[side][1], 0])
        rims.append(_strongest_row(step, y + 4, y + 0.35 * (points[1, 1] - y) + 8, x, half))
    return bridge > GLASSES_BRIDGE and min(rims) > GLASSES_RIM


def _strongest_row(step: np.ndarray, top: float, bottom: float, x: float, reach: float) -> float:
    """Return the largest mean of ``step`` along a row of a box: edges that run all the way across."""
    box = step[max(0, int(top)):max(0, int(bottom)), max(0, int(x - reach)):max(0, int(x + reach) + 1)]
    return float(box.mean(axis=1).max()) if box.size else 0.0


def _upright_patch(picture: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Return an upright crop (200, 200, 3) float32 0..1 and the landmarks (478, 2) in it."""
    to_patch = cv2.getRotationMatrix2D((0.0, 0.0), np.degrees(face.roll_rad), 0.6 * _PATCH_PX / face.size_px)
    to_patch[:, 2] = _PATCH_PX / 2 - to_patch[:, :2] @ face.centre_px
    patch = warp(picture, to_patch, (_PATCH_PX, _PATCH_PX)).astype(np.float32) / 255.0
    return patch, face.points_px[:, :2] @ to_patch[:, :2].T + to_patch[:, 2]


def _filled(outline: np.ndarray) -> np.ndarray:
    mask = np.zeros((_PATCH_PX, _PATCH_PX), np.uint8)
    hull = cv2.convexHull(outline.astype(np.float32))
    return cv2.fillPoly(mask, [np.round(hull).astype(np.int32)], 1) > 0


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0
