# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture file of any common kind becomes upright 8-bit sRGB, or a refusal that says why."""
from __future__ import annotations

import io
import logging
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from ..contract.errors import GazeSplatError
from .focal import Lens, lens_of

LOG = logging.getLogger(__name__)

SMALLEST_SIDE_PX = 64
LARGEST_MEGAPIXELS = 200
# Beyond this a photo is reduced while it is decoded: a head needs no more, and memory stays below 1 GB.
WORKING_MEGAPIXELS = 32
# Transparent pixels are laid over this sRGB grey.
NEUTRAL = (128, 128, 128)
_OTHER_FILE = "Choose a JPEG, PNG, TIFF or WebP picture; convert other kinds first."

# Photos of iPhones, which Pillow cannot decode: the first brand in the file's header.
_HEIC = (b"ftypheic", b"ftypheix", b"ftypheim", b"ftypheis", b"ftyphevc", b"ftypmif1")
_HEIC_HINT = "It is a HEIC photo: save it as JPEG first (on an iPhone: Settings, Camera, Formats, Most Compatible)."

# What undoes each EXIF orientation, and which of these swap width and height.
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
_SIDEWAYS = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)

# Our own limit is checked before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Photo:
    """An upright picture.

    pixels         (H, W, 3) uint8 sRGB
    lens           what the file says about its focal length
    file_size_px   (width, height) of the file's upright picture; larger than ``pixels`` when it was reduced
    """

    pixels: np.ndarray
    lens: Lens
    file_size_px: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels per pixel of the file, at most 1."""
        return self.pixels.shape[1] / self.file_size_px[0]


def load_photo(path: Path) -> Photo:
    """Load a picture file: any orientation, bit depth, colour mode, transparency and colour profile.

    Raises GazeSplatError: ``photo-missing``, ``photo-unreadable``, ``photo-truncated``, ``photo-too-small``,
    ``photo-too-large``.
    """
    image = _open(path)
    width, height = image.size
    if min(width, height) < SMALLEST_SIDE_PX:
        raise GazeSplatError("photo-too-small", f"The picture {path.name} is only {width} x {height} pixels.",
                             "Use a photo in which the face is at least 250 pixels wide.")
    if width * height > LARGEST_MEGAPIXELS * 1e6:
        raise GazeSplatError("photo-too-large", f"The picture {path.name} has {width * height / 1e6:.0f} megapixels.",
                             f"Reduce it to {LARGEST_MEGAPIXELS} megapixels or fewer.")
    image = _decoded(image, path)
    lens, turn = _metadata(image)
    image = _flatten(_to_srgb(_reduced(image, width * height)))
    if turn is not None:
        image = image.transpose(turn)
    return Photo(np.asarray(image).copy(), lens, (height, width) if turn in _SIDEWAYS else (width, height))


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        raise GazeSplatError("photo-missing", f"There is no picture at {path}.", "Check the path, or choose the file again.")
    try:
        return Image.open(path)
    except (UnidentifiedImageError, ValueError, SyntaxError, RuntimeError) as error:
        with path.open("rb") as file:
            heic = file.read(12)[4:] in _HEIC
        raise GazeSplatError("photo-unreadable", f"The file {path.name} is not a picture that can be read.",
                             _HEIC_HINT if heic else _OTHER_FILE) from error
    except OSError as error:
        raise GazeSplatError("photo-unreadable", f"The file {path.name} cannot be read: {error.strerror or error}.",
                             "Check its permissions, or use a copy of it.") from error


def _decoded(image: Image.Image, path: Path) -> Image.Image:
    """Decode the pixels; a JPEG beyond the working size is decoded at a half, quarter or eighth."""
    width, height = image.size
    shrink = (width * height / (WORKING_MEGAPIXELS * 1e6)) ** 0.5
    if shrink > 1:
        # Pillow never goes below the size asked for: ask for the power of two that suffices.
        power = 2 ** int(np.ceil(np.log2(shrink)))
        image.draft(None, (width // power, height // power))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # odd metadata that Pillow mentions and survives
            image.load()
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:
        LOG.info("decoding %s: %s", path.name, error)
        raise GazeSplatError("photo-truncated", f"The picture {path.name} is damaged or incomplete.",
                             "Copy it again from the camera or export it again.") from error
    return image


def _metadata(image: Image.Image) -> tuple[Lens, Image.Transpose | None]:
    """Return what the EXIF data says about the lens and how the picture must be turned; damaged data says nothing."""
    try:
        return lens_of(image), _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error) as error:
        LOG.warning("the EXIF data cannot be read: %s", error)
        return Lens(None, "unknown"), None


def _reduced(image: Image.Image, original_pixels: int) -> Image.Image:
    """Halve (or third, ...) what is still beyond the working size; the colour profile stays."""
    factor = int(np.ceil((image.width * image.height / (WORKING_MEGAPIXELS * 1e6)) ** 0.5))
    if factor > 1 and image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if factor > 1:
        profile = image.info.get("icc_profile")
        image = image.reduce(factor)
        image.info["icc_profile"] = profile
    if image.width * image.height < original_pixels:
        LOG.info("reduced from %.0f to %.0f megapixels", original_pixels / 1e6, image.width * image.height / 1e6)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    """Bring 16-bit and floating-point modes to 8 bits, and an embedded colour profile to sRGB."""
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bit(image)
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError) as error:
        LOG.warning("the colour profile cannot be read, the colours are taken as sRGB: %s", error)
        return image
    try:
        target_mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target_mode)
    except ImageCms.PyCMSError as error:
        LOG.warning("the colour profile cannot be used, the colours are taken as sRGB: %s", error)
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale a grey picture of 16 or 32 bits to 8; its range decides between 0..1, 0..255 and 0..65535."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    top = values.max(initial=0.0)
    full = 1.0 if image.mode == "F" and top <= 1.0 else 255.0 if top <= 255 and image.mode in ("F", "I") else max(65535.0, top)
    return Image.fromarray(np.clip(values / full * 255.0 + 0.5, 0, 255).astype(np.uint8))


def _flatten(image: Image.Image) -> Image.Image:
    """Lay transparency over the neutral grey and return mode RGB."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        base = Image.new("RGBA", image.size, (*NEUTRAL, 255))
        return Image.alpha_composite(base, image).convert("RGB")
    return image.convert("RGB")
