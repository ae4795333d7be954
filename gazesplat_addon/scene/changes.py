# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that are changed for the artist are told to the artist: what it was, what it is now."""
from __future__ import annotations

from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class Change:
    """One setting that was changed: its place in the interface, the value before and the value now."""

    setting: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.setting}: {shown(self.before)} -> {shown(self.after)}"


def set_property(owner: bpy.types.bpy_struct, name: str, value: object, setting: str) -> Change | None:
    """Set a property and return the change, or None if it had the value already."""
    before = getattr(owner, name)
    same = abs(before - value) < 1e-6 if isinstance(value, float) else before == value
    if same:
        return None
    setattr(owner, name, value)
    return Change(setting, before, value)


def shown(value: object) -> str:
    """Return a value as the interface would name it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
