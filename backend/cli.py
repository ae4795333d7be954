# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's command line: a job folder from Blender, or a person without Blender.

    python -I backend JOB_FOLDER                      run a job (what Blender starts)
    python -I backend --doctor                        say in JSON what is installed and what is missing
    python -I backend reconstruct INPUT --out FOLDER  make a portrait without Blender
    python -I backend set-up --folder FOLDER          make or mend the backend's own environment; any Python 3.11 or 3.13 can
    python -I backend refit PLY [--out FILE]          fit a splat file's colours for renderers that blend linear light
    python -I backend graft PLY --photo PICTURE --camera JSON --out FOLDER   give a splat head from elsewhere living eyes
    python -I backend batch-job FOLDER --out FOLDER   write a farm's job that makes a portrait of every photo and clip of a folder
    python -I backend bench NAME [ARGUMENT ...]       run a benchmark
    python -I backend motion-report FOLDER PAGE       draw what portrait.check_motion() has measured
    python -I backend worker                          draw frames for Blender's engine, asked through stdin
"""
from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from .cache_folder import keep_libraries_here
from .contract import paths, result
from .contract.environment import SETUP, python_of_venv
from .contract.errors import GazeSplatError
from .contract.inputs import copy_input, copy_splats, kind_of
from .contract.job import DEVICES, QUALITIES, JobSpec, write_job
from .contract.process_identity import start_mark
from .contract.refusals import explain_os_error
from .contract.versions import extension_version
from .run import DONE, FAILED, run_job


def main(argv: list[str]) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 cancelled or wrong usage."""
    faulthandler.enable()
    keep_libraries_here()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        if argv[:1] == ["--doctor"] and len(argv) == 1:
            from .doctor import main as doctor
            return doctor()
        if argv[:1] == ["reconstruct"]:
            return _reconstruct(argv[1:])
        if argv[:1] == ["set-up"]:
            return _set_up(argv[1:])
        if argv[:1] == ["refit"]:
            return _refit(argv[1:])
        if argv[:1] == ["graft"]:
            return _graft(argv[1:])
        if argv[:1] == ["batch-job"]:
            from .batch_job import main as batch_job
            return batch_job(argv[1:])
        if argv[:1] == ["bench"] and len(argv) > 1:
            return _bench(argv[1], argv[2:])
        if argv[:1] == ["motion-report"]:
            from .motion_report import main as motion_report
            return motion_report(argv[1:])
        if argv == ["worker"]:
            from .worker.serve import main as worker
            return worker()
        if len(argv) == 1 and not argv[0].startswith("-"):
            return _run_folder(Path(argv[0]))
    except GazeSplatError as error:
        _say(f"{error.code}: {error}", sys.stderr)
        return FAILED
    asked = argv in (["-h"], ["--help"])
    _say(__doc__.strip(), sys.stdout if asked else sys.stderr)
    return DONE if asked else 2


def _run_folder(folder: Path) -> int:
    if not folder.is_dir():
        raise GazeSplatError("no-job", f"There is no job folder {folder}.", "Give the folder of a job that GazeSplat has made.")
    try:
        _sign(folder)
        return run_job(folder.resolve(), log_name=str(folder.resolve() / paths.LOG))
    except OSError as error:  # not even the first event could be written
        raise explain_os_error(error, place_chosen=True) or error from error


def _sign(folder: Path) -> None:
    """Say which process works here, unless whoever started it has: it may have been killed before it could."""
    if paths.exists(folder / paths.JOB) and not paths.exists(folder / paths.PID):
        pid = os.getpid()
        paths.write_json_atomically(folder / paths.PID, {"pid": pid, "started": start_mark(pid) or ""})


def _reconstruct(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="backend reconstruct", description=(
        "Make a portrait from a photo, a video or a folder of pictures, without Blender."))
    parser.add_argument("input", type=Path, help="a photo of one face, a video of a head, or a folder of pictures of one")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the portrait's folder, new or empty")
    parser.add_argument("--quality", choices=QUALITIES, default="standard")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-frames", type=int, metavar="N", help="of a video: how many frames are used (40)")
    parser.add_argument("--height", type=int, metavar="PIXELS",
                        help="of a video: the frames' shorter side while training (540; 270 on a CPU)")
    parser.add_argument("--num-iters", type=int, metavar="N", help="of a video: how many steps training takes (3000)")
    parser.add_argument("--work", type=Path, metavar="FOLDER",
                        help="keep here what a run that was stopped can go on from; removed when done")
    parser.add_argument("--option", action="append", default=[], type=_option, metavar="NAME=VALUE",
                        help="what else the stages understand; VALUE is JSON or plain text")
    arguments = parser.parse_args(argv)
    out = _new_folder(arguments.out)
    flags = {name: getattr(arguments, name) for name in ("num_frames", "height", "num_iters") if getattr(arguments, name) is not None}
    with _temporary_job(out.parent) as job:
        write_job(job, JobSpec(id=job.name, kind=kind_of(arguments.input), input=copy_input(arguments.input, job),
                               quality=arguments.quality, device=arguments.device, seed=arguments.seed,
                               options=flags | dict(arguments.option), versions={"gazesplat": extension_version()}))
        code = run_job(job, log_name="the text above", echo=_print_event, work=arguments.work and arguments.work.absolute())
        if code == DONE:
            _keep(job, out)
        return code


def _set_up(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="backend set-up", description=(
        "Make an environment with the packages that portraits need, out of the Python that runs this; go on with one, or mend it."))
    parser.add_argument("--folder", type=Path, required=True, help="the environment's folder, new, empty, or made by this command")
    parser.add_argument("--video", action="store_true", help="also what portraits from videos need: ten times as large")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="take packages from here, and nothing from the network")
    parser.add_argument("--repair", action="store_true", help="compare every installed file with its checksum")
    arguments = parser.parse_args(argv)
    folder = arguments.folder.absolute()
    options = {"folder": str(folder), "video": arguments.video, "repair": arguments.repair,
               "wheels": str(arguments.wheels.absolute()) if arguments.wheels else ""}
    with _temporary_job(folder.parent) as job:
        write_job(job, JobSpec(id=job.name, kind=SETUP, options=options, versions={"gazesplat": extension_version()}))
        code = run_job(job, log_name="the text above", echo=_print_event)
    if code == DONE:
        _say(str(python_of_venv(folder)), sys.stdout)
    return code


def _refit(argv: list[str]) -> int:
    from ..gazesplat_addon.splat import linear_refit
    from ..gazesplat_addon.splat.files import SUFFIXES, read_splats, write_splats

    parser = argparse.ArgumentParser(prog="backend refit", description=(
        "Fit a splat file's colours so that decoding every splat and blending linear light gives the picture that was fitted."))
    parser.add_argument("ply", type=Path, help="any 3DGS PLY; a portrait's sidecar beside it is used")
    parser.add_argument("--out", type=Path, metavar="FILE", help="NAME.linear.npz as GazeSplat reads it beside NAME.ply (the default), or "
                        "NAME.ply: a standard PLY with the fitted colours, for other programs that blend linear light")
    parser.add_argument("--quality", choices=QUALITIES, default="high")
    arguments = parser.parse_args(argv)
    ply, out = arguments.ply.absolute(), (arguments.out or linear_refit.path_beside(arguments.ply)).absolute()
    if out == ply or out.suffix not in (*SUFFIXES, ".npz"):
        raise GazeSplatError("bad-output", f"{out.name} cannot be written.", "Choose another file, ending in .npz, .ply or .spz.")
    with _temporary_job(out.parent) as job:
        write_job(job, JobSpec(id=job.name, kind=result.REFIT, input=copy_splats(ply, job), quality=arguments.quality,
                               versions={"gazesplat": extension_version()}))
        code = run_job(job, log_name="the text above", echo=_print_event)
        if code == DONE:
            _say((job / paths.RESULT / result.METRICS).read_text("utf-8"), sys.stdout)
            made = job / paths.RESULT / result.LINEAR
            if out.suffix in SUFFIXES:
                splats = read_splats(ply)
                write_splats(out, linear_refit.load_refit(made, splats).applied(splats))
            else:
                made.replace(out)
            _say(str(out), sys.stdout)
        return code


def _graft(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="backend graft", description=(
        "Give a splat head from anywhere living eyes, built from one picture of it whose camera is known."))
    parser.add_argument("splats", type=Path, help="a PLY or SPZ of a head in any units and axes")
    parser.add_argument("--photo", type=Path, required=True, help="a picture of it from the front, with open eyes")
    parser.add_argument("--camera", type=Path, required=True, metavar="JSON",
                        help="the picture's camera: {\"focal_px\": ..., \"centre_px\": [x, y], \"w2c\": 4 x 4 rows}, OpenCV axes")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--option", action="append", default=[], type=_option, metavar="NAME=VALUE")
    arguments = parser.parse_args(argv)
    out = _new_folder(arguments.out)
    try:
        camera = json.loads(arguments.camera.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise GazeSplatError("bad-camera", f"{arguments.camera} is no camera: {error}.", "Give a JSON file; see --help.") from error
    with _temporary_job(out.parent) as job:
        options = {"photo": copy_input(arguments.photo, job), "camera": camera, **dict(arguments.option)}
        write_job(job, JobSpec(id=job.name, kind=result.GRAFT, input=copy_input(arguments.splats, job), options=options,
                               versions={"gazesplat": extension_version()}))
        code = run_job(job, log_name="the text above", echo=_print_event)
        if code == DONE:
            _keep(job, out)
        return code


def _new_folder(given: Path) -> Path:
    out = given.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GazeSplatError("output-exists", f"{out} exists and is not empty.", "Choose a new folder.")
    return out


def _keep(job: Path, out: Path) -> None:
    """Put a finished job's result where it was asked for, and say so."""
    if out.exists():
        out.rmdir()
    (job / paths.RESULT).rename(out)
    _say(str(out), sys.stdout)


@contextmanager
def _temporary_job(parent: Path) -> Iterator[Path]:
    """Make a job folder where the result will lie, so that it can be renamed there; it is removed in any case."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        job = Path(tempfile.mkdtemp(prefix=".gazesplat-job-", dir=parent))
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
    try:
        yield job
    finally:
        shutil.rmtree(job)


def _option(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _print_event(event: dict) -> None:
    """Print an event as a line for a person; progress overwrites itself on a terminal only."""
    kind = event["type"]
    if kind == "stage":
        _say(event["name"], sys.stdout)
    elif kind == "progress" and sys.stdout.isatty():
        sys.stdout.write(f"\r{event['fraction']:4.0%} {event['text'][:70]:70s}" + ("\n" if event["fraction"] >= 1 else ""))
        sys.stdout.flush()
    elif kind in ("warning", "failed"):
        _say(f"{kind}: {event['code']}: {event['message']} {event['hint']}", sys.stderr)
    elif kind == "cancelled":
        _say("cancelled", sys.stderr)


def _bench(name: str, argv: list[str]) -> int:
    module = f"{__package__}.bench.{name}"
    if not name.isidentifier() or find_spec(f"{__package__}.bench") is None or find_spec(module) is None:
        raise GazeSplatError("no-benchmark", f"There is no benchmark '{name}'.",
                             f"Its name is that of a file in {Path(__file__).parent / 'bench'}.")
    return import_module(module).main(argv)


def _say(text: str, stream) -> None:
    stream.write(text + "\n")
