# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the backend, for panels: where its Python is, and what its doctor said last."""
from __future__ import annotations

from dataclasses import dataclass
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


def remember(report: dict | None) -> None:
    """Keep a report that was made elsewhere; None forgets the last one."""
    global _last_report
    _last_report = report


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor found, and what mends it: REPAIR, VIDEO (set up what videos need), REINSTALL, or "" for nothing."""

    text: str
    fix: str


REPAIR, VIDEO, REINSTALL = "repair", "video", "reinstall"


def findings(report: dict) -> list[Finding]:
    """Return what a report says is lacking, what portraits need first."""
    packages = sorted(report["packages"].items(), key=lambda item: item[1]["needed_for"] != "portraits")
    lacking = [(name, one) for name, one in packages if one["status"] != "ok"]
    small = [Finding(_sentence(name, one), REPAIR) for name, one in lacking if one["needed_for"] == "portraits"]
    models = [Finding(f"{name}: {one['status']}", REINSTALL) for name, one in report["models"].items() if one["status"] != "ok"]
    large = [(name, one) for name, one in lacking if one["needed_for"] != "portraits"]
    if large and all(one["status"] == "missing" for _, one in large):
        return [*small, *models, Finding("What videos need is not set up; photos do without.", VIDEO)]
    return [*small, *models, *(Finding(_sentence(name, one), VIDEO if one["status"] == "missing" else REPAIR) for name, one in large)]


def _sentence(name: str, one: dict) -> str:
    return f"{name}: {one['status']}" + (f" ({one['reason']})" if one["reason"] else "")
