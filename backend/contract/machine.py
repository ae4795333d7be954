# SPDX-License-Identifier: GPL-3.0-or-later
"""Which build of torch suits this machine; asked without torch, before there is any."""
from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache

from .environment import APPLE, CPU, CUDA

# torch's own index of builds, where the package index everybody uses has another build than the machine wants: there
# Linux gets CUDA (3 GB that a CPU cannot use) and Windows gets none.
_BUILDS = {("linux", CPU): "https://download.pytorch.org/whl/cpu", ("win32", CUDA): "https://download.pytorch.org/whl/cu130"}


@cache
def machine_kind() -> str:
    """Return CUDA where NVIDIA's driver can be loaded, APPLE on Apple silicon, else CPU."""
    if sys.platform == "darwin":
        return APPLE if platform.machine() == "arm64" else CPU
    try:
        (ctypes.WinDLL if sys.platform == "win32" else ctypes.CDLL)("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return CPU
    return CUDA


def torch_index(kind: str) -> str:
    """Return the address of the index that has torch's build for this machine, "" where the ordinary one has."""
    return _BUILDS.get((sys.platform, kind), "")
