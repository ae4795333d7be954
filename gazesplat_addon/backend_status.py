# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the backend, for panels: where its Python is, and what its doctor said last."""
from __future__ import annotations

from pathlib import Path

from ..backend.contract.errors import GazeSplatError
from . import preferences
from .jobs import environment

_last_report: dict | None = None


def python() -> Path:
    """Return the backend's Python; GazeSplatError ``no-backend`` says how to get one."""
    return environment.find_backend_python(preferences.backend_places())


def missing() -> GazeSplatError | None:
    """Return why there is no backend, with the way out, or None where its Python exists."""
    try:
        python()
    except GazeSplatError as error:
        return error
    return None


def examine() -> dict:
    """Ask the doctor, which takes seconds, keep its report and return it; see ``backend/doctor.py`` for its fields."""
    global _last_report
    _last_report = environment.run_doctor(python())
    return _last_report


def last_report() -> dict | None:
    """Return what the doctor said in this session, or None if nobody asked."""
    return _last_report


def findings(report: dict) -> list[str]:
    """Return one line for each thing that a report says is lacking."""
    packages = [f"{name}: {one['status']}{' (' + one['reason'] + ')' if one['reason'] else ''}"
                for name, one in report["packages"].items() if one["status"] != "ok" and one["needed_for"] == "portraits"]
    return packages + [f"{name}: {one['status']}" for name, one in report["models"].items() if one["status"] != "ok"]
