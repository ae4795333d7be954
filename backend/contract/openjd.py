# SPDX-License-Identifier: GPL-3.0-or-later
"""Job templates of the Open Job Description (specification 2023-09), which AWS Deadline Cloud and ``openjd run`` take.

A template is plain JSON in a folder of its own, the job bundle, beside what it needs: https://github.com/OpenJobDescription
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from . import paths
from .errors import GazeSplatError
from .refusals import explain_os_error

SPECIFICATION = "jobtemplate-2023-09"
TEMPLATE = "template.json"
# Limits of the specification.
_NAME_LETTERS, _RANGE_ITEMS = 128, 1024


def job_template(name: str, parameters: Sequence[dict], steps: Sequence[dict]) -> dict:
    """Return a template; the name becomes one that the specification takes."""
    shown = re.sub(r"[\x00-\x1f\x7f{}]", " ", name).strip()[:_NAME_LETTERS] or "GazeSplat"
    return {"specificationVersion": SPECIFICATION, "name": shown, "parameterDefinitions": list(parameters), "steps": list(steps)}


def parameter(name: str, kind: str, default: object, description: str, **more: object) -> dict:
    """Return the definition of one job parameter; ``kind`` is STRING, INT, FLOAT or PATH."""
    return {"name": name, "type": kind, "default": default, "description": description, **more}


def script_step(name: str, command: str, arguments: Sequence[str], *, files: dict[str, tuple[str, str]] | None = None,
                tasks: dict[str, object] | None = None, after: Sequence[str] = ()) -> dict:
    """Return a step that runs a command.

    files   embedded texts, name -> (file name, text); arguments name them as ``{{Task.File.NAME}}``
    tasks   task parameters, name -> a range expression of integers, or a list of texts
    after   steps that must be done before
    """
    embedded = [{"name": key, "type": "TEXT", "filename": filename, "data": _checked_text(text)}
                for key, (filename, text) in (files or {}).items()]
    script = {"actions": {"onRun": {"command": command, "args": list(arguments)}}, **({"embeddedFiles": embedded} if embedded else {})}
    step = {"name": name, "script": script}
    if tasks:
        step["parameterSpace"] = {"taskParameterDefinitions": [
            {"name": key, "type": "INT" if isinstance(values, str) else "STRING", "range": values} for key, values in tasks.items()]}
    if after:
        step["dependencies"] = [{"dependsOn": one} for one in after]
    return step


def check_items(items: Sequence[str]) -> None:
    """Raise GazeSplatError ``bad-input`` unless a step can have a task for each of these texts."""
    if not 0 < len(items) <= _RANGE_ITEMS:
        raise GazeSplatError("bad-input", f"A job takes 1 to {_RANGE_ITEMS} inputs, not {len(items)}.", "Split them over several folders.")
    odd = next((one for one in items if "{{" in one or not one.isprintable()), None)
    if odd is not None:
        raise GazeSplatError("bad-input", f"A job cannot name {odd!r}.", "Rename it without {{ and line breaks.")


def write_bundle(folder: Path, template: dict) -> Path:
    """Write a template into a job bundle and return its path; GazeSplatError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.write_json_atomically(folder / TEMPLATE, template)
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
    return folder / TEMPLATE


def _checked_text(text: str) -> str:
    if "{{" in text:
        raise ValueError("an embedded file must not hold {{, which begins a format string")
    return text
