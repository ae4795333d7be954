# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads JSON that anybody may have written: whatever is wrong with it is a ValueError, and its size is bounded before it is read."""
from __future__ import annotations

import json
import stat
from pathlib import Path

# Far above what any of our files needs: a portrait's sidecar takes some 10 KB, a job 2 KB.
MOST_BYTES = 4 << 20


def parse(text: str | bytes) -> object:
    """Return what JSON text says, also of an editor that begins files with a byte order mark. Raises ValueError.

    Half a surrogate pair is refused: it could be neither drawn nor written again.
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if (b"\\u" if isinstance(text, bytes) else "\\u") in text:
        json.dumps(found, ensure_ascii=False).encode()
    return found


def read(path: Path, most_bytes: int = MOST_BYTES) -> object:
    """Return what a JSON file says. Raises ValueError, and OSError where the file cannot be read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):    # a pipe would never end
        raise ValueError("it is no file")
    if status.st_size > most_bytes:
        raise ValueError(f"it is larger than {most_bytes} bytes")
    with path.open("rb") as file:
        return parse(file.read(status.st_size))
