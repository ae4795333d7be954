# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds installed packages whose files are not what pip wrote, and lets pip see that they are missing.

pip believes what a package's ``.dist-info`` says. A set-up that was killed in the middle of writing leaves one without its
list of files, or files cut short; a cleaning program leaves lists without files.
"""
from __future__ import annotations

import base64
import csv
import hashlib
import shutil
from pathlib import Path

from .venv import site_packages

_LARGEST_RECORD = 16 << 20    # bytes; torch's list of files is 1.5 MB


def forget_damaged(folder: Path, *, every_byte: bool) -> list[str]:
    """Remove the ``.dist-info`` of each damaged package and return their names; pip then installs these again.

    Sizes are always compared; with ``every_byte`` the checksums too, which reads everything.
    """
    found = []
    site = site_packages(folder)
    for info in sorted(site.glob("*.dist-info")) if site is not None else ():
        if not _is_whole(info, every_byte):
            shutil.rmtree(info)
            found.append(info.name.partition("-")[0])
    return found


def _is_whole(info: Path, every_byte: bool) -> bool:
    record = info / "RECORD"
    try:
        if record.stat().st_size > _LARGEST_RECORD:
            return False
        rows = list(csv.reader(record.read_text("utf-8").splitlines()))
        return bool(rows) and all(_file_is_whole(info.parent / path, checksum, size, every_byte) for path, checksum, size in rows)
    except (OSError, ValueError, csv.Error):
        return False


def _file_is_whole(path: Path, checksum: str, size: str, every_byte: bool) -> bool:
    """Compare one file with its row; what has no checksum is made anew at will (compiled modules) and may be gone."""
    if not checksum:
        return True
    if not path.is_file() or (size and path.stat().st_size != int(size)):
        return False
    name, _, wanted = checksum.partition("=")
    if not every_byte or name != "sha256":
        return True
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() == wanted
