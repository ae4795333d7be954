# SPDX-License-Identifier: GPL-3.0-or-later
"""The two rasterisers as torch sees them: ours on the CPU, gsplat's on CUDA, one signature.

Both return what gsplat's densification asks for in ``info`` (gsplat 1.5, ``rasterization``), so that the training
loop does not know which one it has.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from ...gazesplat_addon.splat import harmonics
from ...gazesplat_addon.splat.arrays import rotation_matrices
from ..render import Camera, RenderSettings, chain, numba_training


@dataclass(frozen=True)
class Drawn:
    """One picture with a way back: rgb (H, W, 3) premultiplied over black, alpha (H, W), and gsplat's ``info``, packed or not."""

    rgb: torch.Tensor
    alpha: torch.Tensor
    info: dict
    packed: bool


# (means (N, 3) m, quats wxyz (N, 4), scales (N, 3) m, opacities (N,) 0..1, coefficients (N, K, 3), camera, settings) -> Drawn
Rasteriser = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Camera, RenderSettings], Drawn]


class _Numba(torch.autograd.Function):
    """Splats to premultiplied rgba (H, W, 4) and which of them show (N,) bool; all arrays float32 on the CPU.

    ``centres`` (1, N, 2) is read by nobody: its gradient is that of the projected centres, in pixels. The means' gradient
    leaves out that a moved splat is seen from a slightly other direction, as most trainers do.
    """

    @staticmethod
    def forward(ctx, means, quats, scales, opacities, coefficients, centres, camera, settings):
        means_n, quats_n, scales_n, opacities_n, sh = (t.detach().numpy() for t in (means, quats, scales, opacities, coefficients))
        away = means_n - camera.position.astype(np.float32)
        directions = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), np.float32(1e-9))
        values = harmonics.basis(directions, harmonics.COEFFICIENTS.index(sh.shape[1])).astype(np.float32)
        colours = np.einsum("nk,nkc->nc", values, sh) + np.float32(0.5)
        factors = rotation_matrices(quats_n) * scales_n[:, None, :]
        posed = SimpleNamespace(means=means_n, factors=factors, opacities=opacities_n, colours=np.maximum(colours, 0.0))
        frame, tape = numba_training.forward(posed, camera, settings)
        ctx.tape, ctx.scales, ctx.quats, ctx.values, ctx.lit = tape, scales_n, quats_n, values, colours > 0.0
        shown = np.zeros(len(means_n), bool)
        shown[tape.projected.order[np.diff(tape.listed.pairs_from) > 0]] = True
        visible = torch.from_numpy(shown)
        ctx.mark_non_differentiable(visible)
        return torch.from_numpy(frame.rgba()), visible

    @staticmethod
    def backward(ctx, d_rgba, _):
        d = d_rgba.contiguous().numpy()
        g = numba_training.backward(ctx.tape, d[..., :3], d[..., 3])
        d_scales, d_quats = chain.scales_and_rotations(g.factors, ctx.scales, ctx.quats)
        d_coefficients = ctx.values[:, :, None] * (g.colours * ctx.lit)[:, None, :]
        arrays = (g.means, d_quats, d_scales, g.opacities, d_coefficients, g.centres_px[None])
        return (*(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays), None, None)


def numba_rasteriser(means: torch.Tensor, quats: torch.Tensor, scales: torch.Tensor, opacities: torch.Tensor,
                     coefficients: torch.Tensor, camera: Camera, settings: RenderSettings) -> Drawn:
    """Draw on the CPU (see ``Rasteriser``)."""
    centres = torch.zeros(1, len(means), 2, requires_grad=True)
    rgba, visible = _Numba.apply(means, quats, scales, opacities, coefficients, centres, camera, settings)
    radii = visible[None, :, None].expand(1, -1, 2).to(torch.float32)
    info = {"means2d": centres, "radii": radii, "gaussian_ids": None, "width": camera.width, "height": camera.height, "n_cameras": 1}
    return Drawn(rgba[..., :3], rgba[..., 3], info, packed=False)


def gsplat_rasteriser(means: torch.Tensor, quats: torch.Tensor, scales: torch.Tensor, opacities: torch.Tensor,
                      coefficients: torch.Tensor, camera: Camera, settings: RenderSettings) -> Drawn:
    """Draw on CUDA (see ``Rasteriser``), with absolute gradients of the centres for densification."""
    from gsplat import rasterization

    device = means.device
    view = torch.as_tensor(camera.w2c, dtype=torch.float32, device=device)[None]
    lens = torch.tensor([[[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]], device=device)
    degree = harmonics.COEFFICIENTS.index(coefficients.shape[1])
    rgb, alpha, info = rasterization(means, quats, scales, opacities, coefficients, view, lens, camera.width, camera.height,
                                     near_plane=camera.near_m, eps2d=settings.low_pass_px2, sh_degree=degree, packed=True, absgrad=True)
    return Drawn(rgb[0], alpha[0, ..., 0], info, packed=True)
