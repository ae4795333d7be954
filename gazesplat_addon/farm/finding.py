# SPDX-License-Identifier: GPL-3.0-or-later
"""What the farm doctor says: findings, each with a way out, and the check that holds them together."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import bpy

_SIGNS = {True: "ok", False: "WRONG", None: "note"}


@dataclass(frozen=True)
class FarmFinding:
    """One thing looked at.

    code       stable, for scripts
    holds      True all is well, False a farm would render it wrongly or not at all, None a note
    sentence   what was found
    fix        what to do about it, "" where nothing is to be done
    mend       does that and returns what was changed, a line each; None where only a person can
    """

    code: str
    holds: bool | None
    sentence: str
    fix: str = ""
    mend: Callable[[], list[str]] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{_SIGNS[self.holds]:5}  {self.sentence}" + (f" {self.fix}" if self.fix and self.holds is not True else "")

    def as_dict(self) -> dict[str, object]:
        """Return the finding as plain data."""
        return {"code": self.code, "holds": self.holds, "sentence": self.sentence, "fix": self.fix, "can_be_mended": self.mend is not None}


@dataclass(frozen=True)
class FarmCheck:
    """What the doctor found in one scene, and what it has mended."""

    scene: str
    findings: tuple[FarmFinding, ...]
    mended: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True when a farm without GazeSplat, scripts off, renders the file as it is seen here."""
        return all(finding.holds is not False for finding in self.findings)

    @property
    def text(self) -> str:
        """A line for each finding."""
        title = f"{self.scene}: {'ready for a farm' if self.passed else 'not ready for a farm'}"
        return "\n".join([title, *map(str, self.findings), *(f"mended  {line}" for line in self.mended)])

    def __str__(self) -> str:
        return self.text

    def as_dict(self) -> dict[str, object]:
        """Return the check as plain data, for pipelines."""
        return {"scene": self.scene, "passed": self.passed, "findings": [finding.as_dict() for finding in self.findings],
                "mended": list(self.mended)}

    def to_text(self) -> bpy.types.Text:
        """Return the findings as a text of this file, replacing the last one."""
        name = f"{self.scene} Farm Check"
        text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
        text.from_string(self.text + "\n")
        return text
