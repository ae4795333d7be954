# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "eyes": a portrait is built again from the photo and scan in its folder, with its eyes as an artist has drawn them.

Finding face, lids and irises is what takes long; all that follows from them is simply done anew, by the same steps.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...gazesplat_addon.rig import eye_marks
from ...gazesplat_addon.rig.sidecar import load_rig, load_sidecar
from ...gazesplat_addon.splat.files import read_splats
from ...gazesplat_addon.splat.linear_refit import load_refit, path_beside, save_refit
from ..context import JobContext
from ..contract import inputs, result
from ..contract.errors import GazeSplatError
from ..contract.job import JobSpec
from ..eyes.correction import differ
from ..model.kept_scan import load_scan, marks_in_crop, with_marks
from ..model.linear_refit import carried_over
from ..model.scan_photo import with_depth
from .portrait_files import source_camera
from .selfie import build_portrait


def run(context: JobContext) -> None:
    """Rebuild the portrait whose photo is ``context.input_path``, with its other files beside it.

    Options: ``eyes``, marks as in rig/eye_marks in pixels of the whole photo, any part of them; ``linear_refit``.
    Raises GazeSplatError: those of load_scan, eye_marks and build_eyes, ``not-from-photo``.
    """
    context.emit_stage("Reading the photo", 0.02)
    scan, data = load_scan(context.input_path)
    if data["kind"] != inputs.SELFIE:
        raise GazeSplatError("not-from-photo", "Only the eyes of portraits that were made from one photo can be corrected.",
                             "Reconstruct a frame of the video as a photo.")
    old = load_rig(context.input_path.parent)
    found = scan.eyes
    scan = with_marks(scan, marks_in_crop(context.spec.options.get("eyes") or {}, found, scan.crop))
    asked = JobSpec(id=context.spec.id, kind=data["kind"], quality=data["quality"], seed=data["seed"], options=data["options"])
    scan = with_depth(scan, asked.options, context)
    provenance = old.provenance | ({eye_marks.EDITED_KEY: eye_marks.EDITED} if differ(found, scan.eyes) else {})
    build_portrait(context, scan, replace(old, camera=source_camera(scan), provenance=provenance), asked, _refit_of_before)


def _refit_of_before(ply: Path, out: Path, context: JobContext) -> dict:
    """Carry over the refit that the portrait had, if it had one; fitting it anew would take longer than all the rest."""
    before = context.input_path.parent
    old, new = read_splats(before / result.PLY), read_splats(ply)
    refit = load_refit(path_beside(before / result.PLY), old)
    if refit is None:
        return {}
    _, old_groups = load_sidecar(before, len(old))
    _, new_groups = load_sidecar(out, len(new))
    save_refit(out / result.LINEAR, carried_over(refit, old, old_groups, new, new_groups), new)
    return {"carried_over": True}
