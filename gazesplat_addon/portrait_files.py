# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait and its files, as an artist types it: exported as posed, duplicated, read again, removed."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import bpy

from ..backend.contract.errors import GazeSplatError
from . import export
from .scene import asset, duplicate, portrait_object, store, upgrade


class Files:
    """Part of ``Portrait``: what it is read from, and what it is written to."""

    def export(self, path: str | Path, *, frame: int | None = None, start: int | None = None, end: int | None = None) -> list[Path]:
        """Write the splats as posed and placed in the scene, as .ply or .spz by the path's ending; return the files written.

        frame        which frame to pose; default: the current one
        start, end   write a sequence instead, one file a frame: its number stands for the #s of the name, or at the name's end

        ``//`` at the beginning means the folder of the .blend. The files hold plain splats in world space that every viewer shows,
        without eyes to direct. Raises GazeSplatError, for instance ``bad-format``, ``no-folder`` or ``disk-full``.
        """
        return [step.path for step in self.export_steps(path, frame=frame, start=start, end=end)]

    def export_steps(self, path: str | Path, *, frame: int | None = None, start: int | None = None,
                     end: int | None = None) -> Iterator[export.Exported]:
        """Do the same as ``export`` file by file, for whoever shows progress or may stop: yields after each file."""
        if frame is not None and (start is not None or end is not None):
            raise GazeSplatError("bad-value", "An export has one frame, or a start and an end.", "Leave out frame, or start and end.")
        frames = None if frame is None else range(frame, frame + 1)
        if start is not None or end is not None:
            first, last = self.scene.frame_start if start is None else start, self.scene.frame_end if end is None else end
            frames = range(first, last + 1)
        return export.steps(self.root, self.scene, Path(bpy.path.abspath(str(path))), frames)

    def mark_as_asset(self) -> bpy.types.Collection:
        """Offer the portrait in the asset browser, with its picture, and return its collection; save the file to keep it.

        Raises GazeSplatError ``no-collection``.
        """
        return asset.mark(self.root)

    def duplicate(self, *, name: str | None = None) -> Self:
        """Return a second portrait of the same splats, in the same place, to be put where you like.

        It shares the mesh and the node tree, and has its own controls, gaze target and motion (a copy of what is keyed). Use it in
        place of a collection instance, which Cycles and EEVEE would draw as seen from the original's place.
        """
        return type(self)(duplicate.duplicate(self.root, self.scene, name))

    def reload(self) -> None:
        """Read the portrait's files again, for instance after a new reconstruction; animation and place stay."""
        portrait_object.reload_portrait(self.root)

    def upgrade(self) -> list[str]:
        """Give a portrait of an older file the node tree and drivers of this GazeSplat; return what was changed, a line each.

        Motion, place and settings stay. Until then it looks as it always did. Needs no files beside the .blend.
        """
        return upgrade.upgrade(self.root)

    def delete(self) -> None:
        """Remove the portrait from the file; its files on disk stay."""
        store.delete(self.root)
