# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one job folder and turns whatever happens into exactly one terminal event."""
from __future__ import annotations

import logging
import os
import platform
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

from .context import Cancelled, JobContext, folder_gone
from .contract import environment, paths, result
from .contract.errors import GazeSplatError
from .contract.events import Writer
from .contract.job import read_job
from .contract.refusals import explain_os_error
from .contract.versions import MANIFEST, PROTOCOL, extension_version

DONE, FAILED, CANCELLED = 0, 1, 2

# A kind of job is a module with run(context: JobContext) -> None.
_MODULE_BY_KIND = {"selfie": ".stages.selfie", "video": ".stages.video", result.REFIT: ".stages.refit",
                   result.CAPTURE: ".stages.capture", result.EYES: ".stages.eyes", result.GRAFT: ".stages.graft",
                   environment.SETUP: ".setup.stage", "dummy": ".dummy"}

_log = logging.getLogger(__name__)


def run_job(folder: Path, *, log_name: str, echo: Callable[[dict], None] | None = None, work: Path | None = None) -> int:
    """Run the job in ``folder`` and return DONE, FAILED or CANCELLED.

    ``log_name`` says where a reader finds the log, ``echo`` gets every event, ``work`` is where the stages keep what they resume
    from, if not in the job. Raises GazeSplatError
    ``job-already-run`` and OSError when not even the first event can be written.
    """
    installed = _installed()
    with closing(Writer(folder, echo)) as writer:
        ending, fields = _attempt(folder, writer, log_name, work, installed)
        try:
            if ending == "done":
                shutil.rmtree(work or folder / paths.WORK, ignore_errors=True)
            else:
                result.discard(folder)
        finally:
            try:
                writer.emit(ending, **fields)
            except OSError:
                # Makes room for the last event, which closing writes, at the price of what could be resumed from.
                shutil.rmtree(work or folder / paths.WORK, ignore_errors=True)
    return {"done": DONE, "failed": FAILED, "cancelled": CANCELLED}[ending]


def _attempt(folder: Path, writer: Writer, log_name: str, work: Path | None, installed: tuple | None) -> tuple[str, dict]:
    """Run the job's stages and publish; return the terminal event's type and fields."""
    started = time.monotonic()
    try:
        with _interruptible():
            writer.emit("hello", protocol=PROTOCOL, gazesplat=extension_version(), python=platform.python_version(),
                        platform=platform.platform(), pid=os.getpid())
            spec = read_job(folder)
            context = JobContext(folder, spec, writer, work=work)
            run = _stages_of(spec.kind)
            result.begin(folder)
            run(context)
            context.end_stage()
        result.publish(folder, spec.kind)
    except Cancelled:
        return "cancelled", {}
    except Exception as error:  # noqa: BLE001  the boundary of the process: nothing may leave it unreported
        _log.exception("the job failed")
        if not isinstance(error, GazeSplatError) and not paths.exists(folder / paths.EVENTS):
            error = folder_gone(folder)
        if not isinstance(error, GazeSplatError) and _installed() != installed:
            error = GazeSplatError("extension-changed", "GazeSplat was updated or removed while this job ran.",
                                   "Start it again with the version that is installed now.")
        return "failed", _explain(error, log_name).as_dict()
    return "done", {"result": paths.RESULT, "seconds": round(time.monotonic() - started, 3),
                    "stage_seconds": context.stage_seconds}


def _installed() -> tuple | None:
    """Return what tells this installation of the extension from one that replaces it, None when it is gone."""
    try:
        manifest = MANIFEST.stat()
    except OSError:
        return None
    return manifest.st_ino, manifest.st_mtime_ns


def _stages_of(kind: str) -> Callable[[JobContext], None]:
    if kind not in _MODULE_BY_KIND:
        raise GazeSplatError("unknown-kind", f"This backend knows no job of the kind '{kind}'.",
                             f"It knows {', '.join(sorted(_MODULE_BY_KIND))}: update GazeSplat.")
    return import_module(_MODULE_BY_KIND[kind], __package__).run


def _explain(error: Exception, log_name: str) -> GazeSplatError:
    """Return the error an artist can act on; the log has the traceback."""
    if isinstance(error, GazeSplatError):
        return error
    if isinstance(error, MemoryError):
        return GazeSplatError("out-of-memory", "The computer has too little free memory for this reconstruction.",
                              "Close other programs, choose a lower quality, or use a smaller picture.")
    refusal = explain_os_error(error) if isinstance(error, OSError) else None
    if refusal is not None:
        return refusal
    if isinstance(error, ImportError) and not (error.name or "").startswith("gazesplat"):
        return GazeSplatError("backend-incomplete", f"The backend's Python cannot load {error.name or 'a package'}: {error}.",
                              "Run the doctor in the preferences, which says what to install.")
    return GazeSplatError("internal", f"GazeSplat met an unexpected {type(error).__name__}.",
                          f"This is a fault in GazeSplat: please report it with {log_name}.")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM inside the block into ``Cancelled``, and ignore more of them.

    Outside the block they stay ignored until the process ends, so that publishing is not cut in two.
    """
    def stop(number: int, frame: object) -> None:
        ignore()
        raise Cancelled

    def ignore() -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)

    signals = [signal.SIGINT, signal.SIGTERM] + ([signal.SIGBREAK] if hasattr(signal, "SIGBREAK") else [])
    for one in signals:
        signal.signal(one, stop)
    try:
        yield
    finally:
        ignore()
