# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over a photo about its eyes: two lid curves of five points and one circle each, in pixels of the whole photo.

The backend writes what it found in these terms, Blender draws it, the artist moves it, the backend builds from it.
Both ends check with the same rules.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...backend.contract import plain_json
from ...backend.contract.errors import GazeSplatError

SCAN, PHOTO = "portrait.scan.json", "portrait.photo.png"     # beside portrait.ply: what it was read from
FORMAT, VERSION = "gazesplat-scan", 1
EDITED_KEY, EDITED = "eyes", "corrected by hand"             # in the provenance
_SCALES = (1e-3, 1e3)        # pixels of a crop per pixel of the photo
SIDES, LIDS, IRIS = ("left", "right"), ("upper", "lower"), "iris"
POINTS = 5
# Of the opening's width: an iris of 11.8 mm in an opening of 30 mm has a radius of 0.2.
IRIS_RADII = (0.08, 0.5)
CORNERS_APART = 0.06         # of the opening's width, by which the two lids may miss each other at a corner
LEAST_STEP = 0.02            # of the opening's width, from point to point along the line of the corners
LEAST_SEEN = 0.1             # of the circle's area, between the lids


@dataclass(frozen=True)
class EyeMarks:
    """One eye: lids (5, 2) each, from the inner to the outer corner, which both lids share, and iris (3,): x, y, radius."""

    upper: np.ndarray
    lower: np.ndarray
    iris: np.ndarray

    def as_lists(self) -> dict[str, list]:
        """Return plain lists for JSON."""
        return {name: getattr(self, name).tolist() for name in (*LIDS, IRIS)}


@dataclass(frozen=True)
class Crop:
    """The part of a photo that a portrait was read from: where it begins in the photo, and its pixels per photo pixel."""

    left_px: float = 0.0
    top_px: float = 0.0
    scale: float = 1.0

    def to_photo(self, marks: EyeMarks) -> EyeMarks:
        """Map marks from pixels of the crop to pixels of the whole photo."""
        return self._mapped(marks, 1.0 / self.scale, np.array([self.left_px, self.top_px]))

    def from_photo(self, marks: EyeMarks) -> EyeMarks:
        """Map marks from pixels of the whole photo to pixels of the crop."""
        return self._mapped(marks, self.scale, -self.scale * np.array([self.left_px, self.top_px]))

    @staticmethod
    def _mapped(marks: EyeMarks, scale: float, shift: np.ndarray) -> EyeMarks:
        return EyeMarks(marks.upper * scale + shift, marks.lower * scale + shift,
                        np.append(marks.iris[:2] * scale + shift, marks.iris[2] * scale))


WHOLE_PHOTO = Crop()


@dataclass(frozen=True)
class KeptMarks:
    """What a portrait's folder says about its eyes: marks by side (pixels of the photo), where the crop lies, and for drawing
    Bezier handles (5, 2, 2) in pixels of the photo by side and lid: before and after each point.
    """

    marks: dict[str, EyeMarks]
    handles: dict[str, dict[str, np.ndarray]]
    crop: Crop


def load_marks(folder: Path) -> KeptMarks:
    """Read what was found, or drawn last, from a portrait's folder. Raises GazeSplatError ``no-scan``, ``scan-newer``, ``bad-scan``."""
    data = read_scan(folder)
    try:
        marks = {side: _eye(side, data["marks"][side]) for side in data["marks"]}
        handles = {side: {lid: finite_array(lids[lid], (POINTS, 2, 2)) for lid in LIDS} for side, lids in data["handles"].items()}
        if set(marks) != set(SIDES) or set(handles) != set(SIDES):
            raise ValueError("an eye is missing")
        return KeptMarks(marks, handles, crop_of(data["crop"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(error) from error


def crop_of(fields: Mapping) -> Crop:
    """Return the crop that a scan describes; ValueError and its like where it describes none."""
    crop = Crop(*(float(finite_array(fields[name], ())) for name in Crop.__dataclass_fields__))
    if not _SCALES[0] <= crop.scale <= _SCALES[1]:
        raise ValueError("its crop has no size")
    return crop


def read_scan(folder: Path) -> dict:
    """Return what ``portrait.scan.json`` holds; raises as ``load_marks`` does."""
    path = Path(folder) / SCAN
    if not path.is_file():
        raise GazeSplatError("no-scan", f"There is no {SCAN} beside the portrait, so its eyes cannot be built again.",
                             "Reconstruct the portrait from its photo or clip once more; from then on its eyes can be corrected.")
    try:
        data = plain_json.read(path)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError("it is something else")
        version = data["version"]
        if not isinstance(version, int):
            raise ValueError(f"its version is {version!r}")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(error) from error
    if version > VERSION:
        raise GazeSplatError("scan-newer", f"{SCAN} was written by a newer GazeSplat (format {version}).", "Update the extension.")
    return data


def damaged(error: Exception) -> GazeSplatError:
    """Return the error for a ``portrait.scan.json`` that cannot be used."""
    return GazeSplatError("bad-scan", f"{SCAN} is damaged ({error}).", "Reconstruct the portrait from its photo or clip once more.")


def completed(given: object, found: Mapping[str, EyeMarks]) -> dict[str, EyeMarks]:
    """Return marks for every eye: what is given as plain data, for the rest what was found.

    given   {"left": {"upper": five (x, y), "lower": five (x, y), "iris": (x, y, radius)}, "right": ...}, any part of it

    Raises GazeSplatError ``bad-eye-marks``, and those of ``check``.
    """
    try:
        if not isinstance(given, Mapping) or set(given) - set(found):
            raise ValueError(f"eyes are called {' and '.join(found)}")
        marks = {side: _merged(found[side], given.get(side, {})) for side in found}
    except (TypeError, AttributeError, ValueError) as error:
        raise GazeSplatError("bad-eye-marks", f"This is no correction of eyes: {error}.", 'For example {"left": {"upper": five points, '
                             '"iris": (x, y, radius)}}, in pixels of the photo.') from error
    for side in given:
        check(side, marks[side])
    return marks


def check(side: str, marks: EyeMarks) -> None:
    """Raise GazeSplatError unless these marks could be an eye: ``eye-points-order``, ``lids-apart``, ``lids-crossed``, ``iris-size``,
    ``iris-outside``.
    """
    inner, outer = 0.5 * (marks.upper[0] + marks.lower[0]), 0.5 * (marks.upper[-1] + marks.lower[-1])
    width = float(np.linalg.norm(outer - inner))
    if width < 1.0:
        raise GazeSplatError("eye-points-order", f"The corners of the {side} eye lie in one place.",
                             "Move the end points of its lids apart.")
    along = (outer - inner) / width
    up = np.array([along[1], -along[0]]) if side == "left" else np.array([-along[1], along[0]])
    upper, lower = (np.stack([(lid - inner) @ along, (lid - inner) @ up], 1) / width for lid in (marks.upper, marks.lower))
    for name, lid in (("upper", upper), ("lower", lower)):
        if np.diff(lid[:, 0]).min() < LEAST_STEP:
            raise GazeSplatError("eye-points-order", f"The points of the {side} eye's {name} lid are out of order or too close together.",
                                 "Keep them in a row from the inner corner of the eye to the outer one.")
    if np.linalg.norm(upper[[0, -1]] - lower[[0, -1]], axis=1).max() > CORNERS_APART:
        raise GazeSplatError("lids-apart", f"The lids of the {side} eye do not meet at a corner.",
                             "Move the end points of both lids to the same place.")
    across = np.linspace(0.1, 0.9, 33)
    if (np.interp(across, *upper.T) - np.interp(across, *lower.T)).min() <= 0.0:
        raise GazeSplatError("lids-crossed", f"The lids of the {side} eye cross.", "Move the upper lid above the lower one.")
    _check_iris(side, (marks.iris[:2] - inner) @ np.stack([along, up], 1) / width, float(marks.iris[2]) / width, upper, lower)


def _check_iris(side: str, centre: np.ndarray, radius: float, upper: np.ndarray, lower: np.ndarray) -> None:
    if not IRIS_RADII[0] <= radius <= IRIS_RADII[1]:
        raise GazeSplatError("iris-size", f"The {side} eye's circle is too {'small' if radius < IRIS_RADII[0] else 'large'} for an iris.",
                             "Scale it until it lies on the iris' outer edge; it is about four tenths as wide as the opening.")
    ring = np.linspace(-1.0, 1.0, 31)
    disc = np.stack(np.meshgrid(ring, ring), -1).reshape(-1, 2)
    disc = centre + radius * disc[(disc ** 2).sum(1) <= 1.0]
    x, y = disc.T
    seen = (x > 0) & (x < 1) & (y < np.interp(x, *upper.T)) & (y > np.interp(x, *lower.T))
    if not 0.0 < centre[0] < 1.0 or seen.mean() < LEAST_SEEN:
        raise GazeSplatError("iris-outside", f"The {side} eye's circle lies outside its lids.", "Move it onto the iris, between the lids.")


def _merged(found: EyeMarks, given: Mapping) -> EyeMarks:
    if not isinstance(given, Mapping) or set(given) - {*LIDS, IRIS}:
        raise ValueError(f"an eye has {', '.join((*LIDS, IRIS))}")
    shapes = dict.fromkeys(LIDS, (POINTS, 2)) | {IRIS: (3,)}
    return replace(found, **{name: finite_array(value, shapes[name]) for name, value in given.items()})


def _eye(side: str, lists: Mapping) -> EyeMarks:
    empty = EyeMarks(np.zeros((POINTS, 2)), np.zeros((POINTS, 2)), np.zeros(3))
    if side not in SIDES or set(lists) != {*LIDS, IRIS}:
        raise ValueError("an eye's marks are not whole")
    return _merged(empty, lists)


def finite_array(values: object, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of exactly this shape; ValueError otherwise, or where a number is not finite."""
    try:
        array = np.asarray(values, float)
    except OverflowError as error:
        raise ValueError("a number is larger than any") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"numbers of the shape {shape} are needed")
    return array
