# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats from and to PLY files in the layout of 3D Gaussian Splatting, the one every viewer opens.

What the file stores is the inverse of the activations (Kerbl et al. 2023, ``gaussian_model.py``): opacity is
a logit, scales are natural logarithms, colour is ``0.5 + SH_C0 * f_dc``, ``f_rest`` runs through all
coefficients of red, then green, then blue. Reading goes through a small buffer instead of a memory map: as
fast, and a file that shrinks or a network drive that leaves becomes an error instead of a crash of Blender.
"""
from __future__ import annotations

import io
import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ...backend.contract.errors import GazeSplatError
from .arrays import SH_C0, Splats

_log = logging.getLogger(__name__)

MIN_SCALE, MAX_SCALE = 1e-12, 1e6    # squares still fit float32; thinner is clamped, larger covers the whole scene
MAX_DISTANCE = 1e9                   # from the origin, per axis
OPACITY_MARGIN = 2.0 ** -24          # keeps the logit finite; half the last bit of float32 below 1
BLOCK_ROWS = 8192                    # 2 MB of a degree-3 file: stays in the cache between the columns
MAX_HEADER_BYTES = 1 << 20           # a usual header has 1.5 kB
MAX_COMMENT = 240                    # some readers keep a line in 256 bytes
MAX_COUNT = 2 ** 31 - 1              # Blender counts elements in 32 bits

_TYPES = {"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
          "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8", "float64": "f8"}
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_MEANS, _COLOURS, _NORMALS = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2"), ("nx", "ny", "nz")
_SCALES, _ROTATION = ("scale_0", "scale_1", "scale_2"), ("rot_0", "rot_1", "rot_2", "rot_3")
_COPY_AGAIN = "Copy or download the file again."
_EXPORT_AGAIN = "Export it again from the program that made it, as a 3D Gaussian Splatting PLY."


@dataclass(frozen=True)
class _Property:
    name: str
    type: str              # numpy code without byte order
    count_type: str = ""   # of a list property; empty for a plain one


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: tuple[_Property, ...]


@dataclass(frozen=True)
class _Header:
    byte_order: str        # "<", ">", or "" for ascii
    elements: tuple[_Element, ...]
    data_start: int        # bytes


class _Raw(NamedTuple):
    """Splats as the file stores them: shapes as in Splats, but opacities (N, 1), values before activation."""

    means: np.ndarray
    colours: np.ndarray
    opacities: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    sh_rest: np.ndarray

    def rows(self, chosen: slice | np.ndarray) -> _Raw:
        return _Raw(*(array[chosen] for array in self))


def read_ply(path: Path | str) -> Splats:
    """Return the splats of a PLY file.

    Properties may come in any order and any numeric type, with others between them; normals and ``f_rest``
    may be missing; the format may be ascii or binary of either byte order; the values of other elements are skipped.

    A splat is dropped when its position, colour, harmonics or rotation is not finite, its rotation is zero, its
    opacity or a scale is NaN, a scale is above MAX_SCALE or a coordinate beyond MAX_DISTANCE. Scales below MIN_SCALE
    are clamped, and an infinite logit means opacity 0 or 1. Both counts are logged as a warning.

    Raises GazeSplatError ``ply-unreadable``, ``ply-not-ply``, ``ply-header``, ``ply-truncated``, ``ply-not-splats``,
    ``ply-empty`` or ``ply-values`` (no splat is usable, or an ascii row holds something else than numbers).
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            header = _read_header(handle, path.name)
            vertex = _vertex_of(header, path.name)
            terms = _check_properties(vertex, path.name)
            _skip_to_vertex(handle, header, size, path.name)
            return _read_splats(handle, header, vertex, terms, size, path.name)
    except OSError as error:
        raise GazeSplatError("ply-unreadable", f"{path.name} cannot be read ({error.strerror or error}).",
                             "Check that the file exists and that you may open it.") from error


def write_ply(path: Path | str, splats: Splats, comments: Sequence[str] = ()) -> None:
    """Write splats as the standard 3DGS layout: float32, little endian, through a temporary name; ``comments`` go into the header.

    Normals are zero. SH degree 0 writes no ``f_rest`` at all, which viewers accept widely. Opacities are kept
    OPACITY_MARGIN away from 0 and 1, scales at MIN_SCALE or above, quaternions are normalised. The order is kept.

    Raises GazeSplatError ``ply-empty``, or ``ply-values`` for splats that ``read_ply`` would drop (their groups in
    the sidecar would then fit no more). OSError when the disk refuses; the temporary file is then gone.
    """
    path = Path(path)
    if not len(splats):
        raise GazeSplatError("ply-empty", f"There are no splats to write to {path.name}.", "Reconstruct the portrait again.")
    table, names = _table_of(splats, path.name)
    lines = [f"comment {_header_line(comment)}" for comment in comments]
    header = "\n".join(["ply", "format binary_little_endian 1.0", *lines, f"element vertex {len(splats)}",
                        *(f"property float {name}" for name in names), "end_header\n"])
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as handle:
            handle.write(header.encode("ascii"))
            handle.write(table.data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _header_line(comment: str) -> str:
    """Return a comment as one line of ascii that no reader takes for the header's end."""
    words = comment.encode("ascii", "replace").decode().split()
    return " ".join(words).replace("end_header", "end header")[:MAX_COMMENT]


def _table_of(splats: Splats, file_name: str) -> tuple[np.ndarray, list[str]]:
    """Return the file's rows (N, P) float32 and the property names."""
    terms = 3 * splats.sh_rest.shape[1]
    names = [*_MEANS, *_NORMALS, *_COLOURS, *(f"f_rest_{i}" for i in range(terms)), "opacity", *_SCALES, *_ROTATION]
    opacities = np.clip(splats.opacities.astype(np.float64), OPACITY_MARGIN, 1.0 - OPACITY_MARGIN)
    lengths = np.sqrt(_squared_lengths(splats.rotations))[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        raw = _Raw(splats.means, (splats.colours - 0.5) / SH_C0, (np.log(opacities) - np.log1p(-opacities))[:, None],
                   np.maximum(np.log(splats.scales), np.float32(np.log(MIN_SCALE))), splats.rotations / lengths, splats.sh_rest)
        broken = len(splats) - int(_usable(raw).sum())
    if broken:
        raise GazeSplatError("ply-values", f"{broken} of {len(splats)} splats for {file_name} hold values that cannot be drawn.",
                             "Reconstruct the portrait again; if it happens again, report it with the job's log.")
    table = np.zeros((len(splats), len(names)), "<f4")
    table[:, 0:3] = raw.means
    table[:, 6:9] = raw.colours
    table[:, 9:9 + terms].reshape(len(splats), 3, -1)[:] = raw.sh_rest.transpose(0, 2, 1)
    table[:, 9 + terms] = raw.opacities[:, 0]
    table[:, 10 + terms:13 + terms] = raw.scales
    table[:, 13 + terms:17 + terms] = raw.rotations
    return table, names


def _read_header(handle: BinaryIO, file_name: str) -> _Header:
    head = handle.read(MAX_HEADER_BYTES)
    first = re.match(rb"ply[ \t]*(\r\n|\n|\r)", head)
    if not first:
        raise GazeSplatError("ply-not-ply", f"{file_name} is not a PLY file.", "Choose a splat file whose name ends in .ply.")
    line_end = b"\r" if first[1] == b"\r" else b"\n"
    byte_order, elements, position = None, [], first.end()
    while (end := head.find(line_end, position)) >= 0:
        line, position = head[position:end].decode("latin-1").strip(), end + 1
        words = line.split()
        match words:
            case ["end_header"]:
                if byte_order is None:
                    raise _header_error(file_name, "it names no format")
                return _Header(byte_order, tuple(_Element(n, c, tuple(p)) for n, c, p in elements), position)
            case ["format", name, *_] if name in _BYTE_ORDERS:
                byte_order = _BYTE_ORDERS[name]
            case ["element", name, count] if re.fullmatch("[0-9]{1,18}", count) and int(count) <= MAX_COUNT:
                elements.append((name, int(count), []))
            case ["property", "list", count_type, kind, name] if elements and kind in _TYPES and _TYPES.get(count_type, "f")[0] != "f":
                elements[-1][2].append(_Property(name, _TYPES[kind], _TYPES[count_type]))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1][2].append(_Property(name, _TYPES[kind]))
            case [] | ["comment", *_] | ["obj_info", *_]:
                continue
            case _:
                raise _header_error(file_name, f"it says {line[:60]!r}")
    if len(head) < MAX_HEADER_BYTES:
        raise GazeSplatError("ply-truncated", f"{file_name} ends inside its header.", _COPY_AGAIN)
    raise _header_error(file_name, "it does not end")


def _header_error(file_name: str, why: str) -> GazeSplatError:
    return GazeSplatError("ply-header", f"The header of {file_name} cannot be understood: {why}.", _EXPORT_AGAIN)


def _vertex_of(header: _Header, file_name: str) -> _Element:
    for element in header.elements:
        if element.name == "vertex":
            return element
    raise _header_error(file_name, "it declares no vertices")


def _check_properties(vertex: _Element, file_name: str) -> int:
    """Return the number of ``f_rest`` coefficients a channel, K; refuse what is no splat file."""
    names = [p.name for p in vertex.properties]
    missing = [n for n in (*_MEANS, *_COLOURS, "opacity", *_SCALES, *_ROTATION) if n not in names]
    if "packed_position" in names:
        raise GazeSplatError("ply-not-splats", f"{file_name} holds compressed splats, which are not read.",
                             "Export it as an uncompressed PLY.")
    if missing:
        what = "a mesh or point cloud, not splats" if "opacity" in missing or "scale_0" in missing else "no complete splats"
        raise GazeSplatError("ply-not-splats", f"{file_name} holds {what}: {', '.join(missing[:6])} missing.",
                             "Choose a 3D Gaussian Splatting PLY; Blender's own PLY import opens meshes.")
    if len(set(names)) < len(names) or any(p.count_type for p in vertex.properties):
        raise _header_error(file_name, "a property of its vertices is a list or comes twice")
    terms = sum(n.startswith("f_rest_") for n in names)
    if terms not in (0, 9, 24, 45) or not all(f"f_rest_{i}" in names for i in range(terms)):
        raise _header_error(file_name, f"it has {terms} f_rest properties, expected f_rest_0 to f_rest_8, _23 or _44")
    if not vertex.count:
        raise GazeSplatError("ply-empty", f"{file_name} holds no splats.", "Choose another file.")
    return terms // 3


def _row_type(element: _Element, byte_order: str) -> np.dtype:
    """Return the structured type of one row; ascii numbers are parsed as float64."""
    return np.dtype([(p.name, byte_order + p.type if byte_order else "f8") for p in element.properties])


def _skip_to_vertex(handle: BinaryIO, header: _Header, size: int, file_name: str) -> None:
    """Move to the first row of the vertices; in an ascii file to the first row of all."""
    handle.seek(header.data_start)
    for element in _before_vertex(header) if header.byte_order else ():
        if any(p.count_type for p in element.properties):
            _skip_lists(handle, element, header.byte_order)
        else:
            row_bytes = sum(np.dtype(p.type).itemsize for p in element.properties)
            handle.seek(row_bytes * element.count, io.SEEK_CUR)
        if handle.tell() > size:
            raise _truncated(file_name)


def _before_vertex(header: _Header) -> Iterator[_Element]:
    return itertools.takewhile(lambda element: element.name != "vertex", header.elements)


def _skip_lists(handle: BinaryIO, element: _Element, byte_order: str) -> None:
    """Skip rows whose length is known only by reading them (faces before vertices: rare, and few).

    Where the file ends too early the position is left behind its end.
    """
    data, position = handle.read(), 0
    for _ in range(element.count):
        for p in element.properties:
            count = 1
            if p.count_type:
                count_type = np.dtype(byte_order + p.count_type)
                start, position = position, position + count_type.itemsize
                if position > len(data):
                    break
                count = max(int(np.frombuffer(data, count_type, 1, start)[0]), 0)
            position += count * np.dtype(p.type).itemsize
        if position > len(data):
            break
    handle.seek(position - len(data), io.SEEK_CUR)


def _truncated(file_name: str) -> GazeSplatError:
    return GazeSplatError("ply-truncated", f"{file_name} is shorter than its header says.", _COPY_AGAIN)


def _read_splats(handle: BinaryIO, header: _Header, vertex: _Element, terms: int, size: int, file_name: str) -> Splats:
    """Read block by block into the final arrays; nothing is allocated before the file's size vouches for the count."""
    row_type, n = _row_type(vertex, header.byte_order), vertex.count
    least_bytes = row_type.itemsize * n if header.byte_order else 2 * len(vertex.properties) * n - 1
    if handle.tell() + least_bytes > size:
        raise _truncated(file_name)
    if header.byte_order:
        blocks = _binary_blocks(handle, row_type, n, file_name)
    else:
        skipped = sum(element.count for element in _before_vertex(header) if element.properties)
        blocks = _ascii_blocks(handle, skipped, row_type, n, file_name)
    result = _Raw(*(np.empty(shape, np.float32) for shape in ((n, 3), (n, 3), (n, 1), (n, 3), (n, 4), (n, terms, 3))))
    kept = clamped = 0
    for block in blocks:
        raw = result.rows(slice(kept, kept + len(block)))
        _gather(block, raw, terms)
        usable = _usable(raw)
        if not usable.all():
            for array in raw:
                array[:usable.sum()] = array[usable]
            raw = raw.rows(slice(usable.sum()))
        clamped += _activate(raw)
        kept += len(raw.means)
    if not kept:
        raise GazeSplatError("ply-values", f"None of the {n} splats in {file_name} can be drawn: their values are no usable numbers.",
                             _EXPORT_AGAIN)
    if clamped or kept < n:
        _log.warning("%s: dropped %d of %d splats with unusable values, clamped the scales of %d", file_name, n - kept, n, clamped)
    means, colours, opacities, scales, rotations, sh_rest = result.rows(slice(kept))
    return Splats(means, scales, rotations, opacities[:, 0], colours, sh_rest)


def _gather(block: np.ndarray, raw: _Raw, terms: int) -> None:
    """Copy a block's properties to their places, whatever their order and types."""
    rest = [f"f_rest_{c * terms + k}" for k in range(terms) for c in range(3)]
    usual = all(block.dtype[i] == np.float32 for i in range(len(block.dtype)))
    for target, names in zip(raw, (_MEANS, _COLOURS, ("opacity",), _SCALES, _ROTATION, rest), strict=True):
        rows = target.reshape(len(block), -1) if names else target
        if usual and names:   # about twice as fast as a column at a time
            index = [block.dtype.names.index(name) for name in names]
            np.take(block.view(np.float32).reshape(len(block), -1), index, axis=1, out=rows, mode="clip")
            continue
        with np.errstate(over="ignore"):
            for i, name in enumerate(names):
                rows[:, i] = block[name]


def _binary_blocks(handle: BinaryIO, row_type: np.dtype, count: int, file_name: str) -> Iterator[np.ndarray]:
    buffer = np.empty(min(BLOCK_ROWS, count), row_type)
    for start in range(0, count, BLOCK_ROWS):
        block = buffer[:min(BLOCK_ROWS, count - start)]
        if handle.readinto(block.view(np.uint8)) < block.nbytes:
            raise _truncated(file_name)
        yield block


def _ascii_blocks(handle: BinaryIO, skipped: int, row_type: np.dtype, count: int, file_name: str) -> Iterator[np.ndarray]:
    """Yield the rows after ``skipped`` ones: every row of an ascii file has its line."""
    with io.TextIOWrapper(handle, "latin-1") as text:
        lines = itertools.islice((line for line in text if line.strip()), skipped, None)
        for start in range(0, count, BLOCK_ROWS):
            rows = list(itertools.islice(lines, min(BLOCK_ROWS, count - start)))
            if len(rows) < min(BLOCK_ROWS, count - start) or len(rows[-1].split()) < len(row_type.names):
                raise _truncated(file_name)
            try:
                values = np.loadtxt(rows, np.float64, comments=None, ndmin=2)
            except ValueError as error:
                raise GazeSplatError("ply-values", f"{file_name} holds rows that are not numbers ({error}).", _EXPORT_AGAIN) from error
            if values.shape[1] != len(row_type.names):
                raise GazeSplatError("ply-values", f"{file_name} has {values.shape[1]} values a row, its header names "
                                     f"{len(row_type.names)}.", _EXPORT_AGAIN)
            yield values.view(row_type)[:, 0]


def _usable(raw: _Raw) -> np.ndarray:
    """Return (N,) bool: the splats that can be drawn."""
    squared_lengths = _squared_lengths(raw.rotations)
    usable = (squared_lengths > 0.0) & (squared_lengths < np.inf) & ~np.isnan(raw.opacities.reshape(-1))
    for holds in (np.abs(raw.means) <= MAX_DISTANCE, raw.scales <= np.float32(np.log(MAX_SCALE)), np.isfinite(raw.colours),
                  np.isfinite(raw.sh_rest)):
        if not holds.all():   # row by row is slow, and seldom needed
            usable &= holds.all(axis=tuple(range(1, holds.ndim)))
    return usable


def _squared_lengths(rotations: np.ndarray) -> np.ndarray:
    """Return |q|^2 (N,) float64, which no float32 can overflow or round to zero."""
    return np.einsum("ij,ij->i", rotations, rotations, dtype=np.float64)


def _activate(raw: _Raw) -> int:
    """Turn usable raw splats into what Splats holds, in place; return how many had a scale clamped."""
    smallest = np.float32(np.log(MIN_SCALE))
    too_thin = raw.scales < smallest
    with np.errstate(over="ignore"):   # an opacity of 0 is exp(inf) below the bar
        raw.opacities[:] = 1.0 / (1.0 + np.exp(-raw.opacities))
    np.exp(np.maximum(raw.scales, smallest), out=raw.scales)
    raw.rotations[:] = raw.rotations / np.sqrt(_squared_lengths(raw.rotations))[:, None]
    raw.colours[:] = np.float32(SH_C0) * raw.colours + np.float32(0.5)
    return int(too_thin.any(1).sum()) if too_thin.any() else 0
