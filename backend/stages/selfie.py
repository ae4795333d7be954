# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "selfie": one photo becomes a rigged portrait."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import concatenate
from ..context import JobContext
from ..contract.job import JobSpec
from ..eyes.build import build_eyes
from ..model.lift import BUDGET, lift_head
from ..model.refine import fit_colours
from ..model.scan import FaceScan
from ..model.scan_photo import scan_photo
from .portrait_files import Refit, distance_m, provenance, source_camera, write_portrait
from .refit import refit_beside


def run(context: JobContext) -> None:
    """Reconstruct ``context.input_path`` into ``context.result_part_folder``."""
    scan = scan_photo(context.input_path, context.spec.options, context)
    rig = PortraitRig(source_camera(scan), {}, provenance=provenance(context), warnings=list(context.warnings))
    build_portrait(context, scan, rig, context.spec)


def build_portrait(context: JobContext, scan: FaceScan, rig: PortraitRig, asked: JobSpec, refit: Refit = refit_beside) -> None:
    """Build and write the portrait of a scan as a job ``asked`` for it.

    Camera, provenance and warnings are the given rig's, and so are the parameters of eyes that it has.
    """
    options = asked.options
    context.emit_stage("Building the eyes", 0.03)
    eyes = build_eyes(scan, options)
    context.emit_stage("Building the head", 0.03)
    head = lift_head(scan, eyes.depth_m, eyes.exclude_mask, int(options.get("budget") or BUDGET[asked.quality]))
    splats = concatenate([head.splats, eyes.splats])
    groups = np.concatenate([head.groups, eyes.groups])
    rigs = {side: eye.as_tuned(rig.eyes[side]) if side in rig.eyes else eye for side, eye in eyes.rigs.items()}
    rig = replace(rig, eyes=rigs, gaze_distance_m=float(options.get("gaze_distance_m", distance_m(scan))))
    context.emit_stage("Matching colours", 0.12)
    splats = fit_colours(scan, splats, groups, rig, context.progress)
    write_portrait(context, scan, splats, groups, rig, {"eye_splats": len(eyes.splats)}, scan_of=asked, refit=refit)
