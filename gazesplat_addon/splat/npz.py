# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads NumPy archives that anybody may have written: only what is asked for, only plain numbers, and no more than was said.

``numpy.load`` believes a header and allocates what it claims; a kilobyte can claim terabytes. Here nothing is allocated that the
caller has not allowed and the archive does not hold. Nothing is unpickled or written to disk, whatever the members are called.
"""
from __future__ import annotations

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

# Longest header of an array that is read; ours take 128 bytes.
_HEADER_BYTES = 4096
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Numbers and truth values: nothing that points anywhere.
_KINDS = "biuf"


class ArrayTooLarge(ValueError):  # noqa: N818 - what it is, not that it is one
    """An array is larger than the reader allows: it was made for something else, or to do harm."""


class ArrayMissing(ValueError):  # noqa: N818 - what it is, not that it is one
    """An archive has no array of that name."""


def read_arrays(path: Path, most_bytes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the named arrays of an archive; ``most_bytes`` says how large each may be, its numbers alone.

    Raises ArrayTooLarge, ArrayMissing, ValueError for everything else that is wrong with the content, OSError for the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _array(archive, name, most) for name, most in most_bytes.items()}
    except KeyError as error:
        raise ArrayMissing(f"it lacks {error.args[0]}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OverflowError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, name: str, most_bytes: int) -> np.ndarray:
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in _METHODS:
        raise ValueError(f"{name} is packed in an unknown way")
    if member.file_size > most_bytes + _HEADER_BYTES:
        raise ArrayTooLarge(f"{name} is larger than it may be")
    with archive.open(member) as file:
        data = file.read(member.file_size)
    stream = io.BytesIO(data)
    shape, backwards, dtype = _header(stream)
    if dtype.kind not in _KINDS or dtype.itemsize == 0 or dtype.hasobject:
        raise ValueError(f"{name} holds {dtype}, not numbers")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size != len(data) - stream.tell():
        raise ValueError(f"{name} says that it is {' x '.join(map(str, shape))}, which it is not")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if backwards else "C").copy()


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return an array's shape, whether it lies in Fortran's order, and the type of its items."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in read:
        raise ValueError(f"its version {version} is unknown")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")    # of headers that look as if Python 2 had written them
            return read[version](stream, max_header_size=_HEADER_BYTES)
    except (SyntaxError, TypeError, RecursionError, MemoryError, UnicodeError, tokenize.TokenError) as error:
        raise ValueError("its header is damaged") from error
