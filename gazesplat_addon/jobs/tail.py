# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file that another process is still writing."""
from __future__ import annotations

from pathlib import Path

from ...backend.contract import events, paths

# Bytes taken in at once, and the longest line: one of ours has a few hundred.
_CHUNK = 1 << 20
# A night of training writes some tens of MB.
_MOST = 1 << 28


class EventTail:
    """Hands out each event of a job folder once, in order, as its line becomes complete."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / paths.EVENTS
        self._offset = 0

    def read(self) -> list[dict]:
        """Return the events that are new since the last call, from a long file part of them; none while it cannot be read."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK if self._offset < _MOST else 0)
        except OSError:     # not there yet, or on a drive that is not there now
            return []
        lines, taken = events.split_lines(data)
        if not taken and len(data) == _CHUNK:     # no line of ours: it is told as unreadable
            lines, taken = [data], len(data)
        self._offset += taken
        return [events.parse(line) for line in lines]


def log_tail(folder: Path, lines: int = 40) -> str:
    """Return the last lines of the job's log, "" if there is none."""
    longest_read = 16_384
    try:
        with (folder / paths.LOG).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - longest_read))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
