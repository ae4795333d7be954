# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's environment, set up from inside Blender: what ``gs.setup_backend()`` does and the panel shows.

The work is a job like any other, in a process beside Blender, run by the Python that the environment is made from. That one,
Blender's own by default, is only read. The environment lies in the extension's own folder.
"""
from __future__ import annotations

import logging
import secrets
import shutil
import sys
from pathlib import Path

import bpy

from ..backend.contract import environment as contract
from ..backend.contract import machine, plain_json
from ..backend.contract.environment import PORTRAITS, READY, SETS, SETUP, PackageSet
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.refusals import explain_os_error
from . import backend_status, engine, known_jobs, preferences
from .jobs import environment, registry
from .jobs.folder import create_job
from .jobs.state import DONE, RUNNING, Job
from .reconstruction import Reconstruction

_log = logging.getLogger(__name__)

NAME = "Backend set-up"
_REMOVED = f"{environment.FOLDER}-removed-"    # an environment on its way out


class BackendSetup(Reconstruction):
    """One set-up; the panel shows it as it shows a reconstruction. Its "result" is the backend's Python."""

    @property
    def photo_name(self) -> str:
        """What the panel calls it."""
        return NAME

    @property
    def imported(self) -> bool:
        """True once it is done: there is nothing to bring into a scene."""
        return self.state == DONE

    @property
    def can_retry(self) -> bool:
        """False: the button that sets up goes on where it was."""
        return False

    def poll(self) -> str:
        """Take in the news; in the end also what the doctor said of the new environment."""
        before = self.state
        if super().poll() == DONE and before != DONE:
            try:
                backend_status.remember(plain_json.read(self._job.result_folder / contract.SETUP_REPORT))
            except (OSError, ValueError) as error:
                _log.warning("what the doctor said cannot be read: %s", error)
        return self.state

    def result(self, *, timeout_s: float = float("inf"), **_ignored: object) -> Path:
        """Wait until the backend is set up and return its Python.

        Raises GazeSplatError: what went wrong, ``cancelled``, or ``not-finished`` when the time is up.
        """
        self.wait(timeout_s=timeout_s)
        self.require_done()
        return contract.python_of_venv(folder())


def folder() -> Path:
    """Return where the environment is, or will be."""
    return preferences.user_folder() / environment.FOLDER


def state() -> str:
    """Return whether what portraits need is ready, outdated, incomplete or absent; see ``backend/contract/environment.py``."""
    return contract.state_of(folder(), PORTRAITS)


def has_video() -> bool:
    """Return whether what videos need was ever set up here."""
    return contract.state_of(folder(), contract.VIDEO) != contract.ABSENT


def sets(*, video: bool) -> tuple[PackageSet, ...]:
    """Return the sets that a set-up brings."""
    return SETS if video else (PORTRAITS,)


def promise(*, video: bool) -> list[str]:
    """Return what a set-up will do, a sentence each, for whoever is about to click."""
    missing = tuple(one for one in sets(video=video) if contract.state_of(folder(), one) != READY)
    kind = machine.machine_kind()
    if not missing:
        return ["Everything is there: each file is looked at, and each package loaded once."]
    download_mb, disk_mb = contract.sizes_mb(missing, kind)
    build = {contract.CPU: "torch for the CPU", contract.CUDA: "torch for CUDA", contract.APPLE: "torch for Apple silicon"}[kind]
    return [f"About {_size(download_mb)} are downloaded, {_size(disk_mb)} installed in {folder()}.",
            *([f"For videos: {build}."] if video else []),
            "Blender and its own Python stay as they are. It runs beside Blender, can be cancelled, and goes on when started again."]


def command(*, video: bool = False, python: Path | None = None, wheel_folder: Path | None = None) -> str:
    """Return the line that does the same in a terminal."""
    return environment.set_up_command(python or _default_python(), folder(), video=video, wheels=wheel_folder or _default_wheels())


def known() -> list[BackendSetup]:
    """Return the set-ups of this and earlier sessions that are still kept, oldest first."""
    return [BackendSetup(job) for job in registry.list_jobs(_jobs_folder()) if job.spec.kind == SETUP]


def start(*, video: bool, python: Path | None = None, wheel_folder: Path | None = None, repair: bool = False) -> BackendSetup:
    """Start a set-up in a process of its own and return at once.

    Raises GazeSplatError ``setup-running``, ``backend-busy``, ``offline``, ``no-python``, ``wrong-python``, ``no-permission``.
    """
    base, wheels = python or _default_python(), wheel_folder or _default_wheels()
    if any(one.state == RUNNING for one in known()):
        raise GazeSplatError("setup-running", "The backend is being set up already.", "Wait for it, or cancel it in the sidebar.")
    refuse_while_busy()
    if wheels is None and not _may_go_online():
        raise GazeSplatError("offline", "Blender is not allowed to go online.",
                             "Allow Online Access in Preferences > System > Network, or choose a folder of wheels.")
    environment.check_python(base)
    engine.end_worker()    # it holds files of the environment open; the next frame starts another
    for earlier in known():
        earlier.remove()
    options = {"folder": str(folder()), "video": video, "repair": repair, "wheels": str(wheels or "")}
    setup = BackendSetup(Job(create_job(_jobs_folder(), SETUP, options=options, versions={"blender": bpy.app.version_string})))
    setup.start(base)
    return setup


def remove() -> bool:
    """Remove the environment and return whether there was one.

    Raises GazeSplatError ``setup-running``, ``backend-busy``, ``no-permission``.
    """
    if any(one.state == RUNNING for one in known()):
        raise GazeSplatError("setup-running", "The backend is being set up.", "Cancel that first.")
    refuse_while_busy()
    engine.end_worker()
    there = contract.is_ours(folder())
    try:
        if there:
            # Gone at once by one rename: whatever stops the deletion leaves no half of an environment.
            folder().rename(folder().with_name(f"{_REMOVED}{secrets.token_hex(2)}"))
        for old in folder().parent.glob(f"{_REMOVED}*"):
            shutil.rmtree(old)
        if _jobs_folder().is_dir():
            shutil.rmtree(_jobs_folder())
    except OSError as error:
        raise explain_os_error(error) or error from error
    backend_status.remember(None)
    return there


def refuse_while_busy() -> None:
    """Raise ``backend-busy`` while a job works with the environment."""
    busy = [one for one in known_jobs.known() if one.state == RUNNING]
    if busy:
        raise GazeSplatError("backend-busy", f"{busy[0].photo_name} is being made with this backend.",
                             "Wait for it, or cancel it.")


def _default_python() -> Path:
    chosen = preferences.stored()
    return Path(bpy.path.abspath(chosen.setup_python)) if chosen is not None and chosen.setup_python else Path(sys.executable)


def _default_wheels() -> Path | None:
    chosen = preferences.stored()
    return Path(bpy.path.abspath(chosen.wheel_folder)) if chosen is not None and chosen.wheel_folder else None


def _jobs_folder() -> Path:
    return preferences.user_folder() / "setup"


def _may_go_online() -> bool:
    return bpy.app.online_access


def _size(megabytes: int) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"
