# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty file for each golden test."""
from __future__ import annotations

import subprocess
import sys

import bpy
import pytest

from gazesplat.gazesplat_addon import compat


@pytest.fixture
def scene() -> bpy.types.Scene:
    """The scene of a new, empty file."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


@pytest.fixture(scope="session")
def eevee(tmp_path_factory) -> None:
    """Skip where EEVEE has no OpenGL context: Blender then aborts, so a child process tries it first."""
    probe = ("import bpy, sys; s = bpy.context.scene; s.render.resolution_x = s.render.resolution_y = 8;"
             f"s.render.engine = {compat.EEVEE_ENGINE!r}; s.render.filepath = sys.argv[-1]; bpy.ops.render.render(write_still=True)")
    target = tmp_path_factory.mktemp("eevee") / "probe.png"
    result = subprocess.run([sys.executable, "-c", probe, str(target)], capture_output=True, timeout=300)
    if result.returncode != 0 or not target.exists():
        pytest.skip("EEVEE cannot render here: it needs OpenGL through EGL (Debian: libegl1 libgl1 libgl1-mesa-dri)")
