# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clip's container says about its tracks and its light, which OpenCV's reader does not pass on.

Boxes of MP4 and MOV (ISO 14496-12) and elements of Matroska and WebM (RFC 9559) are walked, not searched: only their
heads are read, and nothing larger than a header is ever loaded. A damaged tree ends the walk, no more.
"""
from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LOG = logging.getLogger(__name__)

# Transfer characteristics of ITU-T H.273 that are not for ordinary screens.
PQ, HLG = 16, 18
_BOXES_WITH_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_PICTURE_ENTRY_BYTES = 86       # a VisualSampleEntry with its head, before the boxes inside it
# Matroska: Segment, Tracks, TrackEntry, Video, Colour; TrackType, TransferCharacteristics.
_NESTED = {0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x55B0}
_TRACK_TYPE, _TRANSFER, _CLUSTER = 0x83, 0x55BA, 0x1F43B675
_MOST_STEPS = 4000


@dataclass
class Container:
    """Tracks that were seen, and the transfer characteristics (H.273) of the first that has pictures; 0 = not said."""

    pictures: bool = False
    sound: bool = False
    transfer: int = 0

    @property
    def high_dynamic_range(self) -> bool:
        """True for PQ and HLG clips."""
        return self.transfer in (PQ, HLG)


def describe(path: Path) -> Container:
    """Read the heads of a clip's container; what is neither MP4, MOV, MKV nor WebM, or damaged, says little or nothing."""
    found = Container()
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        try:
            if start[:4] == b"\x1a\x45\xdf\xa3":
                _matroska(file, size, found)
            elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                _boxes(file, 0, size, found, iter(range(_MOST_STEPS)))
        except (struct.error, StopIteration, IndexError) as error:
            LOG.info("the container of %s is damaged: %r", path.name, error)
    return found


def _boxes(file: BinaryIO, at: int, end: int, found: Container, steps: Iterator[int]) -> None:
    while at + 8 <= end:
        next(steps)
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        size = end - at if size == 0 else size
        if size < head:
            return
        if kind in _BOXES_WITH_BOXES:
            _boxes(file, at + head, at + size, found, steps)
        elif kind == b"hdlr":
            handler = file.read(12)[8:12]
            found.pictures |= handler == b"vide"
            found.sound |= handler == b"soun"
        elif kind == b"stsd":
            # The handler comes before the sample table: this one belongs to the track just met.
            _boxes_of_entry(file, at + head + 8, at + size, found, steps)
        at += size


def _boxes_of_entry(file: BinaryIO, at: int, end: int, found: Container, steps: Iterator[int]) -> None:
    at += _PICTURE_ENTRY_BYTES
    while at + 8 <= end and not found.transfer:
        next(steps)
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size < 8:
            return
        if kind == b"colr":
            label, _, transfer = struct.unpack(">4sHH", file.read(8))
            found.transfer = transfer if label in (b"nclx", b"nclc") else 0
        at += size


def _matroska(file: BinaryIO, size: int, found: Container) -> None:
    ends = [size]
    at = 0
    for _ in range(_MOST_STEPS):
        while ends and at >= ends[-1]:
            ends.pop()
        if not ends:
            return
        file.seek(at)
        head = file.read(12)
        number, used = _variable(head, 0, keep_marker=True)
        length, used = _variable(head, used, keep_marker=False)
        if number == _CLUSTER:
            return
        unknown = length == (1 << 7 * (used - _width(head[0]))) - 1
        end = ends[-1] if unknown else at + used + length
        if number in _NESTED:
            ends.append(end)
            at += used
            continue
        if number in (_TRACK_TYPE, _TRANSFER) and 0 < length <= 8:
            file.seek(at + used)
            value = int.from_bytes(file.read(length), "big")
            found.pictures |= number == _TRACK_TYPE and value == 1
            found.sound |= number == _TRACK_TYPE and value == 2
            if number == _TRANSFER:
                found.transfer = found.transfer or value
        at = end


def _width(first: int) -> int:
    return 9 - first.bit_length() if first else 8


def _variable(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """Return one variable-length number and where it ends."""
    width = _width(data[at])
    value = int.from_bytes(data[at:at + width], "big")
    return value if keep_marker else value & ~(1 << 7 * width), at + width
