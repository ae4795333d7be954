# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the new environment examined by the doctor: it is set up when it works, not when pip says so."""
from __future__ import annotations

import json
from pathlib import Path

from ..context import JobContext
from ..contract.environment import PackageSet, python_of_venv
from ..contract.errors import GazeSplatError
from .child import running

_BACKEND = Path(__file__).resolve().parents[1]


def examined(folder: Path, one_set: PackageSet, context: JobContext) -> dict:
    """Return the doctor's report; GazeSplatError ``backend-broken`` names what cannot be loaded."""
    lines = []
    with running([str(python_of_venv(folder)), "-I", "-X", "utf8", str(_BACKEND), "--doctor"], errors=None) as child:
        for line in child:
            context.progress(0.5, "Loading every package once")
            lines += [line] if line else []
    try:
        report = json.loads("\n".join(lines))
    except ValueError as error:
        raise GazeSplatError("backend-broken", "The new environment does not start the backend.",
                             "See the log; then repair it, or remove it and set it up again.") from error
    broken = [(name, one) for name, one in report["packages"].items() if one["needed_for"] in one_set.needs and one["status"] != "ok"]
    if broken:
        name, one = broken[0]
        raise GazeSplatError("backend-broken", f"{name} was installed but is {one['status']}. {one['reason']}".strip(),
                             _hint(one["reason"]))
    return report


def _hint(reason: str) -> str:
    if "cannot open shared object file" in reason:
        return "A system library is missing. On Debian or Ubuntu: apt install libegl1 libgl1 libgles2, then repair the backend."
    if "DLL load failed" in reason:
        return "Install Microsoft's Visual C++ Redistributable (x64), then repair the backend."
    return "Repair the backend; if that does not help, remove it and set it up again."
