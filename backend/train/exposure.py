# SPDX-License-Identifier: GPL-3.0-or-later
"""Each frame's own exposure and white balance: phones adjust both while filming, and the head must not learn that."""
from __future__ import annotations

import torch


class Exposure:
    """A gain a frame and channel on display-referred colours, e ** value, about the mean of all frames.

    Only differences between frames are learnt: the head keeps the clip's mean look.
    """

    def __init__(self, frames: int, rate: float, device: str) -> None:
        self.log_gain = torch.zeros(frames, 3, device=device, requires_grad=True)
        self.optimiser = torch.optim.Adam([self.log_gain], lr=rate)

    def __call__(self, rgb: torch.Tensor, frame: int) -> torch.Tensor:
        """Return a premultiplied picture (H, W, 3) as frame ``frame`` would show it."""
        return rgb * torch.exp(self.log_gain[frame] - self.log_gain.mean(0))

    def gains(self) -> torch.Tensor:
        """Return the gains (F, 3)."""
        return torch.exp(self.log_gain - self.log_gain.mean(0)).detach()
