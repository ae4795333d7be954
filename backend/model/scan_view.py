# SPDX-License-Identifier: GPL-3.0-or-later
"""A splat head from anywhere and one picture of it, whose camera is known, become a FaceScan and the head in the portrait's frame.

The head's own units and axes are anybody's. Size comes from the irises, as in a photo; axes from the face.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...gazesplat_addon.rig.pose import Pose
from ...gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera
from ...gazesplat_addon.rig.still import frozen
from ...gazesplat_addon.splat.arrays import Splats
from ..contract.errors import GazeSplatError
from ..eyes.find_eyes import find_eyes
from ..render import Camera, RenderSettings, render
from ..video.eye_scan import as_seen
from . import camera as placing
from . import face_checks
from .landmarks import Face, FaceReader
from .photo import Photo
from .scan import FaceScan
from .scan_photo import cut_out, eye_ruler, placed_scan

SEEN_ALPHA = 0.5
NEAR_M = 0.6        # where the head is put for a first look: rasterisers know near planes in metres


def scan_view(head: Splats, photo: Photo, lens: placing.Intrinsics, w2c: np.ndarray, options: dict, warn) -> tuple[FaceScan, Splats]:
    """Return the picture's scan, with the head's own depth, and the head in the portrait frame.

    lens and w2c (4, 4) belong to ``photo``, w2c from the head's own units (OpenCV axes). Options: ``landmarks_px`` (478, 3)
    of the picture, where they are known, ``eye_ruler``, ``rest_gaze_deg``. Raises GazeSplatError: those of face_checks and
    ``camera-misses-head``.
    """
    face = _face(photo, options, warn)
    image, landmarks, lens, crop = cut_out(photo, face.points_px, lens)
    scan = placed_scan(image, landmarks, face.blendshapes, lens, crop, find_eyes(image, landmarks), eye_ruler(options), options)
    to_camera = np.diag([*[_metres_per_unit(head, scan, w2c)] * 3, 1.0]) @ w2c
    head = _carried(head, np.linalg.inv(scan.portrait_to_camera) @ to_camera)
    depth, alpha = _look(head, scan, scan.portrait_to_camera)
    return replace(scan, head_mask=alpha, depth_m=depth, back_depth_m=np.full_like(depth, np.nan)), head


def _face(photo: Photo, options: dict, warn) -> Face:
    given = options.get("landmarks_px")
    if given is not None:
        points = np.asarray(given, float)
        if points.shape != (478, 3) or not np.isfinite(points).all():
            raise GazeSplatError("bad-option", "The landmarks are not 478 points of x, y and z.", "Leave them out to have them read.")
        return Face(points, {}, np.zeros(478))
    with FaceReader() as reader:
        face = reader.refine(photo.pixels, face_checks.the_one_face(reader.find(photo.pixels), warn))
    face_checks.check_upright(face)
    face_checks.check_eyes_open(face, warn)
    return face


def _metres_per_unit(head: Splats, scan: FaceScan, w2c: np.ndarray) -> float:
    """Return the scale that puts the head's surface where the irises are by their size in the picture."""
    ahead = head.means @ w2c[2, :3] + w2c[2, 3]
    if not (ahead > 0.0).any():
        raise _misses()
    guess = NEAR_M / float(np.median(ahead[ahead > 0.0]))
    depth, _ = _look(_carried(head, np.diag([guess, guess, guess, 1.0]) @ w2c), scan, np.eye(4))
    ratios = []
    for eye in scan.eyes.values():
        x, y = eye.iris_px.astype(int)
        reach = max(1, int(0.5 * eye.radius_px))
        window = depth[max(0, y - reach):y + reach + 1, max(0, x - reach):x + reach + 1]
        if np.isfinite(window).any():
            ratios.append(0.5 * scan.fx * scan.ruler.iris_diameter_m / eye.radius_px / float(np.nanmedian(window)))
    if not ratios:
        raise _misses()
    return guess * float(np.mean(ratios))


def _misses() -> GazeSplatError:
    return GazeSplatError("camera-misses-head", "Seen from this camera, there is no head where the picture shows its eyes.",
                          "Check the camera: OpenCV axes (x right, y down, z forward), world to camera, in the units of the splats.")


def _carried(head: Splats, matrix: np.ndarray) -> Splats:
    """Return the head carried along by a matrix (4, 4), harmonics too."""
    nobody = PortraitRig(SourceCamera(1, 1, 1.0, 1.0, 0.5, 0.5, tuple(map(tuple, np.eye(4).tolist()))), {})
    return frozen(head, np.zeros(len(head), np.uint8), nobody, Pose(), matrix)


def _look(head: Splats, scan: FaceScan, w2c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the head's planar depth (H, W), NaN where it is not, and its alpha, float32."""
    height, width = scan.image.shape[:2]
    camera = Camera(width, height, scan.fx, scan.fy, scan.cx, scan.cy, w2c)
    frame = render(as_seen(head, camera), camera, RenderSettings(), depth=True)
    return np.where(frame.alpha > SEEN_ALPHA, frame.depth, np.nan).astype(np.float32), frame.alpha.astype(np.float32)
