# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser on an NVIDIA GPU: gsplat's kernels behind this room's interface. Imports torch only when it is asked to draw."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from .interface import Camera, Frame, Posed, RenderSettings, checked_arrays, matte_indices

FAR_M = 1e10


@cache
def missing() -> str | None:
    """Return what is missing to draw with this rasteriser, None when nothing is."""
    try:
        import gsplat  # noqa: F401
        import torch
    except ImportError as error:
        return str(error)
    return None if torch.cuda.is_available() else "torch sees no CUDA device"


def render(posed: Posed, camera: Camera, settings: RenderSettings, *, depth: bool = False,
           mattes: Mapping[str, Sequence[int]] | None = None) -> Frame:
    """Draw posed splats (see ``interface``); ``settings.supersample`` is not read here.

    gsplat keeps its own constants (alpha cut 1/255, cap 0.99 or 0.999 by its version, slope limit 0.15, stop at 1e-4 without the
    last splat), so its pictures differ from the other rasterisers' by up to 1 % of a saturated pixel.
    Raises ValueError for arrays of the wrong shape or a crop, ImportError without gsplat.
    """
    import torch
    from gsplat import rasterization

    mattes = mattes or {}
    if camera.sensor not in (None, (0.0, 0.0, float(camera.width), float(camera.height))):
        raise ValueError("gsplat cannot draw a crop with the whole picture's slope limits")
    means, factors, opacities, colours = (torch.from_numpy(array).cuda() for array in checked_arrays(posed, np.float32))
    k = torch.tensor([[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]], device="cuda")
    viewmats = torch.from_numpy(camera.w2c).float().cuda()[None]
    indices = torch.from_numpy(matte_indices(np.asarray(posed.groups), mattes).astype(np.int64)).cuda()
    planes = torch.nn.functional.one_hot(torch.where(indices < 0, len(mattes), indices), len(mattes) + 1)[:, :len(mattes)]
    with torch.no_grad():
        drawn, alpha, _ = rasterization(
            means, None, None, opacities, torch.cat([colours, planes.float()], 1), viewmats, k[None], camera.width,
            camera.height, near_plane=camera.near_m, far_plane=FAR_M, eps2d=settings.low_pass_px2,
            covars=factors @ factors.transpose(1, 2), camera_model="ortho" if camera.orthographic else "pinhole",
            rasterize_mode="antialiased" if settings.antialiased else "classic", render_mode="RGB+ED" if depth else "RGB")
    drawn, alpha = drawn[0].cpu().numpy(), alpha[0, ..., 0].cpu().numpy()
    rgb = drawn[..., :3] + (1.0 - alpha[..., None]) * np.asarray(settings.background, np.float32)
    return Frame(rgb, alpha, np.where(alpha > 0.0, drawn[..., -1], np.inf) if depth else None,
                 {name: np.ascontiguousarray(drawn[..., 3 + number]) for number, name in enumerate(mattes)})
