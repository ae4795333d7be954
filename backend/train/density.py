# SPDX-License-Identifier: GPL-3.0-or-later
"""Where splats are added and removed: gsplat's DefaultStrategy, held to a budget and to the regime of shapes."""
from __future__ import annotations

import torch
from gsplat.strategy import DefaultStrategy
from gsplat.strategy.ops import remove

from .settings import TrainSettings


class Density:
    """One run's densification; ``state`` holds what has been gathered since the last change."""

    def __init__(self, settings: TrainSettings) -> None:
        s = self.settings = settings
        # grow_scale3d is a share of the scene's scale, which is 1: metres.
        self.strategy = DefaultStrategy(
            prune_opa=s.least_opacity, grow_grad2d=s.grow_gradient, grow_scale3d=s.grow_scale_m, refine_every=s.refine_every,
            refine_start_iter=int(s.refine_from_share * s.iterations), refine_stop_iter=int(s.refine_until_share * s.iterations),
            # A head has no fog to clear: resetting opacities would only undo what was learnt.
            reset_every=10 ** 9, absgrad=s.device == "cuda")
        self.state = self.strategy.initialize_state(scene_scale=1.0)

    def before_backward(self, parameters: dict, optimisers: dict, step: int, info: dict) -> None:
        """Keep the gradient that is watched."""
        self.strategy.step_pre_backward(parameters, optimisers, self.state, step, info)

    def after_step(self, parameters: dict, optimisers: dict, step: int, info: dict, *, packed: bool) -> None:
        """Gather, and from time to time add and remove splats."""
        self._hold_budget(len(parameters["means"]))
        self.strategy.step_post_backward(parameters, optimisers, self.state, step, info, packed=packed)

    def _hold_budget(self, count: int) -> None:
        """Raise the gradient from which splats grow so that no more grow than the budget has left."""
        s, grads = self.settings, self.state["grad2d"]
        if grads is None:
            return
        room = min(s.most_splats - count, int(s.growth_share * count))
        threshold = self.settings.grow_gradient * (4.0 if self.strategy.absgrad else 1.0)
        mean = grads / self.state["count"].clamp_min(1.0)
        if room <= 0:
            threshold = float("inf")
        elif room < count:
            threshold = max(threshold, float(torch.kthvalue(mean, count - room).values))
        self.strategy.grow_grad2d = threshold

    def remove(self, parameters: dict, optimisers: dict, mask: torch.Tensor) -> None:
        """Take the splats of ``mask`` (N,) bool out of the run."""
        if mask.any():
            remove(parameters, optimisers, self.state, mask)
