# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo file becomes a FaceScan, or a refusal: exactly one frontal, open-eyed, whole face."""
from __future__ import annotations

import logging
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.eye_marks import Crop
from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..eyes.contour import EyeContour
from ..eyes.correction import corrected_eyes
from ..eyes.find_eyes import find_eyes
from ..eyes.gaze import estimate_rest_gaze, round_irises
from . import camera as placing
from . import depth_network, face_checks, hints
from .depth import head_depth
from .focal import focal_px
from .kept_scan import marks_in_crop
from .landmarks import FaceReader
from .mask import head_mask
from .perspective import estimate_equivalent_mm
from .photo import Photo, load_photo
from .scan import EyeRuler, FaceScan

LOG = logging.getLogger(__name__)

CROP_FACE_SIZES = 2.35      # side of the crop: the face with its hair
CROP_UP_SHARE = 0.14
LARGEST_CROP_PX = 2000
_UNKNOWN = np.zeros((0, 0), np.float32)


def scan_photo(path: Path, options: dict, context: JobContext) -> FaceScan:
    """Read one photo.

    Options: ``focal_px``, ``cx``, ``cy`` (pixels of the whole upright photo), ``eye_ruler`` (fields of EyeRuler), ``head_to_camera`` (3x3),
    ``rest_gaze_deg``, ``eyes`` (marks as in rig/eye_marks, pixels of the whole upright photo, in place of what is found), ``depth``,
    ``depth_model``, ``allow_download`` (see depth_network). Raises GazeSplatError: those of load_photo, face_checks, eye_marks and
    depth_network, ``bad-option``, ``bad-eye-ruler``.
    """
    context.emit_stage("Reading the photo", 0.02)
    photo = load_photo(path)
    ruler = eye_ruler(options)
    depth_network.wanted(options)
    if photo.scale < 1.0:
        width, height = photo.file_size_px
        context.warn("photo-reduced", f"The photo has {width} x {height} pixels, more than a head needs, and was reduced.",
                     "Nothing needs to be done; crop it round the head to keep every pixel.")
    context.emit_stage("Finding the face", 0.29)
    with FaceReader() as reader:
        faces = reader.find(photo.pixels)
        face = face_checks.the_one_face(faces, context.warn)
        context.progress(0.1, "Reading landmarks")
        face = reader.refine(photo.pixels, face)
        face_checks.check_whole(face, photo.pixels.shape[:2])
        face_checks.check_upright(face)
        face_checks.check_eyes_open(face, context.warn)
        wander = hints.measure_wander(reader, photo.pixels, face)
    image, landmarks, lens, crop = cut_out(photo, face.points_px, _camera(photo, face.points_px, options))
    context.progress(0.3, "Finding the lids and irises")
    eyes = find_eyes(image, landmarks)
    scan = placed_scan(image, landmarks, face.blendshapes, lens, crop, eyes, ruler, options)
    averted = options.get("rest_gaze_deg") or estimate_rest_gaze(scan)
    if averted:
        eyes = round_irises(scan, averted)
    if options.get("eyes"):
        eyes, _ = corrected_eyes(eyes, marks_in_crop(options["eyes"], eyes, crop))
    scan = placed_scan(image, landmarks, face.blendshapes, lens, crop, eyes, ruler, options)
    iris_px = float(np.mean([eye.radius_px for eye in eyes.values()]))
    yaw, pitch, roll = placing.head_angles_deg(scan.portrait_to_camera[:3, :3])
    LOG.info("head yaw %.1f, pitch %.1f, roll %.1f deg; iris radius %.1f px; focal %.0f px", yaw, pitch, roll, iris_px, lens.focal)
    face_checks.check_turn(yaw, context.warn)
    face_checks.check_detail(face, iris_px, context.warn)
    hints.advise(photo.pixels, face, wander, yaw, context.warn)
    scan = with_depth(scan, options, context)
    hints.advise_of_edges(scan.head_mask, context.warn)
    if averted and options.get("rest_gaze_deg") is None:
        context.warn("averted-gaze", "The eyes in this photo do not look into the camera.",
                     "Their direction is estimated; for the most natural gaze use a photo that looks into the lens.")
    return scan


def placed_scan(image: np.ndarray, landmarks: np.ndarray, blendshapes: dict[str, float], lens: placing.Intrinsics, crop: Crop,
                eyes: dict[str, EyeContour], ruler: EyeRuler, options: dict) -> FaceScan:
    """Return the scan, still without mask and depth, with the head where the size of these irises puts it."""
    iris_px = float(np.mean([eye.radius_px for eye in eyes.values()]))
    if "iris_diameter_m" not in (options.get("eye_ruler") or {}):
        apart_px = np.append(eyes["left"].iris_px - eyes["right"].iris_px, landmarks[473, 2] - landmarks[468, 2])
        ruler = placing.personal_ruler(ruler, iris_px, float(np.linalg.norm(apart_px)), lens.focal)
    points = placing.unproject_landmarks(landmarks, iris_px, lens, ruler)
    turn = np.asarray(options["head_to_camera"], float) if options.get("head_to_camera") else placing.head_rotation(points)
    irises = np.stack([lens.rays(eye.iris_px) * lens.focal * 0.5 * ruler.iris_diameter_m / iris_px for eye in eyes.values()])
    axes = -irises / np.linalg.norm(irises, axis=1, keepdims=True)
    placement = placing.portrait_to_camera(turn, irises, axes, ruler.lever_yaw_m)
    return FaceScan(image, landmarks, blendshapes, lens.focal, lens.focal, lens.cx, lens.cy, placement, _UNKNOWN, _UNKNOWN, _UNKNOWN,
                    eyes, ruler, crop)


def with_depth(scan: FaceScan, options: dict, context: JobContext) -> FaceScan:
    """Return a scan with mask and depth, which follow from all else that it holds."""
    context.emit_stage("Separating the head", 0.03)
    mask = head_mask(scan.image, scan.landmarks_px)
    context.emit_stage("Finding the depth", 0.03)
    nearness = depth_network.relative_nearness(scan.image, options) if depth_network.wanted(options) else None
    iris_px = float(np.mean([eye.radius_px for eye in scan.eyes.values()]))
    lens = placing.Intrinsics(scan.fx, scan.cx, scan.cy)
    points = placing.unproject_landmarks(scan.landmarks_px, iris_px, lens, scan.ruler)
    depth = head_depth(mask, scan.landmarks_px, points, scan.fx, nearness)
    return replace(scan, head_mask=mask, depth_m=depth.front_m, back_depth_m=depth.back_m)


def _camera(photo: Photo, points_px: np.ndarray, options: dict) -> placing.Intrinsics:
    """Return the whole photo's camera: as told, else from its EXIF data, else from the face's own perspective."""
    height, width = photo.pixels.shape[:2]
    given = {name: options[name] for name in ("focal_px", "cx", "cy") if options.get(name) is not None}
    if not all(isinstance(v, (int, float)) and np.isfinite(v) for v in given.values()) or given.get("focal_px", 1.0) <= 0:
        raise GazeSplatError("bad-option", "The focal length and the picture's centre must be numbers, in pixels of the photo.",
                             "Leave them out to have them estimated.")
    focal = given.get("focal_px")
    if focal is None:
        equivalent, source = photo.lens.equivalent_mm, photo.lens.source
        if equivalent is None:
            equivalent, source = estimate_equivalent_mm(points_px, width, height), "perspective of the face"
        LOG.info("focal length %.0f mm (35 mm equivalent) from %s", equivalent, source)
        focal = focal_px(equivalent, width, height)
    else:
        focal *= photo.scale
    cx, cy = (given[name] * photo.scale if name in given else 0.5 * side for name, side in (("cx", width), ("cy", height)))
    return placing.Intrinsics(float(focal), float(cx), float(cy))


def eye_ruler(options: dict) -> EyeRuler:
    """Return the eye lengths of the option ``eye_ruler``. Raises GazeSplatError ``bad-eye-ruler``."""
    given = options.get("eye_ruler") or {}
    known = {f.name for f in fields(EyeRuler)}
    if set(given) - known or not all(isinstance(v, (int, float)) and 0.001 < v < 0.05 for v in given.values()):
        raise GazeSplatError("bad-eye-ruler", "The eye ruler holds a length that no eye has.",
                             f"Give {', '.join(sorted(known))} in metres, between 0.001 and 0.05.")
    return EyeRuler(**given)


def cut_out(photo: Photo, landmarks: np.ndarray, lens: placing.Intrinsics) -> tuple[np.ndarray, np.ndarray, placing.Intrinsics, Crop]:
    """Cut the head out and bring it to a working size; landmarks and intrinsics follow."""
    pixels = photo.pixels
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
    crop = Crop(float(low[0] / photo.scale), float(low[1] / photo.scale), float(scale * photo.scale))
    return np.ascontiguousarray(cut, np.float32) / np.float32(255.0), points, moved, crop
