# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a portrait shows and what they agreed to: two lines of text that travel with it, in the job, the sidecar and exports."""
from __future__ import annotations

from .errors import GazeSplatError

PERSON, CONSENT = "person", "consent"
NOTES = (PERSON, CONSENT)
LONGEST = 1000    # characters; it becomes one line of a PLY's header


def clean(text: object) -> str:
    """Return a note on one line, without control characters; GazeSplatError ``bad-value`` for no text or too much of it."""
    if not isinstance(text, str):
        raise GazeSplatError("bad-value", f"A note is text, not {text!r}.", 'For example portrait.consent = "signed release, 2026-03-14".')
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if len(line) > LONGEST:
        raise GazeSplatError("bad-value", f"The note has {len(line)} characters; {LONGEST} are the most.",
                             "Say in it where the whole document lies.")
    return line


def notes(given: dict) -> dict[str, str]:
    """Return the notes among a job's options or a sidecar's provenance, clean, those that say something."""
    return {name: line for name in NOTES if (line := clean(given.get(name) or ""))}
