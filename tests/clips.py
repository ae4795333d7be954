# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips made at test time: written by OpenCV, and lengthened or labelled by editing their MP4 boxes."""
from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

_ABOVE_TABLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def write_clip(path: Path, pictures: list[np.ndarray], fps: float = 30.0, codec: str = "mp4v") -> Path:
    """Write RGB pictures as a clip; the name's ending says which container."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


def label_colours(path: Path, primaries: int, transfer: int, matrix: int) -> None:
    """Say in an MP4's sample entry (H.273 numbers) what its colours are: insert a colr box."""
    data = bytearray(path.read_bytes())
    entry = data.index(b"mp4v", data.index(b"stsd")) - 4
    size = struct.unpack_from(">I", data, entry)[0]
    box = struct.pack(">I4s4sHHHB", 19, b"colr", b"nclx", primaries, transfer, matrix, 0)
    data[entry + size:entry + size] = box
    for kind in (*_ABOVE_TABLES, b"stsd", b"mp4v"):
        _grow(data, kind, len(box))
    path.write_bytes(data)


def repeat(path: Path, times: int) -> None:
    """Make an MP4 say that its frames come ``times`` over: the tables grow, the pictures are stored once."""
    data = bytearray(path.read_bytes())
    sizes = _table(data, b"stsz", 12, ">I")
    sync = _table(data, b"stss", 8, ">I")
    chunks, runs = _table(data, b"stco", 8, ">I"), _table(data, b"stsc", 8, ">III")
    offsets = []
    for number, start in enumerate(chunks, 1):
        for _ in range([run[1] for run in runs if run[0] <= number][-1]):
            offsets.append(start)
            start += sizes[len(offsets) - 1]
    delta = struct.unpack_from(">I", data, data.index(b"stts") + 16)[0]
    count = len(sizes)
    later = [index + turn * count for turn in range(times) for index in sync]
    tables = {b"stts": struct.pack(">III", 1, count * times, delta), b"stss": struct.pack(f">I{len(later)}I", len(later), *later),
              b"stsc": struct.pack(">IIII", 1, 1, 1, 1), b"stsz": struct.pack(f">II{count * times}I", 0, count * times, *sizes * times),
              b"stco": struct.pack(f">I{count * times}I", count * times, *offsets * times)}
    for kind, content in tables.items():
        at = data.index(kind, data.index(b"moov")) - 4
        size = struct.unpack_from(">I", data, at)[0]
        data[at:at + size] = struct.pack(">I4sI", 12 + len(content), kind, 0) + content
        for above in _ABOVE_TABLES:
            _grow(data, above, 12 + len(content) - size)
    # The edit list would end the clip where it ended before.
    data[:] = data.replace(b"edts", b"free")
    path.write_bytes(data)


def turn_on_its_side(path: Path) -> None:
    """Say in an MP4's track head that players must turn its pictures clockwise by a quarter: how phones store upright clips."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    width = struct.unpack_from(">I", data, at + 80)[0]
    struct.pack_into(">9i", data, at + 44 - 4, 0, 1 << 16, 0, -(1 << 16), 0, 0, width, 0, 1 << 30)
    path.write_bytes(data)


def uneven_times(path: Path, ticks: list[int]) -> None:
    """Let an MP4's frames last these numbers of its track's ticks."""
    data = bytearray(path.read_bytes())
    at = data.index(b"stts", data.index(b"moov")) - 4
    size = struct.unpack_from(">I", data, at)[0]
    box = struct.pack(">I4sII", 16 + 8 * len(ticks), b"stts", 0, len(ticks)) + b"".join(struct.pack(">II", 1, one) for one in ticks)
    data[at:at + size] = box
    for above in _ABOVE_TABLES:
        _grow(data, above, len(box) - size)
    data[:] = data.replace(b"edts", b"free")
    path.write_bytes(data)


def ticks_a_second(path: Path) -> int:
    """Return the time unit of an MP4's track."""
    data = path.read_bytes()
    return struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]


def _grow(data: bytearray, kind: bytes, by: int) -> None:
    at = data.index(kind, data.index(b"moov")) - 4
    struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)


def _table(data: bytearray, kind: bytes, head: int, row: str) -> list:
    """Return a table's rows; ``head`` bytes of version and other fields lie before them, the last four their number."""
    at = data.index(kind, data.index(b"moov")) + 4
    number = struct.unpack_from(">I", data, at + head - 4)[0]
    rows = struct.iter_unpack(row, bytes(data[at + head:at + head + number * struct.calcsize(row)]))
    return [one[0] if len(one) == 1 else one for one in rows]
