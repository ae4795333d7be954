# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the artist's file into a job: the job never touches the original, whatever its name is."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

from . import paths, result
from .errors import GazeSplatError
from .refusals import explain_os_error

# What the backend decodes. HEIC is here because it says how to convert one.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"})
SELFIE, VIDEO = "selfie", "video"
MOST_PICTURES = 2000     # in a folder that is copied
# Longer names meet the path limits of Windows inside a deep job folder.
_LONGEST_NAME = 80


def kind_of(source: Path) -> str:
    """Return the kind of job that a file asks for by its ending: "video" (also a folder of pictures) or "selfie"."""
    return VIDEO if source.is_dir() or source.suffix.lower() in VIDEO_SUFFIXES else SELFIE


def copy_input(source: Path, folder: Path) -> str:
    """Copy ``source`` into the job's ``input/`` and return its path relative to the job folder.

    Of a folder its pictures are copied, not what lies in folders inside. Raises GazeSplatError: ``no-file``, ``unreadable-file``,
    ``too-many-files``, ``disk-full``, ``no-permission``, ``bad-folder``.
    """
    if source.is_dir():
        return _copy_pictures(source, folder)
    if not source.is_file():
        raise GazeSplatError("no-file", f"There is no file {source}.", "Check the path, or choose the file again.")
    relative = f"{paths.INPUT}/{_portable_name(source.name)}"
    _copy(source, folder / relative)
    return relative


def _copy_pictures(source: Path, folder: Path) -> str:
    relative = f"{paths.INPUT}/{_portable_name(source.name)}"
    try:
        pictures = sorted(one for one in source.iterdir() if one.is_file() and one.suffix.lower() in PHOTO_SUFFIXES)
    except OSError as error:
        raise GazeSplatError("unreadable-file", f"The folder {source} cannot be read: {error.strerror}.",
                             "Check its permissions.") from error
    if not pictures:
        raise GazeSplatError("no-file", f"There are no pictures in {source}.", "Choose a folder of photos of one head, or a video.")
    if len(pictures) > MOST_PICTURES:
        raise GazeSplatError("too-many-files", f"There are {len(pictures)} pictures in {source}; {MOST_PICTURES} are the most.",
                             "Choose a folder with fewer: forty to a hundred round the head are best.")
    for picture in pictures:
        _copy(picture, folder / relative / _portable_name(picture.name))
    return relative


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        # When writing fails, shutil names both files; when reading fails, only the source.
        if error.filename == str(source) and error.filename2 is None:
            raise GazeSplatError("unreadable-file", f"The file {source} cannot be read: {error.strerror}.",
                                 "Check its permissions, or make a copy of it and use that.") from error
        raise explain_os_error(error, place_chosen=True) or error from error


def copy_splats(ply: Path, folder: Path) -> str:
    """Copy a splat file into the job, and a portrait's sidecar with it; raises as ``copy_input`` does."""
    beside = [ply.parent / name for name in (result.JSON, result.NPZ)] if ply.stem == Path(result.PLY).stem else []
    for sidecar in beside:
        if sidecar.is_file():
            copy_input(sidecar, folder)
    return copy_input(ply, folder)


def copy_portrait(photo: Path, folder: Path) -> str:
    """Copy a portrait that is to be built again: the photo that it keeps, its scan, splats and sidecar; raises as ``copy_input`` does."""
    for name in (result.SCAN, result.PLY, result.JSON, result.NPZ):
        copy_input(photo.parent / name, folder)
    for name in (result.LINEAR, result.FRAMES):
        if (photo.parent / name).is_file():
            copy_input(photo.parent / name, folder)
    return copy_input(photo, folder)


def _portable_name(name: str) -> str:
    """Return ``name`` without the characters that some file system or the job protocol refuses."""
    stem, suffix = Path(name).stem, Path(name).suffix
    clean = re.sub(r"[^\w .()-]", "_", stem)[:_LONGEST_NAME].strip(" .")
    return (clean or "input") + re.sub(r"[^\w.]", "_", suffix)[:12]
