# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found in the photo, and how an artist corrects it: ``portrait.show_eye_guides()``, then ``portrait.rebuild_eyes()``."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import bpy

from .rig.eye_marks import load_marks
from .scene import eye_guides, kept_rig

if TYPE_CHECKING:
    from .eye_rebuild_job import EyeRebuildJob
    from .portrait import Portrait


class Correction:
    """Mix-in of ``Portrait``: lids and irises as found, as drawn, and built again."""

    @property
    def eye_marks(self) -> dict[str, dict[str, list]]:
        """What the eyes were built from, in pixels of the whole photo, as plain lists.

        {"left": {"upper": five (x, y), "lower": five (x, y), "iris": [x, y, radius]}, "right": ...}, lids from the inner corner to the
        outer. Raises GazeSplatError ``no-scan`` for portraits that do not hold it.
        """
        self._require_rig()
        return {side: marks.as_lists() for side, marks in load_marks(self.folder).marks.items()}

    def show_eye_guides(self) -> bpy.types.Object:
        """Draw what was found over the photo, for you to move with Blender's own tools; return the plane it lies on.

        Per eye two curves of five points (edit mode) and a circle (move and scale it), seen from ``portrait.camera``. The splats are
        hidden meanwhile. Raises GazeSplatError ``no-scan``, ``no-photo``, ``part-deleted``.
        """
        root = self._require_rig()
        kept = load_marks(self.folder)
        return eye_guides.show(root, kept_rig.rig_of(self.object), kept, self.folder)

    def hide_eye_guides(self) -> bool:
        """Remove what is drawn without building anything, and show the splats again; return whether there was anything."""
        return eye_guides.hide(self.root)

    @property
    def eye_guides_shown(self) -> bool:
        """True while lids and irises are drawn over the photo."""
        return eye_guides.shown(self.root)

    def rebuild_eyes(self, marks: Mapping | None = None, *, wait: bool = True, queue: bool = False) -> Portrait | EyeRebuildJob:
        """Build the eyes again as drawn, in the backend; animation and place stay. Takes seconds.

        marks  as ``eye_marks`` gives them, any part of them; None takes what is drawn
        wait   True prints the progress, waits and returns the portrait; False returns at once a job with
               ``.state .progress .poll() .cancel() .result()``
        queue  with wait=False: let it wait in the panel until the jobs before it are done

        Raises GazeSplatError: ``no-guides``, ``no-scan``, ``no-backend``, and for marks that are no eye ``eye-points-order``,
        ``lids-apart``, ``lids-crossed``, ``iris-size``, ``iris-outside``, ``bad-eye-marks``.
        """
        from . import eye_rebuild_job  # a job brings its result in as a portrait: that module imports this one

        self._require_rig()
        return eye_rebuild_job.rebuild(self, marks, wait=wait, queue=queue)
