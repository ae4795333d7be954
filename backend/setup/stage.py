# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "setup": an environment with the packages that portraits need, made, gone on with, or mended.

It runs in the Python that the environment is made from, Blender's own or another, which it leaves as it is. Every step
can be cut off: what is whole has a stamp, and the next set-up does the rest.

Options: ``folder`` (the environment's), ``video`` (also what videos need), ``wheels`` (a folder of wheels in place of the
network), ``repair`` (look at every file of every package).
"""
from __future__ import annotations

import json
import logging
import platform
import shutil
import sys
from pathlib import Path

from ..context import JobContext
from ..contract import environment, machine, paths
from ..contract.environment import PORTRAITS, READY, SETS, PackageSet
from ..contract.errors import GazeSplatError
from ..contract.refusals import explain_os_error
from . import integrity, pip, proof, venv

_log = logging.getLogger(__name__)


def run(context: JobContext) -> None:
    """Do what ``context.spec.options`` ask for, and leave the doctor's report as the result."""
    options = context.spec.options
    folder, repair = Path(options["folder"]), bool(options.get("repair"))
    sets = SETS if options.get("video") else (PORTRAITS,)
    wheels = Path(options["wheels"]) if options.get("wheels") else None
    kind = machine.machine_kind()
    context.emit_stage("Checking this computer", 0.01)
    check_python(tuple(sys.version_info[:2]))
    check_wheels(wheels)
    _claim(folder)
    missing = tuple(one for one in sets if environment.state_of(folder, one) != READY)
    _check_space(folder, missing, kind)
    context.emit_stage("Making the environment", 0.09)
    venv.make_or_keep(folder, context)
    mended = integrity.forget_damaged(folder, every_byte=repair)
    if mended:
        _log.info("installed again, because files are missing or damaged: %s", ", ".join(mended))
    total_mb = environment.sizes_mb(sets, kind)[0]
    for one in sets:
        share = one.download_mb[kind] / total_mb
        context.emit_stage(_STAGE_NAMES[one.name], 0.8 * share)
        if mended or environment.state_of(folder, one) != READY:
            environment.stamp_of(folder, one).unlink(missing_ok=True)
            pip.install(folder, one, kind, wheels, context)
        context.emit_stage("Trying it", 0.1 * share)
        report = proof.examined(folder, one, context)
        paths.write_text_atomically(environment.stamp_of(folder, one), one.digest() + "\n")
    (context.result_part_folder / environment.SETUP_REPORT).write_text(json.dumps(report), "utf-8")


_STAGE_NAMES = {"portraits": "Installing what portraits need", "video": "Installing what videos need"}


def check_python(version: tuple[int, int]) -> None:
    """Raise ``wrong-python`` for a version that lacks wheels."""
    name = ".".join(map(str, version))
    if name not in environment.PYTHONS:
        raise GazeSplatError("wrong-python", f"Python {name} cannot carry the backend: its packages have no builds for it.",
                             f"Give a Python {' or '.join(environment.PYTHONS)}.")


def check_wheels(wheels: Path | None) -> None:
    """Raise ``no-wheels`` unless the folder of wheels, where one is given, holds some."""
    if wheels is not None and not (wheels.is_dir() and any(wheels.glob("*.whl"))):
        raise GazeSplatError("no-wheels", f"There are no wheels in {wheels}.",
                             "Choose a folder of .whl files, or none to download the packages.")


def _claim(folder: Path) -> None:
    """Mark the folder as ours; one with anything else in it is somebody else's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not environment.is_ours(folder):
            if any(folder.iterdir()):
                raise GazeSplatError("bad-folder", f"{folder} holds other files.", "Choose an empty folder for the backend.")
            paths.write_text_atomically(folder / environment.MARKER, f"GazeSplat's backend, made by Python {platform.python_version()}\n")
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error


def _check_space(folder: Path, sets: tuple[PackageSet, ...], kind: str) -> None:
    """Refuse before the download what the disk cannot hold: what is installed and, meanwhile, the wheels."""
    need_mb = sum(environment.sizes_mb(sets, kind))
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < need_mb:
        raise GazeSplatError("disk-full", f"The backend needs {need_mb} MB while it is set up; {free_mb} MB are free.",
                             "Free some space, then try again.")
