# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged picture files are read or refused; whatever stands in them, no other error comes out."""
from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model import photo as loading
from gazesplat.backend.model.photo import load_photo
from tests.faces import astronaut

CODES = {"photo-unreadable", "photo-truncated", "photo-too-small", "photo-too-large"}
ORIENTATION = 0x0112


def whole_files() -> dict[str, bytes]:
    """Return small pictures of every kind as bytes."""
    picture = Image.fromarray(astronaut()).resize((96, 80))
    grey = np.asarray(picture.convert("L"))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(0x8769)[0xA405] = 28
    kinds = {"jpeg": (picture, "JPEG", {"exif": exif}), "progressive": (picture, "JPEG", {"progressive": True}),
             "cmyk": (picture.convert("CMYK"), "JPEG", {}), "png": (picture, "PNG", {"exif": exif}),
             "palette": (picture.quantize(16), "PNG", {"transparency": 0}),
             "deep": (Image.fromarray(grey.astype(np.uint16) * 257), "PNG", {}),
             "tiff": (picture, "TIFF", {"compression": "tiff_lzw"}), "float": (Image.fromarray(grey.astype(np.float32)), "TIFF", {}),
             "webp": (picture, "WEBP", {"exif": exif}), "gif": (picture, "GIF", {}), "bmp": (picture, "BMP", {})}
    files = {}
    for name, (image, kind, options) in kinds.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()
    return files


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut the file, change bytes anywhere or in its header, or take a piece out."""
    kind, out = rng.integers(4), bytearray(data)
    if kind == 0:
        return data[:rng.integers(len(data))]
    if kind == 3:
        first, last = sorted(rng.integers(len(data), size=2))
        return data[:first] + data[last:]
    for _ in range(rng.integers(1, 12)):
        out[rng.integers(len(out) if kind == 1 else 200)] = rng.integers(256)
    return bytes(out)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", whole_files())
def test_damage_is_refused_or_survived(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A header may claim any size: a small limit keeps the test small.
    monkeypatch.setattr(loading, "LARGEST_MEGAPIXELS", 4)
    data, rng = whole_files()[kind], np.random.default_rng(sum(kind.encode()))
    path = tmp_path / "photo.bin"
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        try:
            pixels = load_photo(path).pixels
        except GazeSplatError as refusal:
            assert refusal.code in CODES and refusal.hint
        else:
            assert pixels.dtype == np.uint8 and pixels.shape[2] == 3


def test_damaged_exif_is_no_reason_to_refuse(tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "photo.jpg", exif=b"Exif\0\0no TIFF header in here")
    photo = load_photo(tmp_path / "photo.jpg")
    assert photo.pixels.shape == (512, 512, 3) and photo.lens.equivalent_mm is None


def test_heic_is_named(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400))
    with pytest.raises(GazeSplatError) as caught:
        load_photo(tmp_path / "IMG_0001.HEIC")
    assert caught.value.code == "photo-unreadable"
    assert "JPEG" in caught.value.hint and "iPhone" in caught.value.hint


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_of_the_file_follows_its_orientation(orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "WORKING_MEGAPIXELS", 0.02)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(astronaut()[:256]).save(tmp_path / "photo.jpg", exif=exif)
    photo = load_photo(tmp_path / "photo.jpg")
    assert photo.file_size_px == ((512, 256) if orientation < 5 else (256, 512))
    assert 0.2 < photo.scale <= 0.5
    assert photo.pixels.shape[0] == pytest.approx(photo.scale * photo.file_size_px[1], abs=1)
