# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of photos and clips as one job of the Open Job Description: a portrait of each, on as many machines as there are.

What runs is the backend's own ``reconstruct``; each machine needs GazeSplat's folder and a Python with its requirements.
"""
from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from .contract import openjd
from .contract.errors import GazeSplatError
from .contract.inputs import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from .contract.job import DEVICES, QUALITIES
from .contract.refusals import explain_os_error

_INPUTS, _OUTPUTS = "inputs", "portraits"
_BACKEND = Path(__file__).resolve().parent


def main(argv: list[str]) -> int:
    """Write the job and print where its template is."""
    parser = argparse.ArgumentParser(prog="backend batch-job", description=(
        "Write a job (Open Job Description) that makes a portrait of every photo and clip of a folder."))
    parser.add_argument("folder", type=Path, help="photos of one face and videos of a head; folders inside are pictures of one head each")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the job's folder, new or empty")
    parser.add_argument("--quality", choices=QUALITIES, default="standard")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--python", default=sys.executable, metavar="PROGRAM", help="the backend's Python on the machines that run the job")
    asked = parser.parse_args(argv)
    template = write_batch(asked.folder.absolute(), asked.out.absolute(), quality=asked.quality, device=asked.device, python=asked.python)
    sys.stdout.write(f"{template}\n")
    return 0


def write_batch(folder: Path, out: Path, *, quality: str, device: str, python: str) -> Path:
    """Copy the inputs into a new job bundle and return its template; a task for each input, a portrait's folder of the same name."""
    inputs = _inputs_in(folder)
    openjd.check_items([one.name for one in inputs])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GazeSplatError("output-exists", f"{out} exists and is not empty.", "Choose a new folder.")
    try:
        for one in inputs:
            (out / _INPUTS).mkdir(parents=True, exist_ok=True)
            (shutil.copytree if one.is_dir() else shutil.copyfile)(one, out / _INPUTS / one.name)
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
    template = batch_template(folder.name, [one.name for one in inputs], quality=quality, device=device, python=python)
    return openjd.write_bundle(out, template)


def batch_template(name: str, inputs: list[str], *, quality: str, device: str, python: str) -> dict:
    """Return the template: one step with a task for each input."""
    parameters = [
        openjd.parameter("InputFolder", "PATH", _INPUTS, "Photos and clips", objectType="DIRECTORY", dataFlow="IN"),
        openjd.parameter("OutputFolder", "PATH", _OUTPUTS, "A folder for each portrait", objectType="DIRECTORY", dataFlow="OUT"),
        openjd.parameter("Python", "STRING", python, "Python with GazeSplat's requirements, on the machines that run the job"),
        openjd.parameter("Backend", "STRING", str(_BACKEND), "GazeSplat's backend folder, on the machines that run the job"),
        openjd.parameter("Quality", "STRING", quality, "How well", allowedValues=list(QUALITIES)),
        openjd.parameter("Device", "STRING", device, "For clips: what trains", allowedValues=list(DEVICES)),
    ]
    step = openjd.script_step("Reconstruct", "{{Param.Python}}", [
        "-I", "{{Param.Backend}}", "reconstruct", "{{Param.InputFolder}}/{{Task.Param.Input}}",
        "--out", "{{Param.OutputFolder}}/{{Task.Param.Input}}", "--quality", "{{Param.Quality}}", "--device", "{{Param.Device}}"],
        tasks={"Input": inputs})
    return openjd.job_template(f"{name} portraits", parameters, [step])


def _inputs_in(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise GazeSplatError("no-file", f"The folder {folder} cannot be read: {error.strerror}.", "Check the path.") from error
    kept = [one for one in found if not one.name.startswith(".")
            and (one.is_dir() or one.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES)]
    if not kept:
        raise GazeSplatError("no-file", f"There are no photos or clips in {folder}.", "Choose the folder they lie in.")
    return kept
