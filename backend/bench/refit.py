# SPDX-License-Identifier: GPL-3.0-or-later
"""How near linear blending comes to the picture that was fitted, with a portrait's own colours and with refitted ones.

    bench refit PORTRAIT ... [--quality NAME] [--json FILE]

PORTRAIT is a folder as the selfie job leaves it. Pictures are drawn at 512 x 512, in linear light, and compared as displayed with the exact
one, inside the head. "Fitted" views are those the refit was made with, "between" are others, whose poses it has not seen either.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ...gazesplat_addon.rig.pose import Pose
from ...gazesplat_addon.rig.sidecar import load_sidecar
from ...gazesplat_addon.splat.ply import read_ply
from ..contract import result
from ..contract.job import QUALITIES
from ..model import linear_refit
from ..model.linear_refit import View

SIZE_PX = 512
BETWEEN_VIEWS = 16


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; returns 0."""
    parser = argparse.ArgumentParser(prog="bench refit", description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path, nargs="+", metavar="PORTRAIT")
    parser.add_argument("--quality", choices=QUALITIES, default="standard", help="how many steps; a selfie job's default is standard")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    arguments = parser.parse_args(argv)
    report = {"load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None, "quality": arguments.quality, "portraits": {}}
    for folder in arguments.portraits:
        report["portraits"][folder.name] = figures = measure(folder, arguments.quality)
        sys.stdout.write(as_text(folder.name, figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


def measure(folder: Path, quality: str) -> dict:
    """Refit one portrait and return plain values: likeness before and after by kind of view, seconds of processor time."""
    splats = read_ply(folder / result.PLY)
    rig, groups = load_sidecar(folder, len(splats))
    started = time.process_time()
    views = linear_refit.make_views(splats, groups, rig, linear_refit.VIEWS)
    refit = linear_refit.refit_linear(splats, views, steps=linear_refit.STEPS[quality], report=lambda done, text: None)
    seconds = time.process_time() - started
    between = linear_refit.make_views(splats, groups, rig, BETWEEN_VIEWS, judged=True, size_px=SIZE_PX)
    fitted = linear_refit.make_views(splats, groups, rig, linear_refit.VIEWS, size_px=SIZE_PX)
    rows = {}
    for name, chosen in _kinds(fitted, between).items():
        before = linear_refit.judge(chosen, splats.colours, splats.opacities)
        after = linear_refit.judge(chosen, refit.colours, refit.opacities)
        rows[name] = {"before": before.rounded(), "after": after.rounded()}
    return {"splats": len(splats), "cpu_s": round(seconds, 1), "views": rows}


def _kinds(fitted: list[View], between: list[View]) -> dict[str, list[View]]:
    """Return views by what they tell; every second one is a close-up of the eyes (``refit_views.chosen_views``)."""
    rest = Pose.both()
    shut = [view for view in between[1::2] if view.pose != rest and min(eye.blink for eye in view.pose.eyes.values()) > 0.5]
    return {"fitted": fitted, "between": between, "between, head": between[::2], "between, eyes posed": between[1::2],
            "between, eyes closing": shut}


def as_text(name: str, figures: dict) -> str:
    """Return one portrait's table."""
    lines = [f"{name}: {figures['splats']} splats, {figures['cpu_s']} s of processor time",
             f"{'':24}{'before':>8}{'after':>8}{'worst':>8}{'whole':>8}{'bias before':>13}{'after':>9}{'alpha':>8}"]
    for kind, row in figures["views"].items():
        before, after = row["before"], row["after"]
        lines.append(f"{kind:24}{before['psnr_db']:8.1f}{after['psnr_db']:8.1f}{after['worst_db']:8.1f}{after['whole_db']:8.1f}"
                     f"{before['bias_percent']:12.2f}%{after['bias_percent']:8.2f}%{after['alpha_db']:8.1f}")
    return "\n".join(lines) + "\n"
