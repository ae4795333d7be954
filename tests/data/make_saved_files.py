# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the saved files that later versions must open: a made-up portrait with motion, set up for Cycles, as a checkout saves it.

    python tests/data/make_saved_files.py CHECKOUT FILE.blend

Run it in each Blender's Python when a version is released, and keep the files: they are never made again. ``early`` is the
state of November 2026 before heavy lids and kept limits (commit e2912ea).
"""
from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np

FRAMES, SIZE_PX = 24, 48
# Few splats make a small file; each part keeps its share.
EVERY = 6


def main(checkout: str, target: str) -> None:
    root, out = Path(checkout).resolve(), Path(target).resolve()
    sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location("gazesplat", root / "__init__.py", submodule_search_locations=[str(root)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["gazesplat"] = package
    spec.loader.exec_module(package)
    from gazesplat.gazesplat_addon.rig.sidecar import save_sidecar
    from gazesplat.gazesplat_addon.splat.arrays import Splats
    from gazesplat.gazesplat_addon.splat.ply import write_ply
    from tests.synthetic import synthetic_portrait

    folder = Path(tempfile.mkdtemp()) / "portrait"
    folder.mkdir()
    splats, groups, rig = synthetic_portrait(head_count=600)
    splats = Splats(*(np.ascontiguousarray(getattr(splats, name)[::EVERY])
                      for name in ("means", "scales", "rotations", "opacities", "colours", "sh_rest")))
    write_ply(folder / "portrait.ply", splats)
    save_sidecar(folder, rig, groups[::EVERY])
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    portrait = package.load(folder, name="Mara")
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    portrait.look_at((0.2, -1.0, 0.1))
    for generate in (portrait.add_saccades, portrait.add_blinks, portrait.add_head_drift):
        generate(seed=3)
    portrait.setup_render(engine="cycles")
    scene.render.resolution_x = scene.render.resolution_y = SIZE_PX
    bpy.ops.wm.save_as_mainfile(filepath=str(out), compress=True)
    shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main(*sys.argv[1:])
