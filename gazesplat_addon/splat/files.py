# SPDX-License-Identifier: GPL-3.0-or-later
"""Which formats there are for splats, by the ends of their names."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...backend.contract.errors import GazeSplatError
from .arrays import Splats
from .ply import read_ply, write_ply
from .spz import read_spz, write_spz

SUFFIXES = (".ply", ".spz")


def read_splats(path: Path) -> Splats:
    """Return the splats of a file, in Blender's axes where its format fixes any; raises as ``read_ply`` and ``read_spz`` do."""
    return read_spz(path) if path.suffix.lower() == ".spz" else read_ply(path)


def write_splats(path: Path, splats: Splats, comments: Sequence[str] = ()) -> None:
    """Write splats in the format that the name ends in; ``comments`` are lines for formats that have a place for them.

    Raises GazeSplatError ``bad-format`` for another ending, else as ``write_ply`` and ``write_spz`` do.
    """
    check_format(path)
    if path.suffix.lower() == ".spz":
        write_spz(path, splats)
    else:
        write_ply(path, splats, comments)


def check_format(path: Path) -> None:
    """Raise GazeSplatError ``bad-format`` unless a name ends like a format that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise GazeSplatError("bad-format", f"{path.name} does not end in {' or '.join(SUFFIXES)}.", "Choose another name.")
