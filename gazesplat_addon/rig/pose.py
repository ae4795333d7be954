# SPDX-License-Identifier: GPL-3.0-or-later
"""The numpy twin of the rig's node tree: a portrait and a pose in, posed splats out.

The node trees, the viewport and the render worker express the same formulas; tests hold them together.
A posed splat is a mean and a linear factor M (covariance M M^T), because a lid's stretch is no rotation.
M moves by the secant over one standard deviation, M' = F(p + M) - F(p), so a lid that stretches threefold stays closed.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..splat.arrays import Splats
from ..splat.harmonics import seen
from . import parts
from .posed_eye import PosableEye
from .sidecar import EyeRig, PortraitRig


@dataclass(frozen=True)
class EyePose:
    """One eye's pose relative to the photo: degrees, + yaw to the subject's left, + pitch up."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    blink: float = 0.0          # closed share of the opening, 0..1
    pupil: float = 1.0          # pupil radius relative to the photo


@dataclass(frozen=True)
class Pose:
    """Both eyes. The head's own motion is an ordinary object transform and not part of it."""

    eyes: dict[str, EyePose] = field(default_factory=dict)

    @classmethod
    def both(cls, yaw_deg: float = 0.0, pitch_deg: float = 0.0, blink: float = 0.0, pupil: float = 1.0) -> Pose:
        """Return the same pose for both eyes."""
        return cls({side: EyePose(yaw_deg, pitch_deg, blink, pupil) for side in parts.SIDES})


@dataclass(frozen=True)
class PosedSplats:
    """What a rasteriser draws, portrait frame: means (N, 3) m, factors (N, 3, 3) m, opacities (N,), colours (N, 3), groups (N,)."""

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True)
class PosedParts:
    """What a pose does to N splats, portrait frame.

    means (N, 3) m, factors (N, 3, 3) m, opacities (N,); shades (N, 3), by which their colours are multiplied;
    turns: rows (K,) or a slice, and the rotation (3, 3) by which they and their harmonics have been turned; all others have not
    """

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    shades: np.ndarray
    turns: list[tuple[np.ndarray | slice, np.ndarray]]


class Posable:
    """A portrait, or a part of one, ready to be posed again and again: what no pose changes is worked out once."""

    def __init__(self, splats: Splats, groups: np.ndarray, rig: PortraitRig) -> None:
        self._splats, self._groups = splats, groups
        self._means, self._factors = _float32(splats.means), _float32(splats.linear_factors())
        self._eyes = {side: PosableEye(side, eye, groups, self._means, self._factors) for side, eye in rig.eyes.items()}

    def parts(self, pose: Pose) -> PosedParts:
        """Return what the pose does to the splats, whatever they are seen from."""
        means, factors = self._means.copy(), self._factors.copy()
        opacities, shades = self._splats.opacities.astype(np.float32), np.ones_like(means)
        turns = []
        for side, eye in self._eyes.items():
            turns += eye.pose(pose.eyes.get(side, EyePose()), means, factors, opacities, shades)
        return PosedParts(means, factors, opacities, shades, turns)

    def splats(self, pose: Pose, eye_point_m: np.ndarray | None = None) -> PosedSplats:
        """Return the splats as posed, seen from ``eye_point_m`` (portrait frame; needed for SH degree > 0)."""
        posed = self.parts(pose)
        colours = self._seen_colours(posed, eye_point_m)
        colours *= posed.shades
        return PosedSplats(posed.means, posed.factors, posed.opacities, colours, self._groups)

    def _seen_colours(self, posed: PosedParts, eye_point_m: np.ndarray | None) -> np.ndarray:
        """Return colours (N, 3) seen from a point; SH turn with their splats."""
        if self._splats.sh_degree == 0:
            return np.maximum(_float32(self._splats.colours), 0.0)
        if eye_point_m is None:
            raise ValueError("splats with spherical harmonics need eye_point_m")
        away = posed.means - np.asarray(eye_point_m, np.float32)
        for rows, turn in posed.turns:
            away[rows] = away[rows] @ turn
        away /= np.sqrt(np.maximum(np.einsum("nk,nk->n", away, away), np.float32(1e-24)))[:, None]
        return seen(self._splats, away)


class PosableMeans:
    """Where splats lie as posed, and nothing else: what sorting by depth needs, at a fraction of the price."""

    def __init__(self, means: np.ndarray, groups: np.ndarray, eyes: Mapping[str, EyeRig]) -> None:
        self._means = _float32(means)
        self._eyes = {side: PosableEye(side, eye, groups, self._means) for side, eye in eyes.items()}

    def posed(self, pose: Pose) -> np.ndarray:
        """Return (N, 3) metres, portrait frame."""
        means = self._means.copy()
        for side, eye in self._eyes.items():
            eye.pose(pose.eyes.get(side, EyePose()), means)
        return means


def pose_parts(splats: Splats, groups: np.ndarray, rig: PortraitRig, pose: Pose) -> PosedParts:
    """Return what one pose does to the splats, whatever they are seen from."""
    return Posable(splats, groups, rig).parts(pose)


def pose_splats(splats: Splats, groups: np.ndarray, rig: PortraitRig, pose: Pose,
                eye_point_m: np.ndarray | None = None) -> PosedSplats:
    """Return the portrait in one pose, seen from ``eye_point_m`` (portrait frame; needed for SH degree > 0)."""
    return Posable(splats, groups, rig).splats(pose, eye_point_m)


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
