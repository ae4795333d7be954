# SPDX-License-Identifier: GPL-3.0-or-later
"""What a portrait's folder keeps of the photo and of what was read from it, so that its eyes can be built again in seconds.

``portrait.photo.png`` is the cropped photo without loss, ``portrait.scan.json`` landmarks, camera, contours and options. Mask and
depth are not kept: they follow from these.
"""
from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from ...gazesplat_addon.rig import eye_marks
from ...gazesplat_addon.rig.eye_marks import Crop, EyeMarks, crop_of, finite_array
from ..contract.errors import GazeSplatError
from ..contract.job import JobSpec
from ..eyes.contour import TERMS, EyeContour, LidContour
from ..eyes.correction import corrected_eyes, handles_of, marks_of
from .photo import load_photo
from .scan import EyeRuler, FaceScan

LANDMARKS = 478
_LID_SHAPES = {"origin": (2,), "along": (2,), "up": (2,), "width_px": (), "upper": (TERMS,), "lower": (TERMS,)}
_EYE_SHAPES = {"iris_px": (2,), "radius_px": (), "iris_step": ()}
_UNKNOWN = np.zeros((0, 0), np.float32)


def scan_data(scan: FaceScan, spec: JobSpec) -> dict:
    """Return a scan without its pictures, and how its portrait was asked for, as JSON data."""
    photo = {side: scan.crop.to_photo(marks_of(eye)).as_lists() for side, eye in scan.eyes.items()}
    origin = np.array([scan.crop.left_px, scan.crop.top_px])
    handles = {side: {lid: (points / scan.crop.scale + origin).tolist() for lid, points in handles_of(eye).items()}
               for side, eye in scan.eyes.items()}
    return {"format": eye_marks.FORMAT, "version": eye_marks.VERSION, "marks": photo, "handles": handles, "crop": asdict(scan.crop),
            "kind": spec.kind, "quality": spec.quality, "seed": spec.seed,
            "options": {name: value for name, value in spec.options.items() if name != "eyes"},
            "camera": [scan.fx, scan.fy, scan.cx, scan.cy], "portrait_to_camera": scan.portrait_to_camera.tolist(),
            "ruler": asdict(scan.ruler), "blendshapes": {name: float(score) for name, score in scan.blendshapes.items()},
            "eyes": {side: _eye_data(eye) for side, eye in scan.eyes.items()}, "landmarks_px": scan.landmarks_px.tolist()}


def load_scan(photo: Path) -> tuple[FaceScan, dict]:
    """Return the scan, without mask and depth, and the data that lie beside a ``portrait.photo.png``.

    Raises GazeSplatError: those of load_photo and eye_marks.read_scan, and ``bad-scan``.
    """
    data = eye_marks.read_scan(photo.parent)
    pixels = load_photo(photo).pixels
    try:
        eyes = {side: _eye(data["eyes"][side]) for side in data["eyes"]}
        if set(eyes) != set(eye_marks.SIDES):
            raise ValueError("an eye is missing")
        ruler = EyeRuler(**{f.name: float(finite_array(data["ruler"][f.name], ())) for f in fields(EyeRuler)})
        crop = crop_of(data["crop"])
        fx, fy, cx, cy = (float(v) for v in finite_array(data["camera"], (4,)))
        scan = FaceScan(np.ascontiguousarray(pixels, np.float32) / np.float32(255.0), finite_array(data["landmarks_px"], (LANDMARKS, 3)),
                        {str(name): float(finite_array(score, ())) for name, score in data["blendshapes"].items()}, fx, fy, cx, cy,
                        finite_array(data["portrait_to_camera"], (4, 4)), _UNKNOWN, _UNKNOWN, _UNKNOWN, eyes, ruler, crop)
        JobSpec(id="kept", kind=data["kind"], quality=data["quality"], seed=data["seed"], options=data["options"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise eye_marks.damaged(error) from error
    return scan, data


def with_marks(scan: FaceScan, marks: dict[str, EyeMarks]) -> FaceScan:
    """Return the scan with eyes as drawn (pixels of the crop). The head keeps its distance: larger irises are larger in metres."""
    eyes, ratio = corrected_eyes(scan.eyes, marks)
    ruler = scan.ruler if ratio == 1.0 else replace(scan.ruler, iris_diameter_m=scan.ruler.iris_diameter_m * ratio)
    return replace(scan, eyes=eyes, ruler=ruler)


def marks_in_crop(given: object, eyes: dict[str, EyeContour], crop: Crop) -> dict[str, EyeMarks]:
    """Return an artist's marks in pixels of the crop, completed by what was found; raises as ``eye_marks.completed``."""
    found = {side: crop.to_photo(marks_of(eye)) for side, eye in eyes.items()}
    return {side: crop.from_photo(marks) for side, marks in eye_marks.completed(given, found).items()}


def to_text(data: dict) -> str:
    """Return scan data as the file's text: floats survive it exactly."""
    try:
        return json.dumps(data, allow_nan=False)
    except ValueError as error:
        raise GazeSplatError("internal", "The scan holds numbers that are none.", "Please report it with the job's log.txt.") from error


def _eye_data(eye: EyeContour) -> dict:
    return {"lids": {name: np.asarray(getattr(eye.lids, name)).tolist() for name in _LID_SHAPES},
            **{name: np.asarray(getattr(eye, name)).tolist() for name in _EYE_SHAPES}}


def _eye(data: dict) -> EyeContour:
    lids = LidContour(**{name: _number_or_array(data["lids"][name], shape) for name, shape in _LID_SHAPES.items()})
    return EyeContour(lids, **{name: _number_or_array(data[name], shape) for name, shape in _EYE_SHAPES.items()})


def _number_or_array(values: object, shape: tuple[int, ...]) -> float | np.ndarray:
    array = finite_array(values, shape)
    return array if shape else float(array)
