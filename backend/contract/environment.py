# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's environment: which sets of packages there are, for which Pythons, and the marks that say which are whole.

    <folder>/gazesplat-backend.txt       this folder is ours; written first, before anything else is in it
    <folder>/gazesplat-<set>.stamp       this set is whole: written last, gone while the set is being changed

Whatever stops a set-up, a set without its stamp is mended by the next one.
"""
from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SETUP = "setup"                 # the kind of job that makes or mends an environment:
SETUP_REPORT = "doctor.json"    # what the doctor said of it in the end
# The versions for which every pinned package has wheels on Linux, Windows and macOS (Apple silicon).
PYTHONS = ("3.11", "3.13")
REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
MARKER = "gazesplat-backend.txt"

READY, OUTDATED, INCOMPLETE, ABSENT = "ready", "outdated", "incomplete", "absent"
CPU, CUDA, APPLE = "cpu", "cuda", "apple"


@dataclass(frozen=True)
class PackageSet:
    """Packages that are installed together; ``needs`` are the doctor's names for what they are for.

    ``installs`` are pip's runs, each (requirement files, constraint file or "", further options). Sizes in megabytes by
    machine (measured on Linux; CUDA and Apple silicon are estimates).
    """

    name: str
    needs: tuple[str, ...]
    installs: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...]
    packages: int
    download_mb: dict[str, int]
    disk_mb: dict[str, int]

    def arguments(self) -> list[list[str]]:
        """Return the arguments of each ``pip install``."""
        return [[*options, *(part for name in names for part in ("-r", str(REQUIREMENTS / name))),
                 *(("-c", str(REQUIREMENTS / constraint)) if constraint else ())]
                for names, constraint, options in self.installs]

    def digest(self) -> str:
        """Return what the stamp holds: a hash of everything that decides what is installed."""
        return _digest(repr(self.installs), tuple(name for names, _, _ in self.installs for name in names))


@cache
def _digest(how: str, files: tuple[str, ...]) -> str:
    whole = hashlib.sha256(how.encode())
    for name in files:
        whole.update((REQUIREMENTS / name).read_text("utf-8").encode())    # text: other line ends are no other packages
    return whole.hexdigest()


PORTRAITS = PackageSet("portraits", ("portraits",), ((("backend.txt",), "", ()), (("backend-nodeps.txt",), "", ("--no-deps",))), 17,
                       {CPU: 215, CUDA: 215, APPLE: 190}, {CPU: 720, CUDA: 720, APPLE: 640})
VIDEO = PackageSet("video", ("training", "video"), ((("torch.txt", "video.txt"), "backend.txt", ()),), 19,
                   {CPU: 260, CUDA: 3200, APPLE: 150}, {CPU: 1050, CUDA: 7500, APPLE: 700})
SETS = (PORTRAITS, VIDEO)


def python_of_venv(venv: Path) -> Path:
    """Return the path that a virtual environment's Python has on this platform."""
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def stamp_of(folder: Path, one: PackageSet) -> Path:
    """Return the file that says a set is whole."""
    return folder / f"gazesplat-{one.name}.stamp"


def is_ours(folder: Path) -> bool:
    """Return True where a set-up of ours began: such a folder may be changed and removed, no other."""
    return (folder / MARKER).is_file()


def state_of(folder: Path, one: PackageSet) -> str:
    """Return whether a set is READY, OUTDATED (other versions are wanted now), INCOMPLETE or ABSENT."""
    if not is_ours(folder):
        return ABSENT
    try:
        stamp = stamp_of(folder, one).read_text("utf-8").strip()
    except FileNotFoundError:
        return INCOMPLETE if one is PORTRAITS else ABSENT
    if not python_of_venv(folder).exists():    # the Python that it was made from is gone
        return INCOMPLETE
    return READY if stamp == one.digest() else OUTDATED


def sizes_mb(sets: tuple[PackageSet, ...], machine: str) -> tuple[int, int]:
    """Return how many megabytes some sets download and how many they take on the disk, about."""
    return sum(one.download_mb[machine] for one in sets), sum(one.disk_mb[machine] for one in sets)
