# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of every kind become the same upright sRGB pixels."""
from __future__ import annotations

import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model import photo as loading
from gazesplat.backend.model.focal import focal_px
from gazesplat.backend.model.photo import NEUTRAL, load_photo
from tests.faces import astronaut

SMALL = cv2.resize(astronaut(), (128, 96), interpolation=cv2.INTER_AREA)
GREY = np.asarray(Image.fromarray(SMALL).convert("L"))
ORIENTATION, MAKE = 0x0112, 0x010F
FOCAL_LENGTH, FOCAL_LENGTH_35MM = 0x920A, 0xA405


def _close(found: np.ndarray, expected: np.ndarray, mean: float) -> bool:
    return found.shape == expected.shape and found.dtype == np.uint8 and float(np.abs(found.astype(int) - expected).mean()) < mean


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int, tmp_path: Path) -> None:
    stored = {1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
              5: lambda x: x.transpose(1, 0, 2), 6: lambda x: np.rot90(x, 1), 7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
              8: lambda x: np.rot90(x, -1)}[orientation](SMALL)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(load_photo(tmp_path / "photo.png").pixels, SMALL)


@pytest.mark.parametrize(("mode", "suffix", "mean"), [
    ("RGB", "png", 0.01), ("RGB", "tiff", 0.01), ("RGB", "webp", 6.0), ("RGB", "bmp", 0.01), ("P", "png", 15.0), ("CMYK", "jpg", 6.0),
    ("CMYK", "tiff", 2.0)])
def test_colour_modes(mode: str, suffix: str, mean: float, tmp_path: Path) -> None:
    Image.fromarray(SMALL).convert(mode).save(tmp_path / f"photo.{suffix}")
    assert _close(load_photo(tmp_path / f"photo.{suffix}").pixels, SMALL, mean)


@pytest.mark.parametrize("kind", ["8", "16 png", "16 tiff", "float", "float 255", "1 bit"])
def test_grey_modes(kind: str, tmp_path: Path) -> None:
    path, expected = tmp_path / "grey.tiff", GREY
    if kind == "8":
        Image.fromarray(GREY).save(path)
    elif kind == "16 png":
        path = tmp_path / "grey.png"
        cv2.imencode(".png", GREY.astype(np.uint16) * 257)[1].tofile(path)
    elif kind == "16 tiff":
        Image.fromarray(GREY.astype(np.uint16) * 257).save(path)
    elif kind.startswith("float"):
        Image.fromarray(GREY.astype(np.float32) / (255.0 if kind == "float" else 1.0)).save(path)
    else:
        expected = np.where(GREY > 127, 255, 0)
        Image.fromarray(expected.astype(np.uint8)).convert("1").save(path)
    assert _close(load_photo(path).pixels, np.repeat(np.asarray(expected)[..., None], 3, 2), 0.6)


def test_16_bit_colour(tmp_path: Path) -> None:
    for suffix in ("png", "tiff"):
        path = tmp_path / f"deep.{suffix}"
        cv2.imencode(f".{suffix}", SMALL[..., ::-1].astype(np.uint16) * 257)[1].tofile(path)
        assert _close(load_photo(path).pixels, SMALL, 0.6), suffix


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_neutral(mode: str, tmp_path: Path) -> None:
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:, :40] = 0
    picture = Image.merge("RGBA", [*Image.fromarray(SMALL).split(), Image.fromarray(alpha)])
    picture = picture.convert(mode) if mode != "P" else picture.quantize(64)
    picture.save(tmp_path / "photo.png")
    pixels = load_photo(tmp_path / "photo.png").pixels
    assert np.abs(pixels[:, :38].astype(int) - NEUTRAL).max() <= 1
    expected = SMALL if mode != "LA" else np.repeat(GREY[..., None], 3, 2)
    assert _close(pixels[:, 44:], expected[:, 44:], 8.0)


def test_colour_profile_becomes_srgb(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(SMALL).save(tmp_path / "photo.png", icc_profile=profile)
    assert _close(load_photo(tmp_path / "photo.png").pixels, SMALL, 1.0)
    Image.fromarray(SMALL).save(tmp_path / "broken.png", icc_profile=b"no profile")
    assert _close(load_photo(tmp_path / "broken.png").pixels, SMALL, 0.01)


def test_large_pictures_are_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "WORKING_MEGAPIXELS", 0.05)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    for name in ("photo.png", "photo.jpg"):
        Image.fromarray(astronaut()).save(tmp_path / name, exif=exif)
        pixels = load_photo(tmp_path / name).pixels
        assert pixels.shape[0] * pixels.shape[1] <= 0.05e6
        expected = cv2.resize(astronaut()[::-1, ::-1], pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert _close(pixels, expected, 6.0), name


def test_too_many_megapixels_are_refused_before_decoding(tmp_path: Path) -> None:
    # A PNG's size stands in its header; this one claims 30,000 x 30,000 pixels and holds none.
    data = io.BytesIO()
    Image.fromarray(SMALL).save(data, "PNG")
    header = bytearray(data.getvalue())
    header[16:24] = (30000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    (tmp_path / "huge.png").write_bytes(bytes(header))
    with pytest.raises(GazeSplatError) as caught:
        load_photo(tmp_path / "huge.png")
    assert caught.value.code == "photo-too-large"


@pytest.mark.parametrize(("make", "length", "length_35mm", "expected"), [
    ("Apple", 2.69, 30, 30.0), ("LGE", 2.56, 3, None), ("NIKON CORPORATION", 85.0, None, 127.5),
    ("OLYMPUS IMAGING CORP.", 50.0, None, 100.0), ("Unheard of", 50.0, None, None), (None, None, None, None)])
def test_focal_length_from_exif(make: str | None, length: float | None, length_35mm: int | None, expected: float | None,
                                tmp_path: Path) -> None:
    exif = Image.Exif()
    details = exif.get_ifd(0x8769)
    for tags, tag, value in ((exif, MAKE, make), (details, FOCAL_LENGTH, length), (details, FOCAL_LENGTH_35MM, length_35mm)):
        if value is not None:
            tags[tag] = value
    Image.fromarray(SMALL).save(tmp_path / "photo.jpg", exif=exif)
    assert load_photo(tmp_path / "photo.jpg").lens.equivalent_mm == expected


def test_focal_length_in_pixels() -> None:
    assert focal_px(43.267, 3000, 4000) == pytest.approx(5000.0)
