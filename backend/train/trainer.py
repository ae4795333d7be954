# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: draw a view, compare, step, and now and then grow, prune, save and report."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...gazesplat_addon.splat.arrays import Splats
from ..render import RenderSettings
from ..render.likeness import psnr
from . import checkpoint
from .density import Density
from .exposure import Exposure
from .gaussians import activated, limit_shapes, optimisers, parameters_from_points, to_splats
from .initialise import Start
from .losses import head_loss
from .rasterisers import Rasteriser, gsplat_rasteriser, numba_rasteriser
from .settings import TrainSettings
from .views import View, reduced


@dataclass(frozen=True)
class Progress:
    """Where a run is: step of steps, smoothed loss, PSNR inside the mask in dB, splats, and the picture drawn last (H, W, 3) over grey."""

    step: int
    steps: int
    loss: float
    psnr_db: float
    splats: int
    picture: np.ndarray | None = None

    @property
    def text(self) -> str:
        """One line for the artist."""
        return f"{self.step} of {self.steps}, loss {self.loss:.4f}, {self.psnr_db:.1f} dB, {self.splats} splats"


@dataclass(frozen=True)
class Trained:
    """The head, how well it fits its own views, and each view's gain (F, 3)."""

    splats: Splats
    psnr_db: float
    loss: float
    gains: np.ndarray
    seconds: float


def train(views: list[View], start: Start, settings: TrainSettings, report: Callable[[Progress], None],
          checkpoint_path: Path | None = None) -> Trained:
    """Fit splats to the views. ``report`` is called after every step; whatever it raises ends the run.

    With ``checkpoint_path`` a run of the same views and settings goes on from there. The same seed gives the same head on the
    same machine. Raises torch.cuda.OutOfMemoryError on a small GPU.
    """
    threads = torch.get_num_threads()
    # torch's share is small, and its threads burn their time slices waiting for each other when the machine has other work:
    # with two cores and a load of seven, two threads took five times as long as one. The rasteriser has threads of its own.
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            return _Run(views, start, settings, checkpoint_path).run(report)
    finally:
        torch.set_num_threads(threads)


class _Run:
    """The state of one run."""

    def __init__(self, views: list[View], start: Start, settings: TrainSettings, path: Path | None) -> None:
        s = self.settings = settings
        torch.manual_seed(s.seed)
        self.scales = [(1.0, [_on_device(v, s.device) for v in views])]
        if s.coarse_share > 0.0:
            self.scales.insert(0, (0.5, [_on_device(reduced(v, 0.5), s.device) for v in views]))
        self.views, self.path = views, path
        self.draw: Rasteriser = gsplat_rasteriser if s.device == "cuda" else numba_rasteriser
        self.look = RenderSettings(low_pass_px2=s.low_pass_px2)
        self.density, self.exposure = Density(s), Exposure(len(views), s.lr_exposure, s.device)
        self.smallest_m = s.smallest_scale_px * _pixel_m(views, start.points.mean(0))
        self.key = checkpoint.fingerprint(views, s) if path else ""
        found = checkpoint.load(path, self.key, s, self.density, self.exposure) if path else None
        if found is None:
            self.parameters = parameters_from_points(start.points, start.colours, start.spacing_m, s.sh_degree, s.device)
            found = 0, self.parameters, optimisers(self.parameters, s), (float("nan"), float("nan"))
        self.first, self.parameters, self.adams, (self.loss, self.psnr_db) = found

    def run(self, report: Callable[[Progress], None]) -> Trained:
        s, started, saved = self.settings, time.monotonic(), time.monotonic()
        show_every = max(1, int(s.preview_every_share * s.iterations))
        for step in range(self.first, s.iterations):
            picture = self._step(step, wants_picture=(step + 1) % show_every == 0)
            # At the end too: who is killed in what follows has not to train again.
            if self.path is not None and (step + 1 == s.iterations or time.monotonic() - saved > s.checkpoint_every_s):
                checkpoint.save(self.path, self.key, step + 1, self.parameters, self.adams, self.density, self.exposure,
                                (self.loss, self.psnr_db))
                saved = time.monotonic()
            report(Progress(step + 1, s.iterations, self.loss, self.psnr_db, len(self.parameters["means"]), picture))
        return Trained(to_splats(self.parameters), self.psnr_db, self.loss, self.exposure.gains().cpu().numpy(), time.monotonic() - started)

    def _step(self, step: int, *, wants_picture: bool) -> np.ndarray | None:
        s = self.settings
        views = self.scales[0 if step < s.coarse_share * s.iterations else -1][1]
        # Every epoch in its own order, which only the step and the seed decide: a resumed run sees the same.
        epoch, place = divmod(step, len(views))
        index = int(np.random.default_rng([s.seed, epoch]).permutation(len(views))[place])
        image, mask, camera = views[index]
        background = torch.as_tensor(np.random.default_rng([s.seed, 1, step]).uniform(size=3), dtype=torch.float32, device=s.device)
        self._set_rates(step)
        drawn = self.draw(*activated(self.parameters), camera, self.look)
        self.density.before_backward(self.parameters, self.adams, step, drawn.info)
        shown = self.exposure(drawn.rgb, index)
        loss = head_loss(shown, drawn.alpha, image, mask, background, s.ssim_share, s.outside_weight)
        loss.backward()
        for adam in (*self.adams.values(), self.exposure.optimiser):
            adam.step()
            adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            limit_shapes(self.parameters, s, self.smallest_m * (2.0 if views is not self.scales[-1][1] else 1.0))
        self._follow(float(loss.detach()), shown.detach(), drawn.alpha.detach(), image, mask)
        self.density.after_step(self.parameters, self.adams, step, drawn.info, packed=drawn.packed)
        return _over_grey(shown.detach(), drawn.alpha.detach()) if wants_picture else None

    def _set_rates(self, step: int) -> None:
        """Let the means' steps fall exponentially, as 3DGS does."""
        share = step / max(1, self.settings.iterations - 1)
        self.adams["means"].param_groups[0]["lr"] = self.settings.lr_means_m * self.settings.lr_means_end_share ** share

    def _follow(self, loss: float, rgb: torch.Tensor, alpha: torch.Tensor, image: torch.Tensor, mask: torch.Tensor) -> None:
        """Smooth the figures that are shown: single views differ."""
        error = ((rgb + (1.0 - alpha[..., None]) * image - image) ** 2).mean(-1)
        db = psnr(float((error * mask).sum() / mask.sum().clamp_min(1.0)))
        keep = 0.95 if np.isfinite(self.loss) else 0.0
        self.loss, self.psnr_db = (keep * old + (1.0 - keep) * new if keep else new
                                   for old, new in ((self.loss, loss), (self.psnr_db, db)))


def _on_device(view: View, device: str) -> tuple[torch.Tensor, torch.Tensor, object]:
    return torch.as_tensor(view.image, device=device), torch.as_tensor(view.mask, device=device), view.camera


def _pixel_m(views: list[View], centre: np.ndarray) -> float:
    """Return a pixel's size in metres at the head, in the nearest view."""
    return min(float(np.linalg.norm(v.camera.position - centre)) / v.camera.fx for v in views)


def _over_grey(rgb: torch.Tensor, alpha: torch.Tensor) -> np.ndarray:
    return (rgb + 0.5 * (1.0 - alpha[..., None])).clamp(0.0, 1.0).cpu().numpy()
