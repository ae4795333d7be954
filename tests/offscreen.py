# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the live display share: a view, and pictures read back from the graphics card (needs Blender 5.2's ``gpu.init``)."""
from __future__ import annotations

import subprocess
import sys
from functools import cache

import gpu
import numpy as np
import pytest

from gazesplat.backend.render.interface import Camera
from gazesplat.gazesplat_addon.viewport.uniforms import View

TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


@cache
def opengl_works() -> bool:
    """Whether OpenGL starts; where it cannot, Blender may abort, so a child process tries first."""
    return subprocess.run([sys.executable, "-c", "import bpy, gpu; gpu.init()"], capture_output=True, timeout=120).returncode == 0


def start_gpu() -> None:
    """Give this process a graphics context, or skip the test."""
    if not hasattr(gpu, "init"):
        pytest.skip("without a window Blender draws only from 5.2 on")
    if not opengl_works():
        pytest.skip("no OpenGL here (Debian: libegl1 libgl1 libgl1-mesa-dri)")
    gpu.init()


def pixels(texture: gpu.types.GPUTexture, channels: int = 4) -> np.ndarray:
    """Return a texture (H, W, C) float32, first row on top."""
    buffer = texture.read()
    buffer.dimensions = texture.width * texture.height * channels
    return np.array(buffer, np.float32).reshape(texture.height, texture.width, channels)[::-1]


def view_of(camera: Camera) -> View:
    """Return the viewport's view that equals a reference camera, its principal point included."""
    width, height = camera.width, camera.height
    near, far = 0.01, 100.0
    p = np.zeros((4, 4))
    p[0, 0], p[1, 1] = 2.0 * camera.fx / width, 2.0 * camera.fy / height
    shift_x, shift_y = 2.0 * camera.cx / width - 1.0, 1.0 - 2.0 * camera.cy / height
    if camera.orthographic:
        p[0, 3], p[1, 3], p[3, 3] = shift_x, shift_y, 1.0
        p[2, 2], p[2, 3] = -2.0 / (far - near), -(far + near) / (far - near)
    else:
        p[0, 2], p[1, 2], p[3, 2] = -shift_x, -shift_y, -1.0
        p[2, 2], p[2, 3] = -(far + near) / (far - near), -2.0 * far * near / (far - near)
    return View(TO_OPENCV @ camera.w2c, p, width, height)
