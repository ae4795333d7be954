# SPDX-License-Identifier: GPL-3.0-or-later
"""Adam's steps on numpy arrays, for fits whose gradients come from our rasteriser and need no torch."""
from __future__ import annotations

import numpy as np

MOMENTUM, MOMENTUM_2 = 0.9, 0.99
STEADY_SHARE = 0.4           # of the steps; then they shrink to the last share
LAST_STEP = 0.05


class Adam:
    """Kingma & Ba 2015 on one array, its smallest step damped by ``damping`` times the mean one: what hardly shows hardly moves."""

    def __init__(self, values: np.ndarray, damping: float, momentum_2: float = MOMENTUM_2) -> None:
        self._first, self._second, self._count = np.zeros_like(values), np.zeros_like(values), 0
        self._damping, self._momentum_2 = damping, momentum_2

    def move(self, values: np.ndarray, gradient: np.ndarray, size: float) -> None:
        """Change ``values`` in place."""
        self._count += 1
        self._first += (1.0 - MOMENTUM) * (gradient - self._first)
        self._second += (1.0 - self._momentum_2) * (gradient * gradient - self._second)
        root = np.sqrt(self._second / (1.0 - self._momentum_2 ** self._count))
        damping = self._damping * float(root.mean()) + 1e-20
        values -= np.float32(size / (1.0 - MOMENTUM ** self._count)) * self._first / (root + np.float32(damping))


def step_size(done: float) -> float:
    """Return the share of the full step after ``done`` (0..1) of a run: steady first, then shrinking by equal factors."""
    return float(LAST_STEP ** max(0.0, (done - STEADY_SHARE) / (1.0 - STEADY_SHARE)))
