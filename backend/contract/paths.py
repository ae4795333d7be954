# SPDX-License-Identifier: GPL-3.0-or-later
"""Names inside a job folder, and how a file in it is replaced: never half-written.

    job.json       what to do, written once by the starter
    input/         a copy of the artist's file
    events.jsonl   what happened, appended by the backend, one object a line
    log.txt        stdout and stderr of the backend, whole
    pid.json       which process it is
    cancel         exists = please stop
    work/          the backend's own, deletable
    result/        appears complete, by renaming result.part/
"""
from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath

JOB = "job.json"
INPUT = "input"
EVENTS = "events.jsonl"
LOG = "log.txt"
PID = "pid.json"
CANCEL = "cancel"
WORK = "work"
RESULT = "result"
RESULT_PART = "result.part"


def is_inside(relative: str) -> bool:
    """Return whether text names something below a job folder: relative, with '/', and nothing that leads out on any system."""
    parts = PurePosixPath(relative)
    return bool(parts.parts) and not (parts.is_absolute() or ".." in parts.parts or set("\\:\0") & set(relative))


def exists(path: Path) -> bool:
    """Return whether a path exists; what cannot be looked at, as on a drive that is gone, does not."""
    try:
        return path.exists()
    except OSError:
        return False


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name beside ``path`` and rename it into place."""
    # Two processes may write the same file: the one that renames last wins, and neither trips over the other's part.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json_atomically(path: Path, fields: dict) -> None:
    """Write an object as indented JSON, by rename."""
    write_text_atomically(path, json.dumps(fields, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
