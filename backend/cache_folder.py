# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend keeps what may be deleted at any time, and where it lets libraries keep theirs."""
from __future__ import annotations

import os
import sys
from pathlib import Path


def user_cache_folder() -> Path:
    """Return this platform's folder for files that may be deleted at any time."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def keep_libraries_here() -> None:
    """Give matplotlib, which mediapipe loads, its place there: it would make one among the artist's settings."""
    os.environ.setdefault("MPLCONFIGDIR", str(user_cache_folder() / "gazesplat" / "matplotlib"))
