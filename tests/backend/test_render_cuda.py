# SPDX-License-Identifier: GPL-3.0-or-later
"""gsplat's kernels behind the rasteriser's interface; needs a CUDA device."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, synthetic_head
from gazesplat.backend.render import Camera, gsplat_cuda, render

needs_cuda = pytest.mark.skipif(gsplat_cuda.missing() is not None, reason=f"no CUDA: {gsplat_cuda.missing()}")
MATTES = {"irises": (11, 21), "head": (0,)}


def orthographic() -> Camera:
    camera = head_camera(160, 128)
    return Camera(160, 128, 500.0, 500.0, 80.0, 64.0, camera.w2c, orthographic=True)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("camera", [head_camera(160, 128), orthographic()], ids=["perspective", "parallel"])
def test_pictures_are_those_of_the_cpu(camera):
    head = synthetic_head(5_000)
    on_gpu = render(head, camera, backend="cuda", depth=True, mattes=MATTES)
    on_cpu = render(head, camera, depth=True, mattes=MATTES)
    # What gsplat does otherwise: it drops the splat that saturates a pixel, and sorts by float32 depths.
    assert -10.0 * np.log10(np.mean((on_gpu.rgba() - on_cpu.rgba()) ** 2)) > 40.0
    inside = on_cpu.alpha > 0.9
    assert np.abs(on_gpu.depth - on_cpu.depth)[inside].mean() < 1e-3
    for name in MATTES:
        assert np.abs(on_gpu.mattes[name] - on_cpu.mattes[name]).mean() < 5e-3


def test_a_crop_is_refused_before_a_gpu_is_needed():
    pytest.importorskip("torch")
    pytest.importorskip("gsplat")
    with pytest.raises(ValueError, match="crop"):
        render(synthetic_head(10), head_camera(64, 64).cropped(8, 8, 16, 16), backend="cuda")
