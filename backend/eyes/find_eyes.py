# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds sub-pixel lid curves and irises in a photo.

Landmarks are good to about 0.2 iris radii; eyes need a tenth of that. Lids are fitted before irises, because
lash-to-skin steps otherwise capture the iris circle.
"""
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy.optimize import minimize

from .contour import TERMS, EyeContour, LidContour, sample
from .limbus import measure_limbus

# MediaPipe face-mesh indices from the outer to the inner corner; left and right are the subject's.
UPPER_INDICES = {"right": (33, 246, 161, 160, 159, 158, 157, 173, 133), "left": (263, 466, 388, 387, 386, 385, 384, 398, 362)}
LOWER_INDICES = {"right": (33, 7, 163, 144, 145, 153, 154, 155, 133), "left": (263, 249, 390, 373, 374, 380, 381, 382, 362)}
IRIS_INDICES = {"right": (468, 469, 470, 471, 472), "left": (473, 474, 475, 476, 477)}
_RIDGE = np.diag([0.0, 1e-3, 3e-3, 0.03, 0.1])   # higher sine terms need evidence


def find_eyes(image: np.ndarray, landmarks_px: np.ndarray) -> dict[str, EyeContour]:
    """Fit both eyes of an sRGB image (H, W, 3) from landmarks (478, 3); both share one iris radius."""
    grey = cv2.GaussianBlur(cv2.cvtColor(np.ascontiguousarray(image, np.float32), cv2.COLOR_RGB2GRAY), (0, 0), 0.4)
    p = landmarks_px[:, :2]
    rough = {side: _landmark_iris(p, side) for side in UPPER_INDICES}
    lids, irises = {}, {}
    for side, (centre, radius) in rough.items():
        lids[side] = fit_lids(grey, lids_from_landmarks(p, side), radius, centre)
        irises[side] = fit_iris(grey, lids[side], centre, radius)
    # Both irises are one size: the worse one is fitted again with the better one's radius.
    better = min(irises, key=lambda side: irises[side][3])
    worse = "right" if better == "left" else "left"
    radius = irises[better][2]
    centre = rough[worse][0]
    if abs(rough[worse][1] / radius - 1.0) > _RADIUS_TELLS:
        lids[worse] = fit_lids(grey, lids_from_landmarks(p, worse), radius, centre)
    irises[worse] = fit_iris(grey, lids[worse], centre, radius, radius_weight=30.0)
    for side, found in irises.items():
        irises[side] = fit_iris(grey, lids[side], found[:2], found[2], radius_weight=6.0, clip=0.45, shifts=(0.0,))
    radius = float(np.mean([found[2] for found in irises.values()]))
    for side, found in irises.items():
        irises[side] = fit_iris(grey, lids[side], found[:2], radius, radius_weight=60.0, clip=0.45, shifts=(0.0,))
    eyes = {side: EyeContour(lids[side], found[:2], radius, float(-found[3])) for side, found in irises.items()}
    return measure_limbus(grey, {side: clear_of_shade(grey, clear_of_iris(grey, eye)) for side, eye in eyes.items()})


def lids_from_landmarks(points_px: np.ndarray, side: str) -> LidContour:
    """Return the contour that landmarks (478, 2) alone give."""
    upper, lower = points_px[list(UPPER_INDICES[side])], points_px[list(LOWER_INDICES[side])]
    return _contour_through(upper[-1], upper[0], upper, lower)


def _landmark_iris(points_px: np.ndarray, side: str) -> tuple[np.ndarray, float]:
    centre, *ring = (points_px[i] for i in IRIS_INDICES[side])
    radius = (np.linalg.norm(ring[0] - ring[2]) + np.linalg.norm(ring[1] - ring[3])) / 4
    return centre, float(radius)


def _contour_through(inner: np.ndarray, outer: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> LidContour:
    """Return the smooth contour with the given corners through margin points (N, 2)."""
    along = outer - inner
    width = float(np.linalg.norm(along))
    along = along / width
    up = np.array([along[1], -along[0]])
    if (upper - lower).mean(0) @ up < 0:
        up = -up
    frame = LidContour(inner, along, up, width, np.zeros(TERMS), np.zeros(TERMS))

    def series(points: np.ndarray) -> np.ndarray:
        local = frame.to_local(points)
        t = np.arccos(np.clip(1.0 - 2.0 * local[:, 0] / width, -1.0, 1.0))
        basis = np.stack([np.sin(n * t) for n in range(1, TERMS + 1)], 1)
        return np.linalg.solve(basis.T @ basis + _RIDGE, basis.T @ local[:, 1])

    return LidContour(inner, along, up, width, series(upper), series(lower))


# Prior widths of the lid fit in iris radii: corners across the line, then sine terms 1..4 of each lid.
_TERM_PRIOR = np.array([2.0, 1.0, 0.15, 0.05])
_CORNER_PRIOR = 0.4
_SHAPE_PRIOR = 0.35
_INNER_SLIDE = 0.35      # MediaPipe's inner corner includes the caruncle: the globe's corner lies this far inside
_WALL = 0.3
_RADIUS_TELLS = 0.04     # the lid fit counts in iris radii: nearer to the truth than this, another fit finds the same


def fit_lids(grey: np.ndarray, start: LidContour, radius_px: float, iris_px: np.ndarray) -> LidContour:
    """Move corners and margins to the strongest dark-to-bright step from lash line to globe."""
    t = np.linspace(0.12, np.pi - 0.12, 90)
    basis = np.stack([np.sin(n * t) for n in range(1, TERMS + 1)])
    upper_start, lower_start = start.upper @ basis, start.lower @ basis
    iris_x = start.to_local(np.asarray(iris_px))[0]
    h = 0.09 * radius_px
    bow, widths = (1.0 - np.cos(t)) / 2.0, np.tile(_TERM_PRIOR, 2)

    def shape(q):
        inner, outer = q[0] * radius_px, q[1] * radius_px
        x = inner + bow * (start.width_px + outer - inner)
        line = (q[2] * (1.0 - t / np.pi) + q[3] * t / np.pi) * radius_px
        upper = upper_start + radius_px * (q[4:8] @ basis[:4]) + line
        lower = lower_start + radius_px * (q[8:12] @ basis[:4]) + line
        return x, upper, lower

    offsets = np.array([-1.0, -3.0, 1.0])[:, None, None] * h * np.array([1.0, -1.0])[:, None]     # (3 places, 2 margins, 1)

    def steps(x, upper, lower):
        """Brightness steps (2, n) from the opening outwards across both margins."""
        y = np.stack([upper, lower])
        dx, dy = _slope(x), _slope(y)
        length = np.sqrt(dx * dx + dy * dy) + 1e-9
        px, py = x - offsets * (dy / length), y + offsets * (dx / length)
        # One look-up for all: calls cost more than pixels here.
        u = start.origin[0] + px * start.along[0] + py * start.up[0]
        v = start.origin[1] + px * start.along[1] + py * start.up[1]
        light = cv2.remap(grey, u.reshape(6, -1).astype(np.float32) - 0.5, v.reshape(6, -1).astype(np.float32) - 0.5, cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REPLICATE).reshape(3, 2, -1)
        step = 0.7 * light[0] + 0.3 * light[1] - light[2]
        # Within the iris a bright-to-dark step says nothing about the lid.
        return np.where(np.abs(x - iris_x) < 0.95 * radius_px, np.maximum(step, 0.0), step)

    def cost(q):
        x, upper, lower = shape(q)
        evidence = 2.0 * np.minimum(np.maximum(steps(x, upper, lower), -0.15), 0.35).mean()
        prior = 0.03 * (q[0] - _INNER_SLIDE) ** 2 + 0.05 * q[1] ** 2 + _CORNER_PRIOR * (q[2] ** 2 + q[3] ** 2)
        prior += _SHAPE_PRIOR * ((q[4:12] / widths) ** 2).sum()
        wall = np.maximum(0.2 - (upper - lower)[10:-10] / radius_px, 0.0).sum() + 4.0 * np.maximum(np.abs(q[4:]) - _WALL, 0.0).sum()
        return prior + wall - evidence

    found = None
    for inner in (0.0, 0.4):
        q0 = np.zeros(12)
        q0[0] = inner
        simplex = np.vstack([q0, q0 + 0.12 * np.eye(12)])
        result = minimize(cost, q0, method="Nelder-Mead", options={"maxfev": 2500, "xatol": 0.003, "fatol": 1e-6,
                                                                   "adaptive": True, "initial_simplex": simplex})
        if found is None or result.fun < found.fun:
            found = result
    q = found.x
    x, upper, lower = shape(q)
    inner = start.to_image(np.array([q[0] * radius_px, q[2] * radius_px]))
    outer = start.to_image(np.array([start.width_px + q[1] * radius_px, q[3] * radius_px]))
    ends = np.stack([inner, outer])
    margins = [np.vstack([ends[:1], start.to_image(np.stack([x, y], -1)), ends[1:]]) for y in (upper, lower)]
    return _contour_through(inner, outer, *margins)


# How far below the margin more iris is looked for, and how alike it must be to the iris above, of the step to what follows.
_MOST_LOWERED = 0.3
_LEAST_LOWERED = 0.05
_LEAST_LOWER_STEP = 0.05
_ALIKE = 0.5
_DARKER = 0.15                 # made-up rims are darker than an iris


def clear_of_iris(grey: np.ndarray, eye: EyeContour) -> EyeContour:
    """Return the eye with its lower margin lowered to where the iris ends, if the photo shows more of it below the margin.

    The fit looks for lids darker than the globe. In shade a lower lid's wet edge is brighter than the iris, and a margin
    taken too high leaves a sliver of iris on the lid, which stays when the eye shuts.
    """
    r, lids = eye.radius_px, eye.lids
    centre = lids.to_local(eye.iris_px)
    x = centre[0] + np.linspace(-0.5, 0.5, 21) * r
    down = np.arange(-0.3, _MOST_LOWERED + 0.2, 0.02)
    local = np.stack(np.broadcast_arrays(x, lids.lower_at(x) - down[:, None] * r), -1)
    light = sample(grey, lids.to_image(local).reshape(-1, 2)).reshape(len(down), -1).mean(1)
    iris = np.median(light[down < -0.08])
    inside, outside = (np.convolve(light, np.ones(5) / 5.0, mode="same")[4 + shift:len(light) - 4 + shift] for shift in (-3, 3))
    at, step = down[4:-4], outside - inside
    allowed = (at >= _LEAST_LOWERED) & (at <= _MOST_LOWERED)
    # Well within the iris: near its rim what is dark may be the roots of lashes.
    allowed &= lids.lower_at(centre[:1])[0] - at * r > centre[1] - 0.9 * r
    if not allowed.any():
        return eye
    best = int(np.argmax(np.where(allowed, step, -1.0)))
    between = (light[(down > -0.06) & (down < at[best] - 0.04)] - iris) / max(float(outside[best] - iris), 1e-3)
    if step[best] < _LEAST_LOWER_STEP or between.max(initial=0.0) > _ALIKE or between.min(initial=0.0) < -_DARKER:
        return eye
    sin_t = np.sin(np.arccos(np.clip(1.0 - 2.0 * centre[0] / lids.width_px, -1.0, 1.0)))
    lowered = lids.lower - np.eye(TERMS)[0] * at[best] * r / max(float(sin_t), 0.5)
    return replace(eye, lids=replace(lids, lower=lowered))


# How far above the margin its dark line is looked for and how far the margin may rise, in iris radii.
_LINE_ABOVE, _MOST_RAISED = 0.5, 0.3
_LINE_LEVEL = 0.3              # of the way from the line to what lies inside: a lid's shade on the globe is brighter
_LEAST_LINE_STEP = 0.12
_RAISE_RIDGE = np.diag([0.01, 0.1])


def clear_of_shade(grey: np.ndarray, eye: EyeContour) -> EyeContour:
    """Return the eye with its upper margin raised to where the line of lash roots begins, if the photo shows globe in shade below that.

    Lit from one side, a lid casts a soft shadow on the globe, whose edge the fit takes for the lid's as readily. What lies between
    would be white on the lid, which stays there when eyes turn or shut.
    """
    r, lids = eye.radius_px, eye.lids
    share = np.linspace(0.06, 0.94, 45)
    up = np.arange(-0.3, _LINE_ABOVE + 0.01, 0.02)
    x = share * lids.width_px
    local = np.stack(np.broadcast_arrays(x, lids.upper_at(x) + up[:, None] * r), -1)
    light = sample(grey, lids.to_image(local).reshape(-1, 2)).reshape(len(up), -1)
    light = cv2.GaussianBlur(light.astype(np.float32), (3, 1), 1.0, borderType=cv2.BORDER_REPLICATE)
    inside, above = light[up < -0.12].mean(0), light[up >= -0.1]
    line = above.min(0)
    reached = np.argmax(above <= line + _LINE_LEVEL * (inside - line), axis=0)
    rise = np.clip(up[up >= -0.1][reached], 0.0, _MOST_RAISED)
    told = (inside - line > _LEAST_LINE_STEP).astype(float)
    t = np.arccos(1.0 - 2.0 * share)
    basis = np.stack([np.sin(t), np.sin(2.0 * t)], 1)
    found = np.linalg.solve(basis.T @ (told[:, None] * basis) + len(x) * _RAISE_RIDGE, basis.T @ (told * rise))
    return replace(eye, lids=replace(lids, upper=lids.upper + r * np.pad(found, (0, TERMS - 2))))


def _slope(values: np.ndarray) -> np.ndarray:
    """Central differences along the last axis, as numpy.gradient takes them, at a fraction of its cost."""
    slope = np.empty_like(values)
    slope[..., 1:-1] = 0.5 * (values[..., 2:] - values[..., :-2])
    slope[..., 0], slope[..., -1] = values[..., 1] - values[..., 0], values[..., -1] - values[..., -2]
    return slope


def fit_iris(grey: np.ndarray, lids: LidContour, centre_px: np.ndarray, radius_px: float, radius_weight: float | None = None,
             clip: float = 0.3, shifts: tuple[float, ...] = (-0.2, 0.0, 0.2)) -> np.ndarray:
    """Daugman's integro-differential operator on the visible arc: returns (x, y, radius, cost)."""
    angle = np.linspace(0.0, 2.0 * np.pi, 128, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)

    def cost(q):
        edge = q[:2] + q[2] * circle
        local = lids.to_local(edge)
        x, y = local.T
        visible = ((y < lids.upper_at(x) - 0.10 * radius_px) & (y > lids.lower_at(x) + 0.06 * radius_px)
                   & (x > 0.0) & (x < lids.width_px))
        if visible.sum() < 16:
            return 9.0
        c = circle[visible]
        value = 0.0
        for d in (0.08 * radius_px, 0.16 * radius_px):
            step = sample(grey, q[:2] + (q[2] + d) * c) - sample(grey, q[:2] + (q[2] - d) * c)
            value += np.clip(step, -0.05, clip).mean()
        moved = ((q[:2] - centre_px) ** 2).sum() / radius_px ** 2
        return -value + 0.04 * moved + (radius_weight or 3.0) * np.log(max(q[2], 1e-3) / radius_px) ** 2

    best = None
    for shift in shifts:
        for scale in ((0.88, 1.0, 1.1) if radius_weight is None else (1.0,)):
            q0 = np.array([centre_px[0] + shift * radius_px, centre_px[1], radius_px * scale])
            simplex = q0 + np.vstack([np.zeros(3), np.diag([0.1, 0.1, 0.06 * scale]) * radius_px])
            result = minimize(cost, q0, method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-5, "initial_simplex": simplex})
            if best is None or result.fun < best.fun:
                best = result
    return np.append(best.x, best.fun)
