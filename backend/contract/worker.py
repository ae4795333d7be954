# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between Blender and the render worker, over the worker's own stdin and stdout.

A message is a fixed prefix, a header in JSON, and the bytes of the arrays that the header lists, C order, in
this machine's byte order: both ends run on it. Nothing is pickled, and nothing read can become code. Arrays are
whatever has the buffer protocol, so that this file needs no numpy; ``numpy.asarray`` takes what is read without a copy.
"""
from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import BinaryIO

# Message types. Blender sends the first four, the worker answers with the others.
HOLD, FORGET, DRAW, CANCEL = "hold", "forget", "draw", "cancel"
HELLO, PICTURE, FAILED = "hello", "picture", "failed"

CUBE_UNIT = 0.01                     # a view's table holds arcsinh(light / CUBE_UNIT), in which its steep ends are nearly straight
ARRAYS = "arrays"                    # header field: [[name, format, shape], ...]
FORMATS = {"f": 4, "d": 8, "B": 1}   # struct codes that may travel, with their sizes
HEADER_LIMIT = 1 << 24               # bytes; a rig takes some 10 KB
ARRAY_LIMIT = 1 << 33                # bytes; a picture of 16K x 16K takes 4 GiB

_PREFIX = struct.Struct("<4sI")      # mark, length of the header in bytes
_MARK = b"GSW1"


class BrokenMessage(ValueError):  # noqa: N818 - what it is, not that it is one
    """What was read is no message: another program wrote to the pipe, or a message was cut."""


def write_message(stream: BinaryIO, header: Mapping, arrays: Mapping[str, object] | None = None) -> int:
    """Write a message and flush; return how many bytes it took.

    Raises ValueError for an array that is empty, not contiguous or of another format, OSError when the other end is gone.
    """
    views = {name: memoryview(array) for name, array in (arrays or {}).items()}
    for name, view in views.items():
        if view.format not in FORMATS or not view.c_contiguous or not view.nbytes:
            raise ValueError(f"array {name} of format {view.format!r} and shape {view.shape} cannot be sent")
    listed = [[name, view.format, list(view.shape)] for name, view in views.items()]
    text = json.dumps({**header, ARRAYS: listed}, separators=(",", ":")).encode()
    stream.write(_PREFIX.pack(_MARK, len(text)) + text)
    for view in views.values():
        stream.write(view.cast("B"))
    stream.flush()
    return _PREFIX.size + len(text) + sum(view.nbytes for view in views.values())


def read_message(stream: BinaryIO) -> tuple[dict, dict[str, memoryview]] | None:
    """Return the next message's header and writable arrays by name, or None when the other end has closed.

    Raises BrokenMessage.
    """
    prefix = stream.read(_PREFIX.size)
    if not prefix:
        return None
    if len(prefix) < _PREFIX.size:
        raise BrokenMessage("the message is cut")
    mark, length = _PREFIX.unpack(prefix)
    if mark != _MARK or length > HEADER_LIMIT:
        raise BrokenMessage(f"not a message: {prefix!r}")
    try:
        header = json.loads(_exactly(stream, length))
        listed = [(str(name), str(kind), [int(size) for size in shape]) for name, kind, shape in header.pop(ARRAYS)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenMessage(f"the header cannot be read: {error}") from error
    arrays = {}
    for name, kind, shape in listed:
        if kind not in FORMATS or not shape or min(shape) < 1 or FORMATS[kind] * math.prod(shape) > ARRAY_LIMIT:
            raise BrokenMessage(f"array {name} of format {kind!r} and shape {shape}")
        arrays[name] = memoryview(_exactly(stream, FORMATS[kind] * math.prod(shape))).cast(kind, shape)
    return header, arrays


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """Read ``size`` bytes; BrokenMessage when the stream ends before."""
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        count = stream.readinto(view[done:])
        if not count:
            raise BrokenMessage("the message is cut")
        done += count
    return data
