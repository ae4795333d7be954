# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment itself: made in its final place, because one that is moved no longer works everywhere."""
from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

from ..context import JobContext
from ..contract import environment
from ..contract.errors import GazeSplatError
from .child import running

_QUESTION = "import pip, sys; print('%d.%d' % sys.version_info[:2])"

_log = logging.getLogger(__name__)


def make_or_keep(folder: Path, context: JobContext) -> None:
    """Make the environment from the Python that runs this; keep what is there if it works and has the same version."""
    wanted = "{}.{}".format(*sys.version_info[:2])
    if environment.python_of_venv(folder).exists() and _version(folder, context, 0.1) == wanted:
        context.progress(1.0)
        return
    for stale in folder.iterdir():
        if stale.name != environment.MARKER:
            shutil.rmtree(stale) if stale.is_dir() and not stale.is_symlink() else stale.unlink()
    # Blender's Python may itself be the one of an environment: then the one below it counts, or links would lead in circles.
    base = getattr(sys, "_base_executable", None) or sys.executable
    told = []
    with running([base, "-I", "-m", "venv", str(folder)]) as child:
        for line in child:
            context.progress(0.5)
            told += [line] if line else []
    _log.info("%s", "\n".join(told))
    if child.code or _version(folder, context, 0.9) != wanted:
        raise GazeSplatError("no-venv", f"This Python cannot make environments: {base}. {told[-1] if told else ''}".strip(),
                             "Give another Python (on Debian and Ubuntu: install python3-venv first).")


def site_packages(folder: Path) -> Path | None:
    """Return where the environment keeps its packages, on each platform; None if there is no such folder."""
    return next(iter([*folder.glob("lib/python3.*/site-packages"), *folder.glob("Lib/site-packages")]), None)


def _version(folder: Path, context: JobContext, done: float) -> str:
    """Return the version that the environment's own Python says, "" if it cannot be started or has no pip."""
    try:
        with running([str(environment.python_of_venv(folder)), "-I", "-c", _QUESTION]) as child:
            lines = []
            for line in child:
                context.progress(done)
                lines += [line] if line else []
    except OSError as error:
        _log.info("the environment's Python does not start: %s", error)
        return ""
    return lines[-1] if child.code == 0 and lines else ""
