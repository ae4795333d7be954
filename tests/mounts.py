# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are small, and disks that nobody may write to: real ones, where this machine lets tests mount them."""
from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(folder: Path, size_kb: int) -> Iterator[Path]:
    """Mount a file system of this size, in memory, at a new folder; the test is skipped where that is not allowed."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs Linux to mount a small disk")
    folder.mkdir(parents=True)
    refused = _mount("-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder))
    if refused:
        pytest.skip(f"a small disk cannot be mounted here: {refused}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def make_read_only(folder: Path) -> None:
    """Let nobody, not even the superuser, write to a mounted disk any more."""
    assert not _mount("-o", "remount,ro", str(folder))


def fill(folder: Path, *, leaving_kb: int = 0) -> Path:
    """Write a file that takes all the room but some, and return it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            file.truncate(max(0, file.tell() - 1024 * leaving_kb))
    return filler


def _mount(*words: str) -> str:
    """Return why it was refused, "" where it was not."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""
