# SPDX-License-Identifier: GPL-3.0-or-later
"""The video road against rendered clips whose masks and cameras are known: ``python3 dev.py bench video --gt FOLDER --json FILE``.

FOLDER is one clip (with request.json and meta.json) or holds several. ``--work`` keeps what was found, to go on from. Where a clip
has held-out views, heads are trained and judged too: "found" from its frames alone, as the product does; "true" with the true cameras
and masks, which judges training by itself; "ellipses" with the true cameras and the original's masks and thresholds, the baseline.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from ..contract.errors import GazeSplatError
from ..contract.job import QUALITIES
from ..stages.video import FRAMES_SHORT_SIDE_PX
from ..video.prepare import prepare_clip
from .video_heads import HEADS, head_figures, true_clip
from .video_truth import Truth, camera_figures, mask_figures


class Quiet:
    """Stands in for a job's context: keeps warnings, prints nothing, never stops."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def emit_stage(self, name: str, share: float) -> None:
        """A stage begins."""

    def progress(self, fraction: float, text: str = "") -> None:
        """A stage goes on."""

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Keep the warning's code."""
        self.codes.append(code)


def main(argv: list[str]) -> int:
    """Measure every clip below --gt and write the figures to --json and standard output."""
    parser = argparse.ArgumentParser(prog="bench video", description=__doc__)
    parser.add_argument("--gt", type=Path, required=True, metavar="FOLDER", help="a rendered clip, or a folder of them")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--num-frames", type=int, default=40)
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep frames, masks and cameras here")
    parser.add_argument("--heads", choices=HEADS, nargs="*", default=["found"], help="what heads are trained from; none = cameras only")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep held-out views here as RGBA, for the public scorer")
    parser.add_argument("--quality", choices=QUALITIES, default="standard")
    for name in ("height", "num-iters", "sh-degree"):
        parser.add_argument(f"--{name}", type=int, help="as the job's option")
    arguments = parser.parse_args(argv)
    clips = [arguments.gt] if (arguments.gt / "request.json").is_file() else sorted(
        p.parent for pattern in ("*/request.json", "video/*/request.json") for p in arguments.gt.glob(pattern))
    if not clips:
        raise GazeSplatError("no-benchmark", f"{arguments.gt} holds no rendered clip.", "Give a folder with request.json and meta.json.")
    report = {"machine": f"{os.cpu_count()} cores, {platform.machine()}", "load": [round(v, 1) for v in os.getloadavg()], "clips": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for clip in clips:
            work = (arguments.work or Path(temporary)) / clip.name
            report["clips"][clip.name] = figures = measure(clip, work, arguments)
            sys.stdout.write(f"{clip.name}: {json.dumps(figures, indent=1)}\n")
    arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


def measure(clip: Path, work: Path, arguments: argparse.Namespace) -> dict:
    """Return one clip's figures, or the refusal's code and sentence."""
    truth, context, figures = Truth.read(clip), Quiet(), {}
    options = {name: getattr(arguments, name) for name in ("height", "num_iters", "sh_degree") if getattr(arguments, name) is not None}
    found = None
    if not arguments.heads or "found" in arguments.heads:
        try:
            found, figures = _prepare(truth, work, arguments.num_frames, max(FRAMES_SHORT_SIDE_PX, options.get("height", 0)), context)
        except GazeSplatError as error:
            return {"refused": error.code, "message": error.message}
    for heads in arguments.heads:
        if not truth.frames("test"):
            continue
        out = arguments.out / clip.name / heads if arguments.out else None
        one = found if heads == "found" else true_clip(truth, work / heads, arguments.num_frames, ellipses=heads == "ellipses")
        figures[f"head_from_{heads}"] = head_figures(truth, one, options, arguments.quality, heads, out)
    return figures


def _prepare(truth: Truth, work: Path, num_frames: int, height: int, context: Quiet) -> tuple:
    """Return the clip as the product finds it, and its figures."""
    pictures = work / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for name in truth.files():
        shutil.copyfile(truth.folder / name, pictures / name)
    started, before = time.monotonic(), os.times()
    found = prepare_clip(pictures, work, {"num_frames": num_frames, "height": height, "eye_ruler": truth.eye_ruler()}, context)
    after = os.times()
    spent = sum(after[:4]) - sum(before[:4])
    return found, {"frames": len(found.frames), "warnings": context.codes, "masks": mask_figures(found.frames, truth),
                   "cameras": camera_figures(found.frames, found.cameras, truth),
                   "cpu_s": round(spent, 1), "wall_s": round(time.monotonic() - started, 1)}
