# SPDX-License-Identifier: GPL-3.0-or-later
"""One eye of a portrait, ready to be posed again and again: its splats part by part, and what no pose changes of them.

Splats are handled in blocks that fit a processor's cache. Where only positions are asked for, factors are left out.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import lids, parts
from .globe import SOCKET_TERMS, dilate, globe_transform, margin_terms, pupil_now, socket_terms
from .lid_points import lid_points
from .sidecar import EyeRig

if TYPE_CHECKING:
    from .pose import EyePose

STRETCH_LIMIT = 4.0            # a splat astride a lid corner may not grow beyond this
HIGHLIGHT_EDGE = (1.02, 0.08)   # a reflection fades where the cornea ends, in iris radii
BLOCK = 4096                    # splats; a dozen arrays of four points each then stay within a core's cache

Rows = np.ndarray | slice


class PosableEye:
    """The splats of one eye among N: ``pose`` writes into arrays of all N what the eye's pose makes of them."""

    def __init__(self, side: str, rig: EyeRig, groups: np.ndarray, means: np.ndarray, factors: np.ndarray | None = None) -> None:
        def rows_of(*which: int) -> np.ndarray:
            return np.flatnonzero(parts.is_part(groups, side, which))

        self._rig = rig
        globe = ((True, (parts.IRIS, parts.PUPIL)), (False, (parts.SCLERA,)))
        self._globe = [GlobeBlock(rig, rows, means, factors, iris) for iris, which in globe for rows in _blocks(rows_of(*which))]
        kinds = [(part,) for part in parts.LID_PARTS]
        if factors is None:     # few numbers a splat: fewer passes are worth more than blocks without gaps
            kinds = [tuple(part for part in parts.LID_PARTS if part != parts.UPPER_LASH), (parts.UPPER_LASH,)]
        self._lids = [LidBlock(rig, which[0] if len(which) == 1 else groups[rows] % 10, rows, means, factors)
                      for which in kinds for rows in _blocks(rows_of(*which))]
        self._reflections, self._shade = rows_of(parts.HIGHLIGHT), rows_of(parts.UPPER_SHADE)

    def pose(self, pose: EyePose, means: np.ndarray, factors: np.ndarray | None = None, opacities: np.ndarray | None = None,
             shades: np.ndarray | None = None) -> list[tuple[Rows, np.ndarray]]:
        """Pose the eye's splats in place, in arrays that hold all splats at rest; all but ``means`` may be left out.

        Returns which rows have been turned, and by which rotation (3, 3).
        """
        yaw, pitch = (float(np.radians(angle)) for angle in (pose.yaw_deg, pose.pitch_deg))
        blink = float(np.clip(pose.blink, 0.0, 1.0))
        transform = globe_transform(self._rig, yaw, pitch)
        for block in self._globe:
            block.pose(transform.astype(np.float32), (yaw, pitch, blink), float(pose.pupil), means, factors, shades)
        for block in self._lids:
            block.pose((yaw, pitch, blink), means, factors)
        if len(self._reflections):
            self._reflect(transform, means, opacities)
        if opacities is not None and len(self._shade):
            opacities[self._shade] *= np.float32(lids.shade_share(self._rig, pitch, blink))
        return [(block.rows, transform[:3, :3].astype(np.float32)) for block in self._globe]

    def _reflect(self, transform: np.ndarray, means: np.ndarray, opacities: np.ndarray | None) -> None:
        """Let reflections travel after the iris, more slowly, and fade where the cornea ends."""
        rig, rows = self._rig, self._reflections
        iris_now = transform[:3, :3] @ np.asarray(rig.iris_centre_m) + transform[:3, 3]
        means[rows] += rig.highlight_share * (iris_now - rig.iris_centre_m).astype(np.float32)
        if opacities is not None:
            off = (means[rows] - iris_now.astype(np.float32)) @ np.asarray(rig.frame, np.float32)[:, :2]
            edge, soft = HIGHLIGHT_EDGE
            opacities[rows] *= np.clip((edge - np.linalg.norm(off, axis=1) / rig.iris_radius_m) / soft, 0.0, 1.0)


class GlobeBlock:
    """Splats ``rows`` of the globe, which all lie on the iris or all beside it: they turn, widen, and are shaded anew."""

    def __init__(self, rig: EyeRig, rows: Rows, means: np.ndarray, factors: np.ndarray | None, iris: bool) -> None:
        self._rig, self.rows, self._iris = rig, rows, iris
        self._rest = _Shape(means[rows], None if factors is None else factors[rows])
        self._dilated = rig.pupil_radius_m, self._rest
        self._frame, self._centre = np.asarray(rig.frame, np.float32), np.asarray(rig.centre_m, np.float32)
        shade = np.asarray(rig.shade, np.float32)
        self._shade = np.ascontiguousarray((shade[SOCKET_TERMS:] if iris else shade).T)
        self._shade_at_rest = None if factors is None else self._log_shade(self._rest.means, (0.0, 0.0, 0.0))

    def pose(self, transform: np.ndarray, lids_pose: tuple[float, float, float], pupil: float, means: np.ndarray,
             factors: np.ndarray | None, shades: np.ndarray | None) -> None:
        """Write the block as posed; transform (4, 4) float32, lids_pose yaw, pitch (radians) and blink."""
        shape, turn = self._widened(pupil), transform[:3, :3]
        now = shape.means @ turn.T + transform[:3, 3]
        means[self.rows] = now
        if factors is not None:
            # Nine numbers a splat at once: (R M) by rows is M by rows times R (x) 1.
            factors[self.rows] = (shape.factors.reshape(-1, 9) @ np.kron(turn, np.eye(3, dtype=np.float32)).T).reshape(-1, 3, 3)
        if shades is not None:
            shades[self.rows] = np.exp(self._log_shade(now, lids_pose) - self._shade_at_rest).T

    def _widened(self, pupil: float) -> _Shape:
        """Return the splats with a pupil ``pupil`` times that of the photo, before they turn; the last answer is kept."""
        radius = pupil_now(self._rig, pupil)
        if not self._iris or radius == self._rig.pupil_radius_m:
            return self._rest
        if self._dilated[0] != radius:
            self._dilated = radius, _dilated(self._rig, self._rest, pupil)
        return self._dilated[1]

    def _log_shade(self, means: np.ndarray, lids_pose: tuple[float, float, float]) -> np.ndarray:
        """Return the logarithm of the light (3, n) on splats at ``means`` (n, 3)."""
        x, y = self._frame.T[:2] @ (means - self._centre).T
        upper, lower = lids.margins_now(self._rig, x, *lids_pose)
        terms = margin_terms(self._rig, y, upper, lower)
        return self._shade @ np.stack(terms if self._iris else [*socket_terms(self._rig, x, y), *terms])


class LidBlock:
    """Splats ``rows`` of one lid part: points are carried by its warp, factors by the warp's secant over one sigma.

    Where only positions are asked for, ``part`` may be that of each row.
    """

    def __init__(self, rig: EyeRig, part: int | np.ndarray, rows: Rows, means: np.ndarray, factors: np.ndarray | None) -> None:
        self._frame = np.asarray(rig.frame, np.float32)
        q = (means[rows] - np.asarray(rig.centre_m, np.float32)) @ self._frame
        self.rows, self._rest = rows, _Shape(means[rows], None)
        points = [q]
        if factors is not None:
            self._rest = _Shape(means[rows], factors[rows])
            local = np.ascontiguousarray(np.moveaxis(self._frame.T @ factors[rows], 0, 2))       # (axis, sigma, n)
            self._local = local
            self._allowed = STRETCH_LIMIT ** 2 * np.square(local).sum(0)
            points += [q + local[:, k].T for k in range(3)]
        self._points = lid_points(rig, part, np.concatenate(points))
        # Takes what one sigma moves in the eye's frame, nine numbers a splat, to the portrait's.
        self._to_portrait = np.concatenate([np.kron(self._frame[:, axis][None], np.eye(3, dtype=np.float32)) for axis in range(3)])

    def pose(self, lids_pose: tuple[float, float, float], means: np.ndarray, factors: np.ndarray | None) -> None:
        """Write the block as posed; lids_pose yaw, pitch (radians) and blink."""
        travel = np.stack(self._points.travel(*lids_pose)).reshape(3, -1, len(self._rest.means))   # (axis, point, n)
        means[self.rows] = self._rest.means + travel[:, 0].T @ self._frame.T
        if factors is None:
            return
        change = travel[:, 1:] - travel[:, :1]
        now = (self._rest.factors.reshape(-1, 9) + change.reshape(9, -1).T @ self._to_portrait).reshape(-1, 3, 3)
        length = np.square(self._local + change).sum(0)
        if (over := length > self._allowed).any():
            sigma, which = np.nonzero(over)
            now[which, :, sigma] *= np.sqrt(self._allowed[over] / length[over])[:, None]
        factors[self.rows] = now


@dataclass(frozen=True)
class _Shape:
    """Means (n, 3) and factors (n, 3, 3), None where only positions are asked for."""

    means: np.ndarray
    factors: np.ndarray | None


def _dilated(rig: EyeRig, shape: _Shape, pupil: float) -> _Shape:
    """Return the splats of an iris with another pupil; factors follow by the secant over one sigma, as everywhere."""
    moved = dilate(rig, shape.means, pupil).astype(np.float32)
    if shape.factors is None:
        return _Shape(moved, None)
    factors = np.empty_like(shape.factors)
    for k in range(3):
        column = dilate(rig, shape.means + shape.factors[:, :, k], pupil) - moved
        allowed = STRETCH_LIMIT * np.linalg.norm(shape.factors[:, :, k], axis=1, keepdims=True)
        factors[:, :, k] = column * np.minimum(1.0, allowed / np.maximum(np.linalg.norm(column, axis=1, keepdims=True), 1e-12))
    return _Shape(moved, factors)


def _blocks(rows: np.ndarray) -> list[Rows]:
    """Return ascending rows (K,) in pieces; a piece without gaps as a slice, which is read and written several times as fast."""
    pieces = [rows[first:first + BLOCK] for first in range(0, len(rows), BLOCK)]
    return [slice(int(piece[0]), int(piece[-1]) + 1) if piece[-1] - piece[0] + 1 == len(piece) else piece for piece in pieces]
