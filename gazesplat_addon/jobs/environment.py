# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the backend's Python. It is never Blender's own: packages there would clash with other add-ons."""
from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from ...backend.contract.environment import ABSENT, INCOMPLETE, PORTRAITS, PYTHONS, is_ours, python_of_venv, state_of
from ...backend.contract.errors import GazeSplatError
from . import process

# Names the backend's Python, for farms, tests and people who keep environments of their own.
VARIABLE = "GAZESPLAT_BACKEND_PYTHON"

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "backend"      # inside the folder that Blender gives the extension to write in
SET_UP_COMMAND = "python3 dev.py setup"


def candidates(setting: str = "", user_folder: Path | None = None) -> list[Path]:
    """Return where the backend's Python may be, best first.

    What somebody has said counts alone: ``setting`` (the path in the preferences, "" = none), else the
    environment variable. Otherwise the environment in ``user_folder``, the folder that Blender gives
    the extension to write in, then a source checkout's own ``.venv/backend``.
    """
    said = setting or os.environ.get(VARIABLE, "")
    if said:
        return [Path(said).expanduser()]
    places = [python_of_venv(Path(user_folder) / FOLDER)] if user_folder is not None else []
    # A set-up of ours that was cut off is no backend yet; an environment that somebody has put there may be.
    places = [one for one in places if not is_ours(one.parents[1]) or state_of(one.parents[1], PORTRAITS) not in (INCOMPLETE, ABSENT)]
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
    """Return how to set the backend up, in one sentence."""
    if (ROOT / "dev.py").is_file():
        return f'In the folder "{ROOT}" run: {SET_UP_COMMAND}'
    return "Press Set Up Backend in the sidebar's tab GazeSplat or in the preferences, or type gs.setup_backend() in the console."


def set_up_command(python: Path, folder: Path, *, video: bool = False, wheels: Path | None = None) -> str:
    """Return the line that does in a terminal what Set Up Backend does, ready to be copied."""
    words = [_quoted(python), "-I", _quoted(process.BACKEND), "set-up", "--folder", _quoted(folder)]
    return " ".join([*words, *(["--video"] if video else []), *(["--wheels", _quoted(wheels)] if wheels is not None else [])])


def _quoted(path: Path) -> str:
    """Return a path as one word for a shell; plain double quotes, which every shell knows, where nothing in it is special."""
    return f'"{path}"' if sys.platform == "win32" or not set('"$`\\!\n') & set(str(path)) else shlex.quote(str(path))


def check_python(python: Path, timeout_s: float = 30.0) -> None:
    """Ask a Python for its version; GazeSplatError ``no-python``, or ``wrong-python`` if the backend's packages have no builds for it."""
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([str(python), "-I", "-c", question], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=timeout_s, check=False, env=process.scrubbed_environment(), **hidden)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GazeSplatError("no-python", f"{python} cannot be started as a Python.", f"Choose a Python {' or '.join(PYTHONS)}.") from error
    version = answer.stdout.strip()
    if answer.returncode or not version:
        raise GazeSplatError("no-python", f"{python} is no Python.", f"Choose a Python {' or '.join(PYTHONS)}.")
    if version not in PYTHONS:
        raise GazeSplatError("wrong-python", f"Python {version} cannot carry the backend: its packages have no builds for it.",
                             f"Install Python {' or '.join(PYTHONS)} and choose it in the preferences.")


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
