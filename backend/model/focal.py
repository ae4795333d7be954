# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture file says about its lens, and what to assume when it says nothing."""
from __future__ import annotations

from dataclasses import dataclass

from PIL import ExifTags, Image

# Diagonal of the 24 x 36 mm frame that "35 mm equivalent" refers to (CIPA DCG-001).
_FULL_FRAME_DIAGONAL_MM = 43.267
# Shorter or longer equivalents do not photograph people; some phones write nonsense (Nexus 5X front camera: 3 mm).
_PLAUSIBLE_EQUIVALENT_MM = (15.0, 400.0)
# Crop factors of cameras with exchangeable lenses, by the first word of the maker's name. Only used for
# lenses of 10 mm and more, which no phone has.
_CROP_FACTORS = {"OLYMPUS": 2.0, "OM": 2.0, "PANASONIC": 2.0, "CANON": 1.6, "NIKON": 1.5, "SONY": 1.5, "PENTAX": 1.5,
                 "RICOH": 1.5, "FUJIFILM": 1.5, "SAMSUNG": 1.5, "LEICA": 1.0, "SIGMA": 1.5}
_SHORTEST_LENS_OF_A_SYSTEM_CAMERA_MM = 10.0
# Front cameras of phones have equivalents of 22-32 mm.
PHONE_EQUIVALENT_MM = 27.0


@dataclass(frozen=True)
class Lens:
    """equivalent_mm: 35 mm equivalent focal length or None; source: where it comes from, for the sidecar."""

    equivalent_mm: float | None
    source: str


def lens_of(image: Image.Image) -> Lens:
    """Read the focal length of an opened picture from its EXIF data."""
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    equivalent = _number(details.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if equivalent is not None and _plausible(equivalent):
        return Lens(equivalent, "exif-35mm")
    length = _number(details.get(ExifTags.Base.FocalLength))
    maker = str(exif.get(ExifTags.Base.Make) or "").strip().upper().split(" ")[0]
    if length is not None and length >= _SHORTEST_LENS_OF_A_SYSTEM_CAMERA_MM and maker in _CROP_FACTORS:
        equivalent = length * _CROP_FACTORS[maker]
        if _plausible(equivalent):
            return Lens(equivalent, "exif-sensor-guess")
    return Lens(None, "unknown")


def focal_px(equivalent_mm: float, width_px: int, height_px: int) -> float:
    """Return the focal length in pixels of a whole picture with this 35 mm equivalent."""
    return equivalent_mm / _FULL_FRAME_DIAGONAL_MM * float(width_px ** 2 + height_px ** 2) ** 0.5


def _number(value: object) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if number > 0 else None


def _plausible(equivalent_mm: float) -> bool:
    low, high = _PLAUSIBLE_EQUIVALENT_MM
    return low <= equivalent_mm <= high
