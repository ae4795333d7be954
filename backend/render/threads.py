# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one compiled kernel on several threads at once.

Plain Python threads around kernels that release the GIL, rather than numba's parallel mode: it
compiles in half the time, needs no OpenMP or TBB on the artist's machine, and may be entered from
several threads at once (numba's fallback "workqueue" layer ends the process then).
"""
from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def default_threads() -> int:
    """Return how many threads this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def run_on_threads(kernel: Callable, threads: int, *arguments) -> None:
    """Call ``kernel(worker, threads, *arguments)`` once for each worker 0..threads-1 and wait.

    The calling thread is worker 0. An exception of any worker is raised after all have ended.
    """
    if threads == 1:
        kernel(0, 1, *arguments)
        return
    futures = [_pool(threads - 1).submit(kernel, worker, threads, *arguments) for worker in range(1, threads)]
    try:
        kernel(0, threads, *arguments)
    finally:
        for future in futures:
            future.exception()
    for future in futures:
        future.result()


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="gazesplat-render")
