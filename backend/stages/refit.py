# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "refit": a splat file's second set of colours, for renderers that blend linear light."""
from __future__ import annotations

import json
from pathlib import Path

from ...gazesplat_addon.rig.sidecar import load_sidecar
from ...gazesplat_addon.splat.files import read_splats
from ...gazesplat_addon.splat.linear_refit import save_refit
from ..context import JobContext
from ..contract import result
from ..model import linear_refit

_DRAWING_SHARE = 0.2     # of the time goes into drawing what is to be matched


def run(context: JobContext) -> None:
    """Refit ``context.input_path``; a portrait.json and .npz that lie beside it bring its rig."""
    context.emit_stage("Fitting colours for linear light", 1.0)
    folder = context.result_part_folder
    metrics = {"linear": refit_beside(context.input_path, folder, context)}
    context.end_stage()
    (folder / result.METRICS).write_text(json.dumps({**metrics, "stage_seconds": context.stage_seconds}, indent=1), "utf-8")


def refit_beside(ply: Path, out: Path, context: JobContext) -> dict:
    """Refit a splat file into ``out`` and return figures: likeness before and after, over views that were not fitted.

    It is read from disk, so that what is refitted is what others will read.
    """
    splats = read_splats(ply)
    rig, groups = load_sidecar(ply.parent, len(splats), splats.means) if (ply.parent / result.JSON).is_file() else (None, None)
    judges = linear_refit.make_views(splats, groups, rig, linear_refit.JUDGED_VIEWS, judged=True)
    views = linear_refit.make_views(splats, groups, rig, linear_refit.VIEWS,
                                    report=lambda done, text: context.progress(_DRAWING_SHARE * done, text))
    refit = linear_refit.refit_linear(splats, views, steps=linear_refit.STEPS[context.spec.quality],
                                      report=lambda done, text: context.progress(_DRAWING_SHARE + (1.0 - _DRAWING_SHARE) * done, text))
    save_refit(out / result.LINEAR, refit, splats)
    before = linear_refit.judge(judges, splats.colours, splats.opacities)
    after = linear_refit.judge(judges, refit.colours, refit.opacities)
    return {"before": before.rounded(), "after": after.rounded()}
