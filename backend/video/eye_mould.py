# SPDX-License-Identifier: GPL-3.0-or-later
"""What may change about one built eye without its coming apart: a few numbers, and what they do to its splats and its rig.

A photo does not show how deep the lids lie at the corners, nor exactly where the globe is; a clip does. So the lids are bent by a
coarse net over their own coordinates (along the opening, away from the margin), mostly along the photo's rays, which leaves the
photo's view as it is; the globe moves and turns as one piece. No splat moves by itself: an eye that fits still turns and shuts.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import sparse

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.pose import PosedSplats
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..eyes.geometry import from_eye, to_eye, with_margins

# The net's knots: shares of the opening from the inner to the outer corner, and shares of the skin that moves, from the margin.
ALONG = np.array([-0.35, -0.12, 0.04, 0.2, 0.35, 0.5, 0.65, 0.8, 0.96, 1.12, 1.35])
AWAY = np.array([0.0, 0.35, 1.0])
KNOTS = 2 * len(AWAY) * len(ALONG)      # the upper lid's, then the lower's
# How far knots go from where they were built and from their neighbours, before it has to be worth it; metres along the rays, and across.
FAR_M, APART_M = (6e-3, 0.6e-3), (2e-3, 0.25e-3)
SHIFT_M, TURN_RAD, ROLL_RAD, LASH = 2e-3, 0.03, 0.003, 0.3
STIFFNESS = 0.02
CLEAR_M = 0.0004             # lids keep this far before the globe wherever they come to lie, or it would show through them
BARRIER = 5e3                # of what is beyond that, a splat
COVERS = (0.15, 1.05)        # between these shares of the opening a shut upper lid comes to lie over the lower one
LASH_RANGE = (-0.12, 0.5)    # lashes between 21 and 33 degrees: steeper ones would be seen end-on when the lid is shut, and hardly show


@dataclass(frozen=True)
class Shape:
    """The numbers, float32; changed in place by whoever fits them.

    along_ray (KNOTS, 1) and across (KNOTS, 2) metres, the eye frame's x and y; shift (3,) metres and turn (3,) radians, a rotation
    vector about the globe's centre, portrait frame; lash (1,), by which the lashes stand off further, as a share
    """

    along_ray: np.ndarray
    across: np.ndarray
    shift: np.ndarray
    turn: np.ndarray
    lash: np.ndarray

    @classmethod
    def as_built(cls) -> Shape:
        """Return the shape that changes nothing."""
        return cls(*(np.zeros(size, np.float32) for size in ((KNOTS, 1), (KNOTS, 2), 3, 3, 1)))

    def net(self) -> np.ndarray:
        """Return the knots' moves (KNOTS, 3): along the ray, x, y."""
        return np.hstack([self.along_ray, self.across])


class Mould:
    """One eye's splats among N as built, and what a Shape makes of them. ``eye_point_m`` (3,) is the photo's camera, portrait frame."""

    def __init__(self, side: str, rest: PosedSplats, rig: EyeRig, eye_point_m: np.ndarray) -> None:
        self.rows = np.flatnonzero(rest.groups // 10 == parts.SIDES[side])
        self.parts = rest.groups[self.rows] % 10
        self.rig, self._eye_point, self._frame = rig, np.asarray(eye_point_m), np.asarray(rig.frame, np.float32)
        self._means, self._factors = rest.means[self.rows], rest.factors[self.rows]
        self._lid = np.isin(self.parts, parts.LID_PARTS)
        part, points, factors = self.parts[self._lid], self._means[self._lid], self._factors[self._lid]
        upper = np.isin(part, (parts.UPPER_LID, parts.UPPER_LASH, parts.UPPER_SHADE))
        q = to_eye(rig, points)
        self._weights = net_weights(rig, q, upper)
        # A splat is bent with what lies one sigma away along each of its axes.
        self._bends = [net_weights(rig, to_eye(rig, points + factors[:, :, k]), upper) - self._weights for k in range(3)]
        self._rays = self._rays_to(points)
        edge = np.minimum(q[:, 1], lids.margins(rig, q[:, 0], 0.0, 0.0, 0.0).upper_rest)
        stands = np.maximum(q[:, 2] - lids.lid_height(rig, q[:, 0], edge), 0.0)
        self._room = _room(rig, q, np.where(upper, -1.0, 1.0), part != parts.UPPER_LASH)
        standing = np.where(np.isin(part, (parts.UPPER_LASH, parts.UPPER_SHADE)), stands, 0.0)[:, None]
        self._stands_off = (standing * self._frame[:, 2]).astype(np.float32)

    def _rays_to(self, points: np.ndarray) -> np.ndarray:
        rays = points - self._eye_point
        return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)

    def _moves(self, weights: sparse.csr_matrix, shape: Shape, rays: np.ndarray) -> np.ndarray:
        net = weights @ shape.net()
        return net[:, :1] * rays + net[:, 1:] @ self._frame[:, :2].T

    def shaped(self, shape: Shape, glance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means (E, 3) and factors (E, 3, 3) of the eye's splats, the globe turned by ``glance`` (3,), radians, besides."""
        means, factors = self._means.copy(), self._factors.copy()
        means[self._lid] += self._moves(self._weights, shape, self._rays) + shape.lash * self._stands_off
        bent = factors[self._lid]
        for k, bend in enumerate(self._bends):
            bent[:, :, k] += self._moves(bend, shape, self._rays)
        factors[self._lid] = bent
        turn, centre = _rotation(shape.turn + glance), np.asarray(self.rig.centre_m, np.float32)
        means[~self._lid] = (means[~self._lid] - centre) @ turn.T + centre + shape.shift
        factors[~self._lid] = turn @ factors[~self._lid]
        return means, factors

    def gradient(self, shape: Shape, means: np.ndarray, d_means: np.ndarray, d_factors: np.ndarray) -> Shape:
        """Return a loss's gradient by the shape, from those by means (E, 3) and factors (E, 3, 3) as ``shaped`` returned them.

        What turning does to the globe's factors is left out: it is small beside what it does to the means.
        """
        lid, globe = d_means[self._lid], d_means[~self._lid]
        net = self._weights.T @ self._in_net(lid)
        for k, bend in enumerate(self._bends):
            net = net + bend.T @ self._in_net(d_factors[self._lid][:, :, k])
        arms = means[~self._lid] - np.asarray(self.rig.centre_m, np.float32) - shape.shift
        return Shape(*(np.asarray(a, np.float32) for a in (net[:, :1], net[:, 1:], globe.sum(0), np.cross(arms, globe).sum(0),
                                                          [(lid * self._stands_off).sum()])))

    def barrier(self, shape: Shape) -> np.ndarray:
        """Return the gradient by ``along_ray`` of what keeps the lids before the globe."""
        back = (self._weights @ shape.along_ray)[:, 0] + self._frame[:, 2] @ shape.shift
        return self._weights.T @ (BARRIER * np.maximum(back - self._room, 0.0))[:, None].astype(np.float32)

    @staticmethod
    def lead_m(shape: Shape) -> float:
        """Return how far the upper lid has to come forward as it shuts, or the lower one would hide its lashes: metres.

        It was built so that it lies before all that it comes to cover. Open eyes, of which the views are, often have it further back.
        """
        along = shape.along_ray.reshape(2, len(AWAY), len(ALONG))[:, :, (COVERS[0] < ALONG) & (COVERS[1] > ALONG)]
        lower = np.minimum(along[1, 0], 0.5 * (along[1, 0] + along[1, 1]))
        return max(0.0, float((along[0, 0] - lower).max()))

    def _in_net(self, vectors: np.ndarray) -> np.ndarray:
        return np.hstack([(vectors * self._rays).sum(1, keepdims=True), vectors @ self._frame[:, :2]])

    def shaped_rig(self, shape: Shape) -> EyeRig:
        """Return the rig of the eye in this shape."""
        rig, turn = self.rig, _rotation(shape.turn).astype(float)
        centre, shift = np.asarray(rig.centre_m), shape.shift.astype(float)
        x = np.linspace(rig.inner_x_m, rig.outer_x_m, 121)
        rest = lids.margins(rig, x, 0.0, 0.0, 0.0)
        margins = []
        for y, upper in ((rest.upper_rest, True), (rest.lower_rest, False)):
            q = np.stack([x, y, lids.lid_height(rig, x, y)], 1)
            points = from_eye(rig, q)
            margins.append(points + self._moves(net_weights(rig, q, np.full(len(q), upper)), shape, self._rays_to(points)))

        def moved(point: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(map(float, turn @ (np.asarray(point) - centre) + centre + shift))

        new = replace(rig, centre_m=moved(rig.centre_m), rest_axis=tuple(map(float, turn @ np.asarray(rig.rest_axis))),
                      pivot_yaw_m=moved(rig.pivot_yaw_m), pivot_pitch_m=moved(rig.pivot_pitch_m), iris_centre_m=moved(rig.iris_centre_m),
                      lead_m=self.lead_m(shape),
                      lash_angle_deg=float(np.degrees(np.arctan(np.tan(np.radians(rig.lash_angle_deg)) / (1.0 + shape.lash[0])))))
        upper, lower = (to_eye(new, points) for points in margins)
        corners = 0.5 * (upper[[0, -1]] + lower[[0, -1]])
        new = replace(new, inner_x_m=float(corners[0, 0]), outer_x_m=float(corners[1, 0]), corner_y_m=float(corners[:, 1].mean()))
        return with_margins(new, upper, lower)


def net_weights(rig: EyeRig, q: np.ndarray, upper: np.ndarray) -> sparse.csr_matrix:
    """Return how much each knot moves points q (N, 3) of the eye frame, (N, KNOTS); ``upper`` (N,) bool says whose lid they are."""
    rest = lids.margins(rig, q[:, 0], 0.0, 0.0, 0.0)
    away = np.where(upper, (q[:, 1] - rest.upper_rest) / rig.upper_reach_m, (rest.lower_rest - q[:, 1]) / rig.lower_reach_m)
    (j, f), (k, g) = _between(ALONG, lids.opening_share(rig, q[:, 0])), _between(AWAY, away)
    first = (np.where(upper, 0, len(AWAY)) + k) * len(ALONG) + j
    knots = np.concatenate([first, first + 1, first + len(ALONG), first + len(ALONG) + 1])
    weights = np.concatenate([(1.0 - g) * (1.0 - f), (1.0 - g) * f, g * (1.0 - f), g * f]).astype(np.float32)
    return sparse.csr_matrix((weights, (np.tile(np.arange(len(q)), 4), knots)), (len(q), KNOTS))


def _room(rig: EyeRig, q: np.ndarray, down: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Return how far back points q (N, 3) of the lids may go, metres: a lid keeps its distance from the lids' sphere when it shuts.

    ``down`` (N,) is -1 where a lid comes down and 1 where it comes up. What is no ``skin`` (N,) bool, or lies behind the margins,
    may go anywhere.
    """
    rest = lids.margins(rig, q[:, 0], 0.0, 0.0, 0.0)
    behind = np.where(down < 0.0, rest.upper_rest - q[:, 1], q[:, 1] - rest.lower_rest) > CLEAR_M
    # Nowhere on its way is a lid nearer to the globe than half way up it, and nowhere does the globe stand out more than at the cornea.
    bulge = np.hypot(rig.iris_radius_m, rig.lever_yaw_m) - rig.globe_radius_m
    radius = rig.globe_radius_m + bulge * (1.0 - lids.smoothstep(1.4, 2.2, np.abs(q[:, 0]) / rig.iris_radius_m))
    y = np.where(down * q[:, 1] > 0.0, q[:, 1], 0.0)
    globe = np.sqrt(np.maximum(radius ** 2 - q[:, 0] ** 2 - y ** 2, 0.0))
    room = lids.lid_height(rig, q[:, 0], y) - globe - CLEAR_M + np.maximum(q[:, 2] - lids.lid_height(rig, q[:, 0], q[:, 1]), 0.0)
    return np.where(skin & ~behind & (globe > 0.0), np.maximum(room, 0.0), np.inf)


def _between(knots: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the knot before each x (N,) and the share of the way to the next; beyond the ends, the ends."""
    x = np.clip(x, knots[0], knots[-1])
    before = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    return before, (x - knots[before]) / (knots[before + 1] - knots[before])


def _links() -> sparse.csr_matrix:
    """Return (links, KNOTS), the differences of neighbours; along the margins, which meet, both lids are neighbours."""
    index = np.arange(KNOTS).reshape(2, len(AWAY), len(ALONG))
    pairs = ((index[..., :-1], index[..., 1:]), (index[:, :-1], index[:, 1:]), (index[0, 0], index[1, 0]))
    a, b = (np.concatenate([pair[end].ravel() for pair in pairs]) for end in (0, 1))
    rows = np.arange(len(a))
    return sparse.csr_matrix((np.repeat([1.0, -1.0], len(a)), (np.tile(rows, 2), np.concatenate([a, b]))), (len(a), KNOTS))


_LINKS = _links()


def stiffness(shape: Shape) -> Shape:
    """Return the gradient of what holds a shape back: springs to where it was built, and between neighbouring knots."""
    def springs(knots: np.ndarray, far: float, apart: float) -> np.ndarray:
        return knots / far ** 2 + _LINKS.T @ (_LINKS @ knots) / apart ** 2

    turn = shape.turn / np.array([TURN_RAD, ROLL_RAD, TURN_RAD]) ** 2       # a turn about the line of sight is no gaze
    held = (springs(shape.along_ray, FAR_M[0], APART_M[0]), springs(shape.across, FAR_M[1], APART_M[1]), shape.shift / SHIFT_M ** 2,
            turn, shape.lash / LASH ** 2)
    return Shape(*(np.asarray(STIFFNESS * a, np.float32) for a in held))


def _rotation(vector: np.ndarray) -> np.ndarray:
    return cv2.Rodrigues(np.asarray(vector, float))[0].astype(np.float32)
