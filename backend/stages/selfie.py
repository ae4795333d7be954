# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "selfie": one photo becomes a rigged portrait."""
from __future__ import annotations

import numpy as np

from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import concatenate
from ..context import JobContext
from ..eyes.build import build_eyes
from ..model.lift import BUDGET, lift_head
from ..model.refine import fit_colours
from ..model.scan_photo import scan_photo
from .portrait_files import distance_m, provenance, source_camera, write_portrait


def run(context: JobContext) -> None:
    """Reconstruct ``context.input_path`` into ``context.result_part_folder``."""
    options = dict(context.spec.options)
    scan = scan_photo(context.input_path, options, context)
    context.emit_stage("Building the eyes", 0.03)
    eyes = build_eyes(scan, options)
    context.emit_stage("Building the head", 0.03)
    head = lift_head(scan, eyes.depth_m, eyes.exclude_mask, int(options.get("budget") or BUDGET[context.spec.quality]))
    splats = concatenate([head.splats, eyes.splats])
    groups = np.concatenate([head.groups, eyes.groups])
    rig = PortraitRig(source_camera(scan), eyes.rigs, gaze_distance_m=float(options.get("gaze_distance_m", distance_m(scan))),
                      provenance=provenance(context), warnings=list(context.warnings))
    context.emit_stage("Matching colours", 0.12)
    splats = fit_colours(scan, splats, groups, rig, context.progress)
    write_portrait(context, scan, splats, groups, rig, {"eye_splats": len(eyes.splats)})
