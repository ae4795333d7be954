# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the artist's file into a job: the job never touches the original, whatever its name is."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

from . import paths, result
from .errors import GazeSplatError
from .refusals import explain_os_error

# Longer names meet the path limits of Windows inside a deep job folder.
_LONGEST_NAME = 80


def copy_input(source: Path, folder: Path) -> str:
    """Copy ``source`` into the job's ``input/`` and return its path relative to the job folder.

    Raises GazeSplatError: ``no-file``, ``unreadable-file``, ``disk-full``, ``no-permission``, ``bad-folder``.
    """
    if not source.is_file():
        raise GazeSplatError("no-file", f"There is no file {source}.", "Check the path, or choose the file again.")
    relative = f"{paths.INPUT}/{_portable_name(source.name)}"
    try:
        (folder / paths.INPUT).mkdir(exist_ok=True)
        shutil.copyfile(source, folder / relative)
    except OSError as error:
        # When writing fails, shutil names both files; when reading fails, only the source.
        if error.filename == str(source) and error.filename2 is None:
            raise GazeSplatError("unreadable-file", f"The file {source} cannot be read: {error.strerror}.",
                                 "Check its permissions, or make a copy of it and use that.") from error
        raise explain_os_error(error, place_chosen=True) or error from error
    return relative


def copy_splats(ply: Path, folder: Path) -> str:
    """Copy a splat file into the job, and a portrait's sidecar with it; raises as ``copy_input`` does."""
    beside = [ply.parent / name for name in (result.JSON, result.NPZ)] if ply.name == result.PLY else []
    for sidecar in beside:
        if sidecar.is_file():
            copy_input(sidecar, folder)
    return copy_input(ply, folder)


def _portable_name(name: str) -> str:
    """Return ``name`` without the characters that some file system or the job protocol refuses."""
    stem, suffix = Path(name).stem, Path(name).suffix
    clean = re.sub(r"[^\w .()-]", "_", stem)[:_LONGEST_NAME].strip(" .")
    return (clean or "input") + re.sub(r"[^\w.]", "_", suffix)[:12]
