# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error an artist may meet, on either side of the process boundary."""
from __future__ import annotations


class GazeSplatError(Exception):
    """A refusal with a way out.

    ``code`` is a stable kebab-case name (``"no-face"``), ``message`` one clear sentence,
    ``hint`` what to do next. ``str()`` joins the sentences, so that a console shows both.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.code = code
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        """Return the error as the plain fields that a ``failed`` event carries."""
        return {"code": self.code, "message": self.message, "hint": self.hint}

    @classmethod
    def from_dict(cls, fields: dict) -> GazeSplatError:
        """Rebuild an error from the fields of a ``failed`` event."""
        return cls(str(fields.get("code", "unknown")), str(fields.get("message", "The backend failed.")),
                   str(fields.get("hint", "")))
