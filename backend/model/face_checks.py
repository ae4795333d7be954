# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faces are refused, and what an artist is warned of: exactly one whole, frontal, open-eyed face.

The thresholds were set on 45 pictures (studio portraits, phone selfies, stills of acting and talking people, rendered
heads with known blinks and turns); each is stated with the values that it lies between.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..contract.errors import GazeSplatError
from .face_model import EYE_LIDS, EYES, IRISES, OVAL
from .landmarks import Face

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
