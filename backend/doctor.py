# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in one JSON object what the backend has, what it lacks, and how to get it.

It must answer on a broken installation too: packages are imported in a child process only, so that one
that cannot be loaded, or takes its process down, is a finding and not the end of the examination.
"""
from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from .contract.versions import PROTOCOL, extension_version

_HERE = Path(__file__).resolve().parent
_REQUIREMENTS = _HERE / "requirements"
_MODELS = _HERE / "models"

# Requirement files by what they are for; without the first, there are no portraits at all.
_PURPOSES = {"portraits": ("backend.txt", "backend-nodeps.txt"), "training": ("torch.txt",), "video": ("video.txt",)}
_IMPORT_NAMES = {"opencv-python-headless": "cv2", "pillow": "PIL", "python-dateutil": "dateutil", "fonttools": "fontTools"}

# One package after the other, each answer written before the next import: what is missing from the
# answers when the child dies is the package that killed it.
_PROBE = """
import importlib, json, sys
with open(sys.argv[1], "a", encoding="utf-8") as answers:
    for name in sys.argv[2:]:
        answer = {"name": name, "reason": ""}
        try:
            module = importlib.import_module(name)
            if name == "torch":
                answer["cuda"] = module.cuda.get_device_name(0) if module.cuda.is_available() else ""
        except BaseException as error:
            answer["reason"] = (type(error).__name__ + ": " + str(error))[:300]
        answers.write(json.dumps(answer) + "\\n")
        answers.flush()
"""
_PROBE_TIMEOUT_S = 100.0


def main() -> int:
    """Print the report as the only thing on stdout; return 0 when portraits can be made, else 1."""
    # Whatever a library prints, at any level, goes to stderr; the report alone to the real stdout.
    sys.stdout.flush()
    real_stdout = os.dup(1)
    os.dup2(2, 1)
    report = examine()
    with os.fdopen(real_stdout, "w", encoding="utf-8") as out:
        out.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    return 0 if report["ready"] else 1


def examine() -> dict:
    """Return the report:

    gazesplat, protocol, platform
    ready      True when portraits can be made from a photo
    python     version, executable
    device     kind ("cuda" or "cpu"), name, cpu_threads
    packages   by name: status (ok, missing, broken, wrong-version), version, wanted, needed_for, reason
    models     by file name: status (ok, missing, damaged)
    get        what to type to get what is missing, in order; empty when nothing is
    """
    packages, cuda = _examine_packages()
    models = _examine_models()
    lacking = {purpose for one in packages.values() if one["status"] != "ok" for purpose in (one["needed_for"],)}
    models_ok = bool(models) and all(one["status"] == "ok" for one in models.values())
    return {
        "gazesplat": extension_version(),
        "protocol": PROTOCOL,
        "ready": "portraits" not in lacking and models_ok,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": platform.platform(),
        "device": {"kind": "cuda" if cuda else "cpu", "name": cuda or platform.processor() or platform.machine(),
                   "cpu_threads": os.cpu_count()},
        "packages": packages,
        "models": models,
        "get": _how_to_get(lacking, models_ok),
    }


def read_pins(*names: str) -> dict[str, str]:
    """Return the exact versions that requirement files ask for, by package."""
    pins = {}
    for name in names:
        for line in (_REQUIREMENTS / name).read_text("utf-8").splitlines():
            pin = re.fullmatch(r"([\w.-]+)==([\w.+]+)", line.strip())
            if pin:
                pins[pin[1]] = pin[2]
    return pins


def _examine_packages() -> tuple[dict[str, dict], str]:
    """Return every package's findings, and the CUDA device's name or ""."""
    wanted = {name: (version, purpose) for purpose, files in _PURPOSES.items() for name, version in read_pins(*files).items()}
    installed = {name: _installed_version(name) for name in wanted}
    imports = {name: _IMPORT_NAMES.get(name, name) for name in wanted if installed[name] is not None}
    answers = _probe(list(imports.values()))
    packages = {}
    for name, (version, purpose) in wanted.items():
        reason = answers[imports[name]]["reason"] if name in imports else ""
        if name not in imports:
            status = "missing"
        elif reason:
            status = "broken"
        elif installed[name].split("+")[0] != version:  # "2.13.0+cpu" is a build of 2.13.0
            status = "wrong-version"
        else:
            status = "ok"
        packages[name] = {"status": status, "version": installed[name], "wanted": version, "needed_for": purpose,
                          "reason": reason}
    return packages, answers.get("torch", {}).get("cuda", "")


def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _probe(names: list[str]) -> dict[str, dict]:
    """Import the modules in child processes; return each one's answer by name."""
    answers: dict[str, dict] = {}
    with tempfile.TemporaryDirectory(prefix="gazesplat-doctor-") as folder:
        file = Path(folder) / "answers.jsonl"
        file.touch()
        while len(answers) < len(names):
            left = [name for name in names if name not in answers]
            how = _run_probe(file, left)
            for line in file.read_text("utf-8").splitlines():
                answer = json.loads(line)
                answers[answer["name"]] = answer
            killer = next((name for name in left if name not in answers), None)
            if killer is not None:
                answers[killer] = {"name": killer, "reason": f"importing it {how}"}
    return answers


def _run_probe(file: Path, names: list[str]) -> str:
    """Run one child and return how it ended, in words."""
    try:
        child = subprocess.run([sys.executable, "-I", "-c", _PROBE, str(file), *names], stdin=subprocess.DEVNULL,
                               stdout=sys.stderr, stderr=sys.stderr, timeout=_PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"took longer than {_PROBE_TIMEOUT_S:.0f} s"
    return f"ends the process (exit code {child.returncode})"


def _examine_models() -> dict[str, dict]:
    """Compare the model files that ship with GazeSplat with their checksums."""
    models = {}
    listing = _MODELS / "SHA256SUMS"
    for line in listing.read_text("utf-8").splitlines() if listing.is_file() else ():
        wanted, name = line.split()
        path = _MODELS / name
        if not path.is_file():
            status = "missing"
        else:
            status = "ok" if hashlib.sha256(path.read_bytes()).hexdigest() == wanted else "damaged"
        models[name] = {"status": status, "sha256": wanted}
    return models


def _how_to_get(lacking: set[str], models_ok: bool) -> list[str]:
    """Return the commands, in order, that install what is lacking for portraits, then for the rest."""
    steps = []
    for purpose, files in _PURPOSES.items():
        for name in files if purpose in lacking else ():
            no_deps = "--no-deps " if "nodeps" in name else ""
            steps.append(f'"{sys.executable}" -m pip install {no_deps}-r "{_REQUIREMENTS / name}"')
    if not models_ok:
        steps.append("Install GazeSplat again: the model files it ships with are missing or damaged.")
    return steps
