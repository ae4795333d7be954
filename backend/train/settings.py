# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run is asked for, in one place: presets by device, and every constant that shapes a head."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainSettings:
    """One training run.

    iterations       views drawn, one an iteration
    sh_degree        of the colours' dependence on the view, 0..3
    device           "cpu" (numba) or "cuda" (gsplat)
    seed             of views, backgrounds and splits
    first_splats     how many Gaussians to start with
    most_splats      densification stops here
    coarse_share     this share of the iterations is drawn at half the size: shape comes first, and is cheap there
    """

    iterations: int
    sh_degree: int = 1
    device: str = "cpu"
    seed: int = 0
    first_splats: int = 12_000
    most_splats: int = 40_000
    coarse_share: float = 0.35

    # The loss: 3DGS's own mixture, and what lies outside the mask must be empty.
    ssim_share: float = 0.2
    outside_weight: float = 0.3

    # Adam's steps. Means in metres an iteration: a head is 0.2 m, so a splat may cross a face's detail in about a hundred steps.
    lr_means_m: float = 1.2e-4
    lr_means_end_share: float = 0.02
    lr_scales: float = 5e-3
    lr_quats: float = 2e-3
    lr_opacities: float = 4e-2
    lr_sh0: float = 1e-2
    lr_sh_rest: float = 5e-4
    lr_exposure: float = 1e-3

    # Densification: splats whose centres are pulled hardest are doubled or split, until this share of the run.
    grow_gradient: float = 1.5e-4
    grow_scale_m: float = 0.002
    refine_every: int = 100
    refine_from_share: float = 0.08
    refine_until_share: float = 0.7
    growth_share: float = 0.3

    # The regime of shapes: no needles, no balloons, nothing finer than the pictures show.
    largest_scale_m: float = 0.012
    needle_ratio: float = 5.0
    smallest_scale_px: float = 0.3
    low_pass_px2: float = 0.1
    least_opacity: float = 0.01

    # Bookkeeping.
    report_every: int = 10
    preview_every_share: float = 0.1
    checkpoint_every_s: float = 30.0


def preset(device: str, quality: str) -> tuple[int, TrainSettings]:
    """Return the frames' short side in pixels and the settings for a resolved device and a job's quality."""
    if device == "cuda":
        side, iterations = {"draft": (270, 1500), "standard": (540, 3000), "high": (1080, 7000)}[quality]
        return side, TrainSettings(iterations, device=device, first_splats=40_000, most_splats=200_000, coarse_share=0.0)
    side, iterations, most = {"draft": (180, 800, 20_000), "standard": (270, 2000, 40_000), "high": (540, 3000, 90_000)}[quality]
    return side, TrainSettings(iterations, most_splats=most)
