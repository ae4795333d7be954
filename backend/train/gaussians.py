# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters that training moves, in 3DGS's own form (logarithms, logits, harmonics), and the shapes they may take."""
from __future__ import annotations

import numpy as np
import torch

from ...gazesplat_addon.splat.arrays import SH_C0, Splats
from ...gazesplat_addon.splat.harmonics import COEFFICIENTS
from .settings import TrainSettings

FIRST_OPACITY = 0.2
# Names and forms are those of gsplat's strategies.
NAMES = ("means", "quats", "scales", "opacities", "sh0", "sh_rest")


def parameters_from_points(points: np.ndarray, colours: np.ndarray, spacing_m: np.ndarray, sh_degree: int,
                           device: str) -> dict[str, torch.nn.Parameter]:
    """Return round Gaussians at points (N, 3), metres, with colours (N, 3) 0..1 and standard deviations (N,) in metres."""
    n = len(points)
    arrays = {"means": points, "quats": np.tile([1.0, 0.0, 0.0, 0.0], (n, 1)), "scales": np.repeat(np.log(spacing_m)[:, None], 3, 1),
              "opacities": np.full(n, np.log(FIRST_OPACITY / (1.0 - FIRST_OPACITY))), "sh0": (colours[:, None] - 0.5) / SH_C0,
              "sh_rest": np.zeros((n, COEFFICIENTS[sh_degree] - 1, 3))}
    return as_parameters(arrays, device)


def as_parameters(arrays: dict[str, np.ndarray], device: str) -> dict[str, torch.nn.Parameter]:
    """Return arrays by name as parameters on ``device``."""
    return {name: torch.nn.Parameter(torch.tensor(np.asarray(arrays[name], np.float32), device=device)) for name in NAMES}


def activated(p: dict[str, torch.nn.Parameter]) -> tuple[torch.Tensor, ...]:
    """Return means, quats, scales, opacities and coefficients as a rasteriser takes them."""
    return p["means"], p["quats"], torch.exp(p["scales"]), torch.sigmoid(p["opacities"]), torch.cat([p["sh0"], p["sh_rest"]], 1)


def optimisers(p: dict[str, torch.nn.Parameter], s: TrainSettings) -> dict[str, torch.optim.Adam]:
    """Return one Adam a parameter, as gsplat's strategies want it."""
    rates = {"means": s.lr_means_m, "quats": s.lr_quats, "scales": s.lr_scales, "opacities": s.lr_opacities, "sh0": s.lr_sh0,
             "sh_rest": s.lr_sh_rest}
    return {name: torch.optim.Adam([p[name]], lr=rates[name], eps=1e-15, fused=True) for name in NAMES}


@torch.no_grad()
def limit_shapes(p: dict[str, torch.nn.Parameter], s: TrainSettings, smallest_m: float) -> None:
    """Pull scales back into the regime: no finer than the pictures show, no balloons, and no needles.

    A needle's longest axis exceeds the middle one; flat discs, which surfaces need, are left alone.
    """
    scales = p["scales"]
    scales.clamp_(float(np.log(smallest_m)), float(np.log(s.largest_scale_m)))
    longest, shortest = scales.amax(1, keepdim=True), scales.amin(1, keepdim=True)
    middle = scales.sum(1, keepdim=True) - longest - shortest
    scales.copy_(torch.minimum(scales, middle + float(np.log(s.needle_ratio))))


def to_splats(p: dict[str, torch.nn.Parameter]) -> Splats:
    """Return the parameters as the product's splats."""
    a = {name: value.detach().cpu().numpy() for name, value in p.items()}
    quats = a["quats"] / np.maximum(np.linalg.norm(a["quats"], axis=1, keepdims=True), 1e-12)
    return Splats(a["means"], np.exp(a["scales"]), quats.astype(np.float32), (1.0 / (1.0 + np.exp(-a["opacities"]))).astype(np.float32),
                  (0.5 + np.float32(SH_C0) * a["sh0"][:, 0]).astype(np.float32), a["sh_rest"])
