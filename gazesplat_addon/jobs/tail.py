# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file that another process is still writing."""
from __future__ import annotations

from pathlib import Path

from ...backend.contract import events, paths


class EventTail:
    """Hands out each event of a job folder once, in order, as its line becomes complete."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / paths.EVENTS
        self._offset = 0

    def read(self) -> list[dict]:
        """Return the events that are new since the last call; none before the file exists."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        lines, taken = events.split_lines(data)
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
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
