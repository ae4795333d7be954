# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo file becomes a FaceScan, or a refusal: exactly one frontal, open-eyed, whole face."""
from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np

from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..eyes.contour import find_eyes
from ..eyes.gaze import estimate_rest_gaze
from . import camera as placing
from .depth import head_depth
from .face_model import OVAL
from .focal import PHONE_EQUIVALENT_MM, focal_px
from .landmarks import Face, FaceReader
from .mask import head_mask
from .photo import load_photo
from .scan import EyeRuler, FaceScan

LOG = logging.getLogger(__name__)

SMALLEST_FACE_PX = 60
ADVISED_FACE_PX = 250
OTHER_FACE_SHARE = 0.4      # smaller faces stand in the background
PROFILE_YAW_DEG = 40.0
CLOSED_BLINK_SCORE = 0.55   # MediaPipe's eyeBlink of both eyes: open eyes score below 0.35, closed ones above 0.6
CROP_FACE_SIZES = 2.35      # side of the crop: the face with its hair
CROP_UP_SHARE = 0.14
LARGEST_CROP_PX = 2000


def scan_photo(path: Path, options: dict, context: JobContext) -> FaceScan:
    """Read one photo.

    Options: ``focal_px`` (of the whole photo), ``cx``, ``cy``, ``eye_ruler`` (fields of EyeRuler), ``head_to_camera`` (3x3),
    ``rest_gaze_deg``. Raises GazeSplatError: those of load_photo, ``no-face``, ``several-faces``, ``face-too-small``,
    ``face-cut``, ``profile-view``, ``eyes-closed``.
    """
    context.emit_stage("Reading the photo", 0.1)
    photo = load_photo(path)
    ruler = _ruler(options)
    context.emit_stage("Finding the face", 0.3)
    with FaceReader() as reader:
        faces = reader.find(photo.pixels)
        face = _the_one(faces, photo.pixels.shape[:2], context)
        context.progress(0.5, "Reading landmarks")
        face = reader.refine(photo.pixels, face)
    _check_whole(face, photo.pixels.shape[:2])
    _check_open(face)

    height, width = photo.pixels.shape[:2]
    focal = float(options.get("focal_px") or focal_px(photo.lens.equivalent_mm or PHONE_EQUIVALENT_MM, width, height))
    image, landmarks, lens = _crop(photo.pixels, face.points_px, placing.Intrinsics(
        focal, float(options.get("cx", width / 2)), float(options.get("cy", height / 2))))
    context.progress(0.7, "Finding the lids and irises")
    eyes = find_eyes(image, landmarks)
    iris_px = float(np.mean([eye.radius_px for eye in eyes.values()]))
    points = placing.unproject_landmarks(landmarks, iris_px, lens, ruler)
    turn = np.asarray(options["head_to_camera"], float) if options.get("head_to_camera") else placing.head_rotation(points)
    yaw, pitch, roll = placing.head_angles_deg(turn)
    LOG.info("head yaw %.1f, pitch %.1f, roll %.1f deg; iris radius %.1f px; focal %.0f px", yaw, pitch, roll, iris_px, focal)
    if abs(yaw) > PROFILE_YAW_DEG:
        raise GazeSplatError("profile-view", f"The head is turned {abs(yaw):.0f} degrees away from the camera.",
                             "Use a photo in which both eyes face the camera.")
    _advise(face, iris_px, context)
    irises = np.stack([lens.rays(eye.iris_px) * lens.focal * 0.5 * ruler.iris_diameter_m / iris_px for eye in eyes.values()])
    axes = -irises / np.linalg.norm(irises, axis=1, keepdims=True)
    placement = placing.portrait_to_camera(turn, irises, axes, ruler.lever_yaw_m)

    context.emit_stage("Separating the head", 0.1)
    mask = head_mask(image, landmarks)
    context.emit_stage("Finding the depth", 0.1)
    depth = head_depth(mask, landmarks, points, lens.focal)
    scan = FaceScan(image, landmarks, face.blendshapes, lens.focal, lens.focal, lens.cx, lens.cy, placement, mask,
                    depth.front_m, depth.back_m, eyes, ruler)
    averted = estimate_rest_gaze(scan)
    if averted and options.get("rest_gaze_deg") is None:
        context.warn("averted-gaze", "The eyes in this photo do not look into the camera.",
                     "Their direction is estimated; for the most natural gaze use a photo that looks into the lens.")
    return scan


def _ruler(options: dict) -> EyeRuler:
    given = options.get("eye_ruler") or {}
    known = {f.name for f in fields(EyeRuler)}
    if set(given) - known or not all(isinstance(v, (int, float)) and 0.001 < v < 0.05 for v in given.values()):
        raise GazeSplatError("bad-eye-ruler", "The eye ruler holds a length that no eye has.",
                             f"Give {', '.join(sorted(known))} in metres, between 0.001 and 0.05.")
    return EyeRuler(**given)


def _the_one(faces: list[Face], shape: tuple[int, int], context: JobContext) -> Face:
    if not faces:
        raise GazeSplatError("no-face", "There is no face to be found in this photo.",
                             "Use a photo that shows one face from the front, in even light.")
    largest = max(faces, key=lambda f: f.size_px)
    others = [f for f in faces if f is not largest]
    rivals = [f for f in others if f.size_px > OTHER_FACE_SHARE * largest.size_px]
    if rivals:
        raise GazeSplatError("several-faces", f"There are {len(rivals) + 1} faces in this photo.",
                             "Crop it to one person, or choose another photo.")
    if largest.size_px < SMALLEST_FACE_PX:
        raise GazeSplatError("face-too-small", f"The face is only {largest.size_px:.0f} pixels high.",
                             f"Use a photo in which it has at least {ADVISED_FACE_PX} pixels.")
    if others:
        context.warn("background-face", "There is another, smaller face in the background.", "The largest face is used.")
    return largest


def _check_whole(face: Face, shape: tuple[int, int]) -> None:
    x, y = face.points_px[list(OVAL), :2].T
    outside = (x < 1) | (y < 1) | (x > shape[1] - 1) | (y > shape[0] - 1)
    if outside.mean() > 0.05:
        raise GazeSplatError("face-cut", "The face is cut by the edge of the photo.",
                             "Use a photo that shows the whole head with some space around it.")


def _check_open(face: Face) -> None:
    if min(face.blendshapes["eyeBlinkLeft"], face.blendshapes["eyeBlinkRight"]) > CLOSED_BLINK_SCORE:
        raise GazeSplatError("eyes-closed", "The eyes are closed in this photo.", "Use a photo with open eyes: their look is taken from it.")


def _advise(face: Face, iris_px: float, context: JobContext) -> None:
    if face.size_px < ADVISED_FACE_PX:
        context.warn("low-resolution", f"The face is {face.size_px:.0f} pixels high, so close-ups will look soft.",
                     f"A photo in which it has {2 * ADVISED_FACE_PX} pixels or more shows lashes and irises.")
    elif iris_px < 8.0:
        context.warn("low-resolution", f"The irises are {2 * iris_px:.0f} pixels wide, so close-ups of the eyes will look soft.",
                     "Use a larger photo for close-ups.")


def _crop(pixels: np.ndarray, landmarks: np.ndarray, lens: placing.Intrinsics) -> tuple[np.ndarray, np.ndarray, placing.Intrinsics]:
    """Cut the head out and bring it to a working size; landmarks and intrinsics follow."""
    box = landmarks[:468, :2]
    size = np.ptp(box, axis=0)
    side = CROP_FACE_SIZES * size.max()
    centre = 0.5 * (box.min(0) + box.max(0)) - [0.0, CROP_UP_SHARE * size[1]]
    low = np.maximum(np.floor(centre - side / 2), 0).astype(int)
    high = np.minimum(np.ceil(centre + side / 2), pixels.shape[1::-1]).astype(int)
    cut = pixels[low[1]:high[1], low[0]:high[0]]
    scale = min(1.0, LARGEST_CROP_PX / max(cut.shape[:2]))
    if scale < 1.0:
        cut = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    points = (landmarks - [low[0], low[1], 0.0]) * scale
    moved = placing.Intrinsics(lens.focal * scale, (lens.cx - low[0]) * scale, (lens.cy - low[1]) * scale)
    return np.ascontiguousarray(cut, np.float32) / np.float32(255.0), points, moved
