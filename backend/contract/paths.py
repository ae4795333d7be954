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
from pathlib import Path

JOB = "job.json"
INPUT = "input"
EVENTS = "events.jsonl"
LOG = "log.txt"
PID = "pid.json"
CANCEL = "cancel"
WORK = "work"
RESULT = "result"
RESULT_PART = "result.part"


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name beside ``path`` and rename it into place."""
    part = path.with_name(path.name + ".part")
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
