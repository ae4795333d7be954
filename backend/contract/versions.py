# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers by which the two processes recognise each other."""
from __future__ import annotations

import tomllib
from pathlib import Path

from .errors import GazeSplatError

# Raised when job.json, an event or the result's layout changes so that an older reader would misread it.
PROTOCOL = 1

MANIFEST = Path(__file__).resolve().parents[2] / "blender_manifest.toml"


def extension_version() -> str:
    """Return the extension's version, which the manifest alone states."""
    return str(tomllib.loads(MANIFEST.read_text("utf-8"))["version"])


def refuse_newer(protocol: object, what: str) -> None:
    """Raise ``protocol-newer`` if ``what`` was written by a newer GazeSplat than this one."""
    if isinstance(protocol, bool) or not isinstance(protocol, int) or protocol < 1:
        raise GazeSplatError("bad-job", f"{what} does not say which protocol it speaks.",
                             "Start the reconstruction again.")
    if protocol > PROTOCOL:
        raise GazeSplatError("protocol-newer",
                             f"{what} was written by a newer GazeSplat (protocol {protocol}, this one speaks {PROTOCOL}).",
                             "Update GazeSplat, or start the reconstruction again with this version.")
