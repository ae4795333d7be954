# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "eyes": a portrait is built again from what its folder keeps, with its eyes as an artist has drawn them.

Finding face, lids and irises, and training a head, is what takes long; all that follows is simply done anew, by the same steps.
A head from elsewhere keeps what its eyes replaced, as one that was trained from a clip does.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...gazesplat_addon.rig import eye_marks, parts
from ...gazesplat_addon.rig.sidecar import PortraitRig, load_rig, load_sidecar
from ...gazesplat_addon.splat.arrays import Splats
from ...gazesplat_addon.splat.files import read_splats
from ...gazesplat_addon.splat.linear_refit import load_refit, path_beside, save_refit
from ..context import JobContext
from ..contract import inputs, result
from ..contract.job import JobSpec
from ..eyes.correction import differ
from ..model.kept_scan import load_scan, marks_in_crop, with_marks
from ..model.linear_refit import carried_over
from ..model.scan import FaceScan
from ..model.scan_photo import with_depth
from ..render import Camera
from ..video.eye_scan import depth_of
from ..video.kept_frames import KeptFrames, load_frames
from . import graft
from .clip_eyes import put_eyes
from .portrait_files import source_camera, write_portrait
from .selfie import build_portrait


def run(context: JobContext) -> None:
    """Rebuild the portrait whose photo, or frame, is ``context.input_path``, with its other files beside it.

    Options: ``eyes``, marks as in rig/eye_marks in pixels of the whole photo, any part of them; ``linear_refit``.
    Raises GazeSplatError: those of load_scan, eye_marks, build_eyes and load_frames.
    """
    context.emit_stage("Reading the photo", 0.02)
    scan, data = load_scan(context.input_path)
    if data["kind"] not in _REBUILT:
        raise eye_marks.damaged(ValueError(f"nothing is built again from a scan of the kind {data['kind']}"))
    old = load_rig(context.input_path.parent)
    found = scan.eyes
    scan = with_marks(scan, marks_in_crop(context.spec.options.get("eyes") or {}, found, scan.crop))
    asked = JobSpec(id=context.spec.id, kind=data["kind"], quality=data["quality"], seed=data["seed"], options=data["options"])
    provenance = old.provenance | ({eye_marks.EDITED_KEY: eye_marks.EDITED} if differ(found, scan.eyes) else {})
    drawn = frozenset(side for side, eye in scan.eyes.items() if eye.lids is not found[side].lids)
    _REBUILT[data["kind"]](context, scan, replace(old, camera=source_camera(scan), provenance=provenance), asked, drawn)


def _from_photo(context: JobContext, scan: FaceScan, rig: PortraitRig, asked: JobSpec, drawn: frozenset[str]) -> None:
    build_portrait(context, with_depth(scan, asked.options, context), rig, asked, _refit_of_before)


def _from_clip(context: JobContext, scan: FaceScan, rig: PortraitRig, asked: JobSpec, drawn: frozenset[str]) -> None:
    """Put the head back as it was trained, and give it eyes anew, fitted to the same frames; its own splats stay."""
    scan, kept, head = _head_of_before(context, scan)
    context.emit_stage("Building the eyes", 0.5)
    eyed = put_eyes(head, scan, rig, asked.options, kept.rest_gaze_deg, lambda _: kept.views, context.progress, kept.drawn | drawn)
    eyed.kept.save(context.result_part_folder)
    write_portrait(context, scan, eyed.splats, eyed.groups, eyed.rig, eyed.figures, scan_of=asked, refit=_refit_of_before)


def _from_head(context: JobContext, scan: FaceScan, rig: PortraitRig, asked: JobSpec, drawn: frozenset[str]) -> None:
    """Put a head from elsewhere back as it came, and give it eyes anew."""
    scan, _, head = _head_of_before(context, scan)
    graft.put_eyes(context, scan, head, rig, asked, _refit_of_before)


def _head_of_before(context: JobContext, scan: FaceScan) -> tuple[FaceScan, KeptFrames, Splats]:
    """Return the scan with mask and depth, what is kept of the clip, and the head as it was before it got eyes."""
    folder, (height, width) = context.input_path.parent, scan.image.shape[:2]
    splats = read_splats(folder / result.PLY)
    _, groups = load_sidecar(folder, len(splats), splats.means)
    kept, head = load_frames(folder, (height, width), splats.select(groups == parts.HEAD))
    context.emit_stage("Finding the depth", 0.03)
    depth = depth_of(head, Camera(width, height, scan.fx, scan.fy, scan.cx, scan.cy, scan.portrait_to_camera))
    return replace(scan, head_mask=kept.mask, depth_m=depth, back_depth_m=np.full_like(depth, np.nan)), kept, head


_REBUILT = {inputs.SELFIE: _from_photo, inputs.VIDEO: _from_clip, result.GRAFT: _from_head}


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
