# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender of its own for test_faults_blender.py, so that it can be killed.

    python blender_with_jobs.py start|follow JOBS_FOLDER GO_FILE PORTRAIT_FOLDER     with BLENDER_USER_RESOURCES set to an empty profile
``start`` begins a job that works until GO_FILE exists, says which process that is, and waits to be killed. ``follow`` finds the job as
a new Blender does, lives through what an artist may do meanwhile, and brings the portrait in. Each line of stdout is JSON.
"""
from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

import bpy

# isort: split
# Importable only after bpy.
import addon_utils

NAME = "bl_ext.user_default.gazesplat"
ROOT = Path(__file__).resolve().parents[2]
LONG_S = 120.0


def tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def room(name: str):
    return importlib.import_module(f"{NAME}.{name}")


def enable(jobs_folder: str):
    assert addon_utils.enable(NAME, default_set=True) is not None
    bpy.context.preferences.addons[NAME].preferences.jobs_folder = jobs_folder
    return importlib.import_module(NAME)


def start(go: str, portrait: str) -> None:
    photo = Path(go).with_name("selfie.jpg")
    photo.write_bytes(b"picture")
    story = [{"do": "stage", "name": "Working"}, {"do": "progress", "fraction": 0.5}, {"do": "wait-for", "path": go}]
    job = room("gazesplat_addon.reconstruction").start(photo, kind="dummy", quality="draft", seed=0,
                                                        options={"story": story, "portrait": portrait})
    tell(job=job.id, pid=job._job._mark.pid)
    time.sleep(LONG_S)


def found():
    """Look through the jobs folder as a starting Blender does, and return the one job."""
    live = room("gazesplat_addon.live_jobs")
    live._find_again()
    (job,) = live.watched()
    return job


def follow(extension, jobs_folder: str, go: str) -> None:
    job = found()
    tell(found=job.id, state=job.state, progress=job.progress)
    # Another file, undo, and the extension off and on: nothing of that is the job's business.
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    room("gazesplat_addon.live_jobs").poll()
    addon_utils.disable(NAME, default_set=True)
    tell(alive_without_extension=bool(room("backend.contract.process_identity").start_mark(job._job._mark.pid)))
    extension = enable(jobs_folder)
    job, deadline = found(), time.monotonic() + LONG_S
    tell(ready=True)
    while not job.ended and time.monotonic() < deadline:
        room("gazesplat_addon.live_jobs").poll()
        time.sleep(0.05)
    bpy.ops.ed.undo_push(message="before the import")
    outcome = bpy.ops.gazesplat.import_result("EXEC_DEFAULT", True, job=job.id)
    names = [portrait.name for portrait in extension.portraits()]
    # What this Blender remembers: the mark in the folder is the other one's too, which imports and undoes at its own time.
    imported = job._job.imported
    bpy.ops.ed.undo()
    tell(state=job.state, error=str(job.error or ""), outcome=sorted(outcome), portraits=names, after_undo=len(extension.portraits()),
         imported=imported, imported_after_undo=job._job.imported)


def main(command: str, jobs_folder: str, go: str, portrait: str) -> None:
    extensions = Path(os.environ["BLENDER_USER_RESOURCES"]) / "extensions" / "user_default"
    extensions.mkdir(parents=True)
    (extensions / "gazesplat").symlink_to(ROOT, target_is_directory=True)
    extension = enable(jobs_folder)
    if command == "start":
        start(go, portrait)
    else:
        follow(extension, jobs_folder, go)


if __name__ == "__main__":
    main(*sys.argv[1:])
