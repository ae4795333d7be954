# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a child process by test_extension_zip.py: the life of an installed extension, told as JSON.

    python extension_life.py ZIP SCRATCH_FOLDER PHOTO      with BLENDER_USER_RESOURCES set to an empty profile
The last line of stdout is the report; the test judges it.
"""
from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import bpy

# isort: split
# Importable only after bpy.
import addon_utils

NAME = "bl_ext.user_default.gazesplat"


def registered() -> dict[str, list[str]]:
    """Return everything that an extension may leave in Blender, by kind."""
    owners = (bpy.types.Scene, bpy.types.Object, bpy.types.Mesh, bpy.types.WindowManager, bpy.types.Collection)
    handlers = {name: getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)}
    return {
        "types": sorted(name for name in dir(bpy.types) if "gazesplat" in name.lower()),
        "operators": sorted(name for group in dir(bpy.ops) if "gazesplat" in group.lower() for name in dir(getattr(bpy.ops, group))),
        "properties": sorted(f"{owner.__name__}.{name}" for owner in owners for name in dict(owner.bl_rna.properties)
                             if "gazesplat" in name.lower()),
        "handlers": sorted(f"{name}: {one.__module__}.{one.__qualname__}" for name, functions in handlers.items()
                           if isinstance(functions, list) for one in functions if "gazesplat" in getattr(one, "__module__", "")),
        "preferences": sorted(one.module for one in bpy.context.preferences.addons if "gazesplat" in one.module),
    }


def run_job(scratch: Path) -> dict:
    """Run the dummy backend out of the installed folder, as the extension does."""
    folder = importlib.import_module(f"{NAME}.gazesplat_addon.jobs.folder")
    state = importlib.import_module(f"{NAME}.gazesplat_addon.jobs.state")
    story = [{"do": "stage", "name": "only"}, {"do": "count", "steps": 3, "seconds": 0.3}]
    job = state.Job(folder.create_job(scratch / "my jobs ü", "dummy", options={"story": story}))
    job.start(Path(os.environ.get("GAZESPLAT_BACKEND_PYTHON") or sys.executable))
    job.wait(60.0)
    return {"state": job.state, "error": str(job.error or ""), "result": sorted(one.name for one in job.result_folder.iterdir())}


def make_portrait(extension, photo: str) -> dict:
    """Do what an artist types first; the backend is the one that GAZESPLAT_BACKEND_PYTHON names."""
    portrait = extension.reconstruct(photo, quality="draft")
    carriers = [one for one in bpy.data.objects if one.name.startswith(portrait.name) and one.type == "MESH"]
    return {"name": portrait.name, "objects": [one.name for one in bpy.data.objects],
            "listed": [one.name for one in extension.portraits()], "splats": max(len(one.data.vertices) for one in carriers)}


def main(archive: str, scratch: str, photo: str) -> None:
    report = {"before": registered()}
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    report["installed"] = registered()
    extension = importlib.import_module(NAME)
    report["console"] = {name: callable(getattr(extension, name)) for name in ("load", "reconstruct", "portraits", "Portrait")}
    report["job"] = run_job(Path(scratch))
    if "GAZESPLAT_BACKEND_PYTHON" in os.environ:
        report["portrait"] = make_portrait(extension, photo)
    for again in ("disabled", "enabled", "disabled_again", "enabled_again"):
        if again.startswith("enabled"):
            assert addon_utils.enable(NAME, default_set=True) is not None
        else:
            addon_utils.disable(NAME, default_set=True)
        report[again] = registered()
    repos = bpy.context.preferences.extensions.repos
    bpy.ops.extensions.package_uninstall(repo_index=[repo.module for repo in repos].index("user_default"), pkg_id="gazesplat")
    report["uninstalled"] = registered()
    profile = Path(os.environ["BLENDER_USER_RESOURCES"])
    report["left"] = sorted(path.relative_to(profile).as_posix() for path in profile.rglob("*") if "gazesplat" in path.name.lower())
    report["modules"] = sorted(name for name in sys.modules if name.startswith(NAME))
    print("\n" + json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
