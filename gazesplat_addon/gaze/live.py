# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes that follow something while it moves: darts to what has jumped, pursuit of what glides, a slow way home when interest is lost.

One control, ``attention``, goes from gentle (0) to snappy (1), the two easings of the browser GazeSplat. Nothing depends on how
often ``step`` is called.
"""
from __future__ import annotations

import numpy as np

from . import inputs
from .saccade import durations_s, peak_share, profile

JUMP_DEG = 1.5                        # ours: a goal further off than this is met by a saccade, a nearer one by pursuit
LATENCY_S = (0.30, 0.03)              # gentle, snappy. Human 0.1-0.3; live, more than a few frames read as lag
PURSUIT_S = (0.60, 0.04)              # ours: time constant of pursuit
GENTLE_BELOW = 0.35                   # ours: somebody this inattentive does not dart
HOME_S = 0.9                          # ours: time constant of the way home when interest is lost


class LiveGaze:
    """A point (3,) that eyes look at, chasing a goal. Units are the caller's; angles are seen from ``eye``."""

    def __init__(self, at: np.ndarray, *, attention: float = 0.85) -> None:
        inputs.check_amount("attention", attention, 0.0, 1.0)
        self.at = np.asarray(at, float)
        self.attention = attention
        self._waited_s = 0.0
        self._dart: tuple[np.ndarray, np.ndarray, float, float, float] | None = None   # from, to, length s, spent s, where it peaks

    def step(self, dt_s: float, goal: np.ndarray | None, home: np.ndarray, eye: np.ndarray) -> np.ndarray:
        """Move on by ``dt_s`` seconds towards a goal (3,), or home where there is none; return the point (3,)."""
        if self._dart is not None:
            dt_s = self._darting(dt_s, eye)
        if dt_s <= 0:
            return self.at
        if goal is None:
            self._waited_s = 0.0
            return self._ease(home, dt_s, HOME_S, eye)
        goal = np.asarray(goal, float)
        off_deg = _angle_deg(self.at - eye, goal - eye)
        slow, quick = LATENCY_S
        if self.attention >= GENTLE_BELOW and off_deg > JUMP_DEG:
            self._waited_s += dt_s
            if self._waited_s >= slow + (quick - slow) * self.attention:
                self._waited_s = 0.0
                self._dart = (self.at, goal, float(durations_s(np.array([off_deg]))[0]), 0.0, float(peak_share(np.array([off_deg]))[0]))
            return self.at
        self._waited_s = 0.0
        slow, quick = PURSUIT_S
        return self._ease(goal, dt_s, slow * (quick / slow) ** self.attention, eye)

    def _darting(self, dt_s: float, eye: np.ndarray) -> float:
        """Move on within a saccade and return the time that is left after it."""
        start, end, length_s, spent_s, peak = self._dart
        spent_s += dt_s
        if spent_s >= length_s:
            self._dart, self.at = None, end
            return spent_s - length_s
        self._dart = (start, end, length_s, spent_s, peak)
        self.at = _between(start, end, float(profile(np.array([spent_s / length_s]), np.array([peak]))[0][0]), eye)
        return 0.0

    def _ease(self, goal: np.ndarray, dt_s: float, constant_s: float, eye: np.ndarray) -> np.ndarray:
        self.at = _between(self.at, np.asarray(goal, float), float(-np.expm1(-dt_s / constant_s)), eye)
        return self.at


def _between(start: np.ndarray, end: np.ndarray, share: float, eye: np.ndarray) -> np.ndarray:
    """Return the point a share of the way from one to another as the eye turns: even in angle, whatever their distances."""
    a, b = start - eye, end - eye
    near, far = np.linalg.norm(a), np.linalg.norm(b)
    angle = np.radians(_angle_deg(a, b))
    if min(near, far) < 1e-6 or angle > 3.0:
        return start + share * (end - start)
    weights = (1 - share, share) if angle < 1e-6 else (np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle))
    return eye + (weights[0] * a / near + weights[1] * b / far) * near ** (1 - share) * far**share


def _angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), np.dot(a, b))))
