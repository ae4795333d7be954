# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats from and to SPZ files, Niantic's compact format (versions 2 and 3).

A gzip stream of a 16-byte header and then, each for all splats: positions as 24-bit fixed point, opacities, colours and
logarithms of scales as bytes, rotations in three bytes (version 2) or four (version 3), spherical harmonics as bytes.
About a tenth of a PLY, and lossy: colours in steps of 1/136, scales in steps of 6 %. The format fixes its axes (x right, y up,
z towards the viewer), so a splat comes in upright and goes out so: Blender's z is up and -y faces the viewer.

Nothing is allocated, and no more than that inflated, before the size of the file can hold what its header says.
"""
from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ...backend.contract.errors import GazeSplatError
from .arrays import SH_C0, Splats, quaternion_product
from .harmonics import carried

_log = logging.getLogger(__name__)

MAGIC, WRITTEN_VERSION, READ_VERSIONS = 0x5053474E, 3, (2, 3)
MAX_COUNT = 10_000_000          # what the format's own reader takes
MAX_RATIO = 1032                # deflate cannot pack tighter
COLOUR_SCALE = 0.15             # of f_dc, about the middle of a byte
SCALE_STEP, SCALE_LOW = 16.0, -10.0
SMALLEST_THREE_STEPS = 511.0    # 9 bits and a sign for 0..sqrt(1/2)
MAX_FRACTION_BITS = 22          # a quarter of a micrometre; a position reaches 2 m then
_HAS_EXTENSIONS = 2
_COEFFICIENTS = (0, 3, 8, 15, 24)
# Columns: where the format's axes point in Blender.
TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_TO_BLENDER_QUATERNION = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
_COPY_AGAIN = "Copy or download the file again."


class _Header(NamedTuple):
    version: int
    count: int
    degree: int
    fraction_bits: int
    flags: int

    @property
    def body_bytes(self) -> int:
        """Return the length of everything behind the header, extensions left out."""
        return self.count * (9 + 1 + 3 + 3 + (4 if self.version >= 3 else 3) + 3 * _COEFFICIENTS[self.degree])


def read_spz(path: Path | str) -> Splats:
    """Return the splats of an SPZ file, in Blender's axes.

    Harmonics of degree 4 are left out, with a warning in the log. Every pattern of bytes is a splat, so there are no values to repair.

    Raises GazeSplatError ``spz-unreadable``, ``spz-not-spz``, ``spz-newer``, ``spz-header``, ``spz-truncated``, ``spz-damaged``
    or ``spz-empty``.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            return _read(handle, os.fstat(handle.fileno()).st_size, path.name)
    except OSError as error:
        raise GazeSplatError("spz-unreadable", f"{path.name} cannot be read ({error.strerror or error}).",
                             "Check that the file exists and that you may open it.") from error
    except zlib.error as error:
        raise GazeSplatError("spz-damaged", f"The compressed data of {path.name} is damaged.", _COPY_AGAIN) from error


def write_spz(path: Path | str, splats: Splats) -> None:
    """Write splats given in Blender's axes as SPZ version 3, through a temporary name.

    Positions keep as many binary places as the farthest splat leaves room for. What lies outside the format's range is
    clamped: scales 45 micrometres to 370 m, colours -0.44 to 1.44, harmonics -1 to 1.

    Raises GazeSplatError ``spz-empty``, or ``spz-values`` for values that are not finite or positions beyond 8000 km. OSError when
    the disk refuses; the temporary file is then gone.
    """
    path = Path(path)
    if not len(splats):
        raise GazeSplatError("spz-empty", f"There are no splats to write to {path.name}.", "Reconstruct the portrait again.")
    packed = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    temporary = path.with_name(path.name + ".part")
    parts = _pack(splats, path.name)
    try:
        with temporary.open("wb") as handle:
            for part in parts:
                handle.write(packed.compress(part))
            handle.write(packed.flush())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


class _Inflater:
    """Hands out a gzip stream in pieces of a known size, and never inflates beyond them."""

    def __init__(self, handle: BinaryIO, file_name: str) -> None:
        self._handle, self._name = handle, file_name
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; GazeSplatError ``spz-truncated`` when there are fewer."""
        pieces = []
        while size and not self._stream.eof:
            given = self._stream.unconsumed_tail or self._handle.read(1 << 18)
            piece = self._stream.decompress(given, size)
            if not given and not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        if size:
            raise GazeSplatError("spz-truncated", f"{self._name} is shorter than its header says.", _COPY_AGAIN)
        return b"".join(pieces)

    def array(self, count: int, width: int) -> np.ndarray:
        """Return the next (count, width) bytes."""
        return np.frombuffer(self.take(count * width), np.uint8).reshape(count, width)

    def check_end(self) -> None:
        """Let the stream compare its checksum; zlib.error or GazeSplatError ``spz-truncated`` if it cannot."""
        for _ in range(64):    # a longer tail than 4 MB is nothing that this format knows: it stays unread
            if self._stream.eof:
                return
            given = self._stream.unconsumed_tail or self._handle.read(1 << 16)
            if not self._stream.decompress(given, 1 << 16) and not given:
                raise GazeSplatError("spz-truncated", f"{self._name} ends too early.", _COPY_AGAIN)


def _read(handle: BinaryIO, size: int, file_name: str) -> Splats:
    start = handle.read(2)
    handle.seek(0)
    if start != b"\x1f\x8b":
        # A bare stream of this format's newer versions begins with its name.
        if start == b"NG":
            raise _newer(file_name, "4 or later")
        raise _not_spz(file_name)
    stream = _Inflater(handle, file_name)
    header = _read_header(stream, file_name)
    if header.body_bytes > size * MAX_RATIO:
        raise GazeSplatError("spz-truncated", f"{file_name} is shorter than its header says.", _COPY_AGAIN)
    if header.flags & _HAS_EXTENSIONS:
        raise GazeSplatError("spz-newer", f"{file_name} uses extensions of the format, which are not read.",
                             "Export it again without extensions, or as PLY.")
    splats = _read_splats(stream, header)
    stream.check_end()
    if header.degree > 3:
        _log.warning("%s: harmonics of degree 4 are left out", file_name)
    return splats


def _read_header(stream: _Inflater, file_name: str) -> _Header:
    magic, version, count, degree, fraction_bits, flags, _ = struct.unpack("<IIIBBBB", stream.take(16))
    if magic != MAGIC:
        raise _not_spz(file_name)
    if version not in READ_VERSIONS:
        raise _newer(file_name, str(version))
    if degree > 4 or fraction_bits > 24:
        raise GazeSplatError("spz-header", f"The header of {file_name} cannot be understood: degree {degree}, {fraction_bits} "
                             "binary places.", "Export it again from the program that made it.")
    if count > MAX_COUNT:
        raise GazeSplatError("spz-header", f"{file_name} claims {count} splats, which is more than the format allows.", _COPY_AGAIN)
    if not count:
        raise GazeSplatError("spz-empty", f"{file_name} holds no splats.", "Choose another file.")
    return _Header(version, count, degree, fraction_bits, flags)


def _not_spz(file_name: str) -> GazeSplatError:
    return GazeSplatError("spz-not-spz", f"{file_name} is not an SPZ file.", "Choose a splat file whose name ends in .spz.")


def _newer(file_name: str, version: str) -> GazeSplatError:
    return GazeSplatError("spz-newer", f"{file_name} is of SPZ version {version}; versions 2 and 3 are read.",
                          "Export it as version 3, or as PLY.")


def _read_splats(stream: _Inflater, header: _Header) -> Splats:
    n, kept = header.count, _COEFFICIENTS[min(header.degree, 3)]
    turn = TO_BLENDER.astype(np.float32)
    means = _fixed_point(stream.array(n, 9), header.fraction_bits) @ turn.T
    opacities = stream.array(n, 1)[:, 0] * np.float32(1.0 / 255.0)
    f_dc = (stream.array(n, 3) * np.float32(1.0 / 255.0) - np.float32(0.5)) / np.float32(COLOUR_SCALE)
    scales = np.exp(stream.array(n, 3) / np.float32(SCALE_STEP) + np.float32(SCALE_LOW))
    rotations = _smallest_three(stream.array(n, 4)) if header.version >= 3 else _first_three(stream.array(n, 3))
    rotations = quaternion_product(_TO_BLENDER_QUATERNION, rotations).astype(np.float32)
    stored = stream.array(n, 3 * _COEFFICIENTS[header.degree])[:, :3 * kept].reshape(n, kept, 3)
    harmonics = (stored - np.float32(128.0)) * np.float32(1.0 / 128.0)
    colours, sh_rest = carried(np.float32(0.5) + np.float32(SH_C0) * f_dc, harmonics, TO_BLENDER)
    return Splats(np.ascontiguousarray(means), scales, rotations, opacities, colours, sh_rest)


def _fixed_point(stored: np.ndarray, fraction_bits: int) -> np.ndarray:
    """Return positions (N, 3) of 24-bit little-endian fixed point (N, 9)."""
    octets = stored.reshape(-1, 3).astype(np.int32)
    values = octets[:, 0] | octets[:, 1] << 8 | octets[:, 2] << 16
    values -= (values & 0x800000) << 1
    return (values * np.float32(2.0 ** -fraction_bits)).reshape(-1, 3).astype(np.float32)


def _first_three(stored: np.ndarray) -> np.ndarray:
    """Return unit quaternions wxyz (N, 4) of bytes xyz (N, 3); w is never negative."""
    xyz = stored * np.float32(1.0 / 127.5) - np.float32(1.0)
    w = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("ij,ij->i", xyz, xyz)))
    quaternions = np.concatenate([w[:, None], xyz], axis=1)
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def _smallest_three(stored: np.ndarray) -> np.ndarray:
    """Return unit quaternions wxyz (N, 4) of 2 bits that name the largest of xyzw and 10 for each of the others (N, 4)."""
    packed = np.ascontiguousarray(stored).view("<u4")[:, 0]
    largest = packed >> 30
    others = np.stack([packed >> 20, packed >> 10, packed], axis=1)
    size = (others & 511) * np.float32(np.sqrt(0.5) / SMALLEST_THREE_STEPS)
    values = np.where(others & 512, -size, size)
    left = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("ij,ij->i", values, values)))
    quaternions = np.empty((len(packed), 4), np.float32)
    for axis in range(4):
        rows = np.flatnonzero(largest == axis)
        quaternions[rows, axis] = left[rows]
        quaternions[rows[:, None], [i for i in range(4) if i != axis]] = values[rows]
    return quaternions[:, [3, 0, 1, 2]] / np.linalg.norm(quaternions, axis=1, keepdims=True)


def _pack(splats: Splats, file_name: str) -> list[bytes]:
    """Return header and sections, ready to be compressed."""
    farthest = float(np.abs(splats.means).max())
    if not all(np.isfinite(getattr(splats, name)).all() for name in splats.__dataclass_fields__) or farthest >= 2.0 ** 23 - 1:
        raise GazeSplatError("spz-values", f"Some splats for {file_name} hold values that this format cannot store.",
                             "Export a PLY instead.")
    fraction_bits = int(min(MAX_FRACTION_BITS, np.floor(np.log2((2.0 ** 23 - 1) / max(farthest, 1e-9)))))
    fixed = np.rint(splats.means.astype(np.float64) @ TO_BLENDER * 2.0 ** fraction_bits).astype("<i4")
    back = _TO_BLENDER_QUATERNION * (1.0, -1.0, -1.0, -1.0)
    colours, sh_rest = carried(splats.colours, splats.sh_rest, TO_BLENDER.T)
    header = struct.pack("<IIIBBBB", MAGIC, WRITTEN_VERSION, len(splats), splats.sh_degree, fraction_bits, 0, 0)
    with np.errstate(divide="ignore"):
        log_scales = np.log(splats.scales)
    return [header, np.ascontiguousarray(fixed.view(np.uint8).reshape(-1, 3, 4)[:, :, :3]).tobytes(), _octets(splats.opacities * 255.0),
            _octets(((colours - 0.5) / SH_C0 * COLOUR_SCALE + 0.5) * 255.0), _octets((log_scales - SCALE_LOW) * SCALE_STEP),
            _packed_quaternions(quaternion_product(back, splats.rotations)), _octets(sh_rest * 128.0 + 128.0)]


def _octets(values: np.ndarray) -> bytes:
    return np.clip(np.rint(values), 0.0, 255.0).astype(np.uint8).tobytes()


def _packed_quaternions(quaternions: np.ndarray) -> bytes:
    """Return the four bytes a rotation of quaternions wxyz (N, 4): the inverse of ``_smallest_three``."""
    xyzw = quaternions[:, [1, 2, 3, 0]] / np.linalg.norm(quaternions, axis=1, keepdims=True)
    largest = np.abs(xyzw).argmax(axis=1)
    xyzw = xyzw * np.where(np.take_along_axis(xyzw, largest[:, None], 1) < 0.0, -1.0, 1.0)
    others = np.stack([np.delete(np.arange(4), axis) for axis in range(4)])[largest]
    values = np.take_along_axis(xyzw, others, 1)
    codes = np.rint(np.abs(values) * (SMALLEST_THREE_STEPS / np.sqrt(0.5))).astype(np.uint32) | (values < 0.0).astype(np.uint32) << 9
    return (largest.astype(np.uint32) << 30 | codes[:, 0] << 20 | codes[:, 1] << 10 | codes[:, 2]).astype("<u4").tobytes()
