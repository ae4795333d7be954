# SPDX-License-Identifier: GPL-3.0-or-later
"""The video road against rendered clips whose masks and cameras are known: ``python3 dev.py bench video --gt FOLDER --json FILE``.

FOLDER is one clip (with request.json and meta.json) or holds several; or photographs with their projection matrices, of which
video_photos.py tells. ``--work`` keeps what was found, to go on from. Where a clip has held-out views, heads are trained and judged
too: "found" from its frames alone, as the product does; "true" with the true cameras and masks, which judges training by itself;
"ellipses" with the true cameras and the original's masks and thresholds, the baseline. Of other clips every eighth frame is held out.
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
from ..video.clip import Clip
from ..video.prepare import prepare_clip
from . import video_photos
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
    alone = (arguments.gt / "request.json").is_file() or video_photos.has_matrices(arguments.gt)
    clips = [arguments.gt] if alone else sorted(
        p.parent for pattern in ("*/request.json", "video/*/request.json") for p in arguments.gt.glob(pattern))
    if not clips:
        raise GazeSplatError("no-benchmark", f"{arguments.gt} holds no rendered clip.", "Give a folder with request.json and meta.json.")
    report = {"machine": f"{os.cpu_count()} cores, {platform.machine()}", "load": [round(v, 1) for v in os.getloadavg()], "clips": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for clip in clips:
            work = (arguments.work or Path(temporary)) / clip.name
            one = measure_photos if video_photos.has_matrices(clip) else measure
            report["clips"][clip.name] = figures = one(clip, work, arguments)
            sys.stdout.write(f"{clip.name}: {json.dumps(figures, indent=1)}\n")
    arguments.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


def measure(clip: Path, work: Path, arguments: argparse.Namespace) -> dict:
    """Return one clip's figures, or the refusal's code and sentence."""
    truth, figures, options = Truth.read(clip), {}, _options(arguments)
    found = None
    if not arguments.heads or "found" in arguments.heads:
        prepare = {"num_frames": arguments.num_frames, "height": max(FRAMES_SHORT_SIDE_PX, options.get("height", 0)),
                   "eye_ruler": truth.eye_ruler()}
        try:
            found, figures = _prepare([clip / name for name in truth.files()], work, prepare)
        except GazeSplatError as error:
            return {"refused": error.code, "message": error.message}
        figures |= {"masks": mask_figures(found.frames, truth), "cameras": camera_figures(found.frames, found.cameras, truth)}
    if found is not None and "found" in arguments.heads and not truth.frames("test"):
        out = arguments.out / clip.name if arguments.out else None
        figures["head_from_found"] = video_photos.held_out_figures(found, options, arguments.quality, out)
    for heads in arguments.heads if truth.frames("test") else ():
        out = arguments.out / clip.name / heads if arguments.out else None
        one = found if heads == "found" else true_clip(truth, work / heads, arguments.num_frames, ellipses=heads == "ellipses")
        figures[f"head_from_{heads}"] = head_figures(truth, one, options, arguments.quality, heads, out)
    return figures


def measure_photos(folder: Path, work: Path, arguments: argparse.Namespace) -> dict:
    """Return the figures of photographs with known cameras, all of which are used, or the refusal's code and sentence."""
    options = _options(arguments)
    prepare = {"num_frames": len(video_photos.matrices(folder)), "height": max(FRAMES_SHORT_SIDE_PX, options.get("height", 0))}
    out = arguments.out / folder.name if arguments.out else None
    try:
        return video_photos.measure(folder, lambda pictures: _prepare(pictures, work, prepare), options, arguments.quality, out,
                                    heads="found" in arguments.heads)
    except GazeSplatError as error:
        return {"refused": error.code, "message": error.message}


def _options(arguments: argparse.Namespace) -> dict:
    return {name: getattr(arguments, name) for name in ("height", "num_iters", "sh_degree") if getattr(arguments, name) is not None}


def _prepare(files: list[Path], work: Path, options: dict) -> tuple[Clip, dict]:
    """Return the clip as the product finds it in these pictures, and how long that took."""
    pictures, context = work / "pictures", Quiet()
    pictures.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, pictures / file.name)
    started, before = time.monotonic(), os.times()
    found = prepare_clip(pictures, work, options, context)
    spent = sum(os.times()[:4]) - sum(before[:4])
    return found, {"frames": len(found.frames), "warnings": context.codes, "cpu_s": round(spent, 1),
                   "wall_s": round(time.monotonic() - started, 1)}
