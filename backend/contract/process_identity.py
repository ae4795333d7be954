# SPDX-License-Identifier: GPL-3.0-or-later
"""When a process started, as text to compare: the one thing that a reused process number cannot fake."""
from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessMark:
    """Which process runs a job: ``pid`` alone is not enough, numbers are given out again."""

    pid: int
    started: str


def start_mark(pid: int) -> str | None:
    """Return text that only this process has, or None when no such process lives.

    A process that has ended and only waits for its parent to notice counts as dead.
    """
    if sys.platform == "win32":
        return _windows(pid)
    if sys.platform == "linux":
        return _linux(pid)
    return _ps(pid)


def _linux(pid: int) -> str | None:
    """Boot id and start time in clock ticks since that boot (proc(5): stat fields 3 and 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the program's name in parentheses, may hold anything, also spaces and ')'.
    after_name = stat.rpartition(")")[2].split()
    state, start_ticks = after_name[0], after_name[19]
    return None if state in "ZX" else f"{boot}/{start_ticks}"


def _ps(pid: int) -> str | None:
    """The start time that ps prints, to the second (macOS and the BSDs)."""
    found = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False,
                           env={"LC_ALL": "C", "PATH": "/bin:/usr/bin"})
    state, _, started = found.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def _windows(pid: int) -> str | None:
    """The creation time in units of 100 ns (GetProcessTimes), if the process has not exited."""
    import ctypes
    from ctypes import wintypes

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.OpenProcess.restype = wintypes.HANDLE
    kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    kernel32.GetProcessTimes.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4)
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    query_limited_information = 0x1000
    handle = kernel32.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return None
    try:
        created, exited, in_kernel, in_user = (wintypes.FILETIME() for _ in range(4))
        times = [ctypes.byref(one) for one in (created, exited, in_kernel, in_user)]
        if not kernel32.GetProcessTimes(handle, *times) or exited.dwLowDateTime or exited.dwHighDateTime:
            return None
        return f"{created.dwHighDateTime}/{created.dwLowDateTime}"
    finally:
        kernel32.CloseHandle(handle)
