# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide where compiled kernels are kept, before any of them is declared.

Numba's own choice is the folder of the source files: an installed extension may be read-only, and
must not be written to anyway. The folder's name holds a digest of the kernels' sources, because
numba notices a change in the file of a kernel but not in the files of the kernels it calls.
"""
from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

import numba

from ..cache_folder import user_cache_folder

log = logging.getLogger(__name__)


def source_digest() -> str:
    """Return 12 hexadecimal digits that change when any kernel source changes."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("numba_*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def choose_cache_folder() -> Path:
    """Point numba's cache at a writable folder and return it; ``NUMBA_CACHE_DIR`` wins when set.

    When the user's cache cannot be written, a temporary folder serves this process alone (a shared
    predictable one would let another user plant code), at the price of compiling each time.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return Path(os.environ["NUMBA_CACHE_DIR"])
    folder = user_cache_folder() / "gazesplat" / f"kernels-{source_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        folder = Path(tempfile.mkdtemp(prefix="gazesplat-kernels-"))
        log.warning("Compiled kernels cannot be kept (%s); this start compiles them again.", error)
    numba.config.CACHE_DIR = str(folder)
    return folder
