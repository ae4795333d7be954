# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the backend's Python. It is never Blender's own: packages there would clash with other add-ons."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ...backend.contract.errors import GazeSplatError
from . import process

# Names the backend's Python, for farms, tests and people who keep environments of their own.
VARIABLE = "GAZESPLAT_BACKEND_PYTHON"

ROOT = Path(__file__).resolve().parents[2]
SET_UP_COMMAND = "python3 dev.py setup"


def python_of_venv(venv: Path) -> Path:
    """Return the path that a virtual environment's Python has on this platform."""
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def candidates(setting: str = "", user_folder: Path | None = None) -> list[Path]:
    """Return where the backend's Python may be, best first.

    What somebody has said counts alone: ``setting`` (the path in the preferences, "" = none), else the
    environment variable. Otherwise the environment in ``user_folder``, the folder that Blender gives
    the extension to write in, then a source checkout's own ``.venv/backend``.
    """
    said = setting or os.environ.get(VARIABLE, "")
    if said:
        return [Path(said).expanduser()]
    places = [python_of_venv(Path(user_folder) / "backend")] if user_folder is not None else []
    return [*places, python_of_venv(ROOT / ".venv" / "backend")]


def find_backend_python(places: list[Path]) -> Path:
    """Return the first of the places (see ``candidates``) that exists; GazeSplatError ``no-backend`` if none does."""
    for place in places:
        if place.is_file():
            # Not resolve(): a virtual environment's Python is a link, and following it leaves the environment.
            return place.absolute()
    looked = ", ".join(str(place) for place in places) or "nowhere"
    raise GazeSplatError("no-backend", "The reconstruction backend is not set up.", f"{set_up_hint()} (Looked for {looked}.)")


def set_up_hint() -> str:
    """Return what to type to set the backend up, ready to be copied into a terminal."""
    if (ROOT / "dev.py").is_file():
        return f'In the folder "{ROOT}" run: {SET_UP_COMMAND}'
    requirements = ROOT / "backend" / "requirements"
    python = "py -3.11" if sys.platform == "win32" else "python3.11"
    venv = Path("~/gazesplat-backend").expanduser()
    pip = f'"{python_of_venv(venv)}" -m pip install'
    return (f'Run in a terminal: {python} -m venv "{venv}" && {pip} -r "{requirements / "backend.txt"}" && '
            f'{pip} --no-deps -r "{requirements / "backend-nodeps.txt"}" , then choose {python_of_venv(venv)} in the preferences.')


def run_doctor(python: Path, timeout_s: float = 120.0) -> dict:
    """Ask the backend what it has and what it lacks; return the doctor's report.

    Raises GazeSplatError ``no-backend`` (not to be started) or ``doctor-failed``.
    """
    command = [str(python), "-I", "-X", "utf8", str(process.BACKEND), "--doctor"]
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False,
                                env=process.scrubbed_environment(), **hidden)
        return json.loads(answer.stdout)
    except OSError as error:
        raise GazeSplatError("no-backend", f"The backend's Python cannot be started: {python}: {error.strerror}.",
                             set_up_hint()) from error
    except (ValueError, subprocess.TimeoutExpired) as error:
        raise GazeSplatError("doctor-failed", f"The backend's doctor gave no answer: {python} --doctor.",
                             "Set the backend up again.") from error
