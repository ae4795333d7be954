# SPDX-License-Identifier: GPL-3.0-or-later
"""``events.jsonl``: what the backend tells, one JSON object a line.

Every event has ``v`` (protocol), ``t`` (seconds since 1970) and ``type``:

    hello      protocol, gazesplat, python, platform, pid
    stage      name, share (of the whole job, 0..1), index
    progress   stage, fraction (of the whole job, 0..1), text
    preview    path (relative to the job folder)
    warning    code, message, hint
    done       result (relative folder), seconds, stage_seconds
    failed     code, message, hint
    cancelled  -
The last three are terminal: a job has exactly one of them, as its last line. A job that ends without
one has crashed, or was killed.
"""
from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from . import paths, plain_json
from .errors import GazeSplatError
from .versions import PROTOCOL, refuse_newer

TERMINAL = frozenset({"done", "failed", "cancelled"})
TYPES = TERMINAL | {"hello", "stage", "progress", "preview", "warning"}
UNREADABLE = {"v": PROTOCOL, "t": 0.0, "type": "warning", "code": "unreadable-event",
              "message": "The backend wrote a line that is no event.", "hint": "See the log for what happened."}
_LARGEST = 1e15    # of a number in an event; seconds since 1970 are 1.8e9
# What readers of an event rely on, by type.
_FIELDS: dict[str, dict[str, type]] = {
    "hello": {}, "stage": {"name": str}, "progress": {"fraction": float}, "preview": {"path": str},
    "warning": {"code": str, "message": str}, "done": {}, "failed": {"code": str, "message": str}, "cancelled": {}}


class Writer:
    """Appends events to a job folder. A folder's events are written once, by one process.

    Creates ``events.jsonl``; GazeSplatError ``job-already-run`` if it exists. ``echo`` is called with
    every event after it is written: the command line prints them.
    """

    def __init__(self, folder: Path, echo: Callable[[dict], None] | None = None) -> None:
        self._folder = folder
        self._echo = echo
        self._ended = False
        try:
            self._file = (folder / paths.EVENTS).open("x", encoding="utf-8", newline="\n")
        except FileExistsError as error:
            raise GazeSplatError("job-already-run", f"The job {folder.name} has run already.",
                                 "Start a new reconstruction.") from error

    def emit(self, type: str, **fields: object) -> bool:
        """Append one event and return True when the caller should stop: the cancel file exists."""
        if type not in TYPES:
            raise ValueError(f"unknown event type {type!r}")
        if self._ended:
            raise RuntimeError(f"{type!r} after the terminal event")
        event = {"v": PROTOCOL, "t": round(time.time(), 3), "type": type, **fields}
        self._file.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()
        self._ended = type in TERMINAL
        if self._echo is not None:
            self._echo(event)
        return self.should_stop()

    def should_stop(self) -> bool:
        """Return True when the artist has asked the job to stop."""
        return paths.exists(self._folder / paths.CANCEL)

    def folder_is_there(self) -> bool:
        """Return whether what is written still arrives anywhere: a drive may be unplugged, a folder moved."""
        return paths.exists(self._folder / paths.EVENTS)

    def close(self) -> None:
        """Close the file, with what an event that found no room has left unwritten; nothing can be emitted afterwards."""
        self._ended = True
        self._file.close()


def parse(line: bytes) -> dict:
    """Return one complete line as an event.

    A line that is no event (a full disk cuts lines short, somebody edits them) becomes a ``warning`` with the code
    ``unreadable-event``, so that one bad line neither stops a job nor goes unseen. A line of a newer
    protocol raises GazeSplatError ``protocol-newer``.
    """
    try:
        event = plain_json.parse(line)
    except ValueError:
        event = None
    if isinstance(event, dict) and isinstance(event.get("v"), int) and event["v"] > PROTOCOL:
        refuse_newer(event["v"], "The job's events")
    return event if _is_event(event) else dict(UNREADABLE)


def _is_event(event: object) -> bool:
    """Return whether this is an event with every field that its readers rely on."""
    if not isinstance(event, dict) or type(event.get("v")) is not int or event["v"] != PROTOCOL or event.get("type") not in tuple(TYPES):
        return False
    needed = {"t": float, **_FIELDS[event["type"]]}
    whole = all(_is_number(event.get(name)) if kind is float else isinstance(event.get(name), kind) for name, kind in needed.items())
    return whole and (event["type"] != "preview" or paths.is_inside(event["path"]))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


def split_lines(data: bytes) -> tuple[list[bytes], int]:
    """Return the complete lines in ``data`` and how many bytes they take.

    The rest is the beginning of a line still being written; read it again next time.
    """
    complete = data.rfind(b"\n") + 1
    return [line for line in data[:complete].split(b"\n") if line.strip()], complete
