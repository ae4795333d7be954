# SPDX-License-Identifier: GPL-3.0-or-later
"""The eyeball: a complete globe of splats from the part of it that one photo shows.

The photo's colour is split into what turns with the globe (iris, veins), what stays with the socket (light along the
opening), what moves with the lids (their shadow) and what stays with the light (the corneal highlight).
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.globe import shading_terms
from ...gazesplat_addon.rig.sidecar import EyeRig
from ..model.scan import FaceScan
from .contour import EyeContour, sample
from .geometry import eye_rays, to_eye
from .margin import without_specks
from .surfels import OPAQUE, Layer, layered_opacity, surfels

SCLERA_END_DEG = 105.0        # the globe is complete enough for every allowed rotation
MOST_RINGS = 48               # of the iris: 9,000 splats, a tenth of a millimetre each
FINE_END_DEG = 62.0           # what 35 deg of gaze can bring into the opening
COARSE_M = 0.0006             # cells beyond it; larger ones, which lids hide, reach before these where they turn away, and show
LIMBUS_END = 2.1              # the profile joins the scleral sphere at this many limbus angles
TEARS_IRIS_RADII = 0.3        # above the lower margin
HALO_IRIS_RADII = 0.08        # of a reflection, round it
HUE_TELLS = (0.12, 0.35)      # brightness from which on an iris' hue is its own at every point
CALM_SHARE = 0.12             # of its radius: over this much hue is evened out where it is darker
# Ridge of the shading fit per pixel: constant, x, x^2, height, two corners, two lid shadows.
_SHADE_RIDGE = np.array([1e-4, 0.02, 0.2, 0.05, 0.01, 0.01, 0.01, 0.01])


@dataclass(frozen=True)
class Opening:
    """Photo pixels inside one eye's opening, and where they lie on the globe."""

    pixels: np.ndarray     # (N, 2)
    colours: np.ndarray    # (N, 3)
    eye_points: np.ndarray  # (N, 3) on the globe, eye frame
    below_upper_px: np.ndarray
    above_lower_px: np.ndarray
    from_iris: np.ndarray  # distance from the iris centre in iris radii


def read_opening(scan: FaceScan, contour: EyeContour, rig: EyeRig) -> Opening:
    """Collect the photo's pixels between the lids of one eye."""
    c, r = contour.lids, contour.radius_px
    box = c.to_image(np.array([[0, -2 * r], [c.width_px, -2 * r], [0, 2 * r], [c.width_px, 2 * r]], float))
    low, high = np.floor(box.min(0)).astype(int), np.ceil(box.max(0)).astype(int)
    # Large photos need no more than about 40 samples an iris radius for smooth fields; small ones need more than their pixels.
    step = max(min(1.0, r / 8.0), r / 40.0)
    gx, gy = np.meshgrid(np.arange(low[0], high[0], step) + 0.5, np.arange(low[1], high[1], step) + 0.5)
    pixels = np.stack([gx.ravel(), gy.ravel()], 1)
    local = c.to_local(pixels)
    below, above = c.upper_at(local[:, 0]) - local[:, 1], local[:, 1] - c.lower_at(local[:, 0])
    inside = (local[:, 0] > 0.04 * r) & (local[:, 0] < c.width_px - 0.04 * r) & (below > 0.08 * r) & (above > 0.08 * r)
    pixels, below, above = pixels[inside], below[inside], above[inside]
    points = _on_globe(scan, rig, pixels)
    away = np.linalg.norm(pixels - contour.iris_px, axis=1) / r
    return Opening(pixels, sample(without_specks(scan.image, contour), pixels, cv2.INTER_LINEAR), points, below, above, away)


def fit_shading(rig: EyeRig, opening: Opening, radius_px: float) -> tuple[EyeRig, np.ndarray, np.ndarray]:
    """Fit the sclera's log colour; returns the rig with its shading, the base log colour (3,) and the residual (N, 3)."""
    terms = _shade_design(rig, opening.eye_points)
    luminance = opening.colours.mean(1)
    sclera = opening.from_iris > 1.13
    if sclera.sum() >= 12:
        sclera &= luminance <= np.percentile(luminance[sclera], 97)   # wet glints are not sclera
    log_colour = np.log(np.maximum(opening.colours, 0.02))
    if sclera.sum() < 12:
        # Too little sclera to fit: an even off-white as bright as the brightest the opening shows.
        base = np.log(np.full(3, max(0.3, float(np.percentile(luminance, 90)))) if len(luminance) else np.full(3, 0.6))
        return rig, base, np.zeros_like(log_colour)
    a, y = terms[sclera], log_colour[sclera]
    w = np.linalg.solve(a.T @ a + np.diag(_SHADE_RIDGE * sclera.sum()), a.T @ y)
    w[6:] = np.minimum(w[6:], 0.0)      # lids shade, they do not glow
    return replace(rig, shade=tuple(tuple(map(float, row)) for row in w[1:])), w[0], np.clip(log_colour - terms @ w, -0.7, 0.7)


def _shade_design(rig: EyeRig, q: np.ndarray) -> np.ndarray:
    m = lids.margins(rig, q[:, 0], 0.0, 0.0, 0.0)
    return np.hstack([np.ones((len(q), 1)), shading_terms(rig, q, m.upper, m.lower)])


def _on_globe(scan: FaceScan, rig: EyeRig, pixels: np.ndarray) -> np.ndarray:
    """Return eye-frame points (N, 3) where rays meet the globe of revolution about the rest axis."""
    origin, direction = eye_rays(scan, rig, pixels)
    axis = np.asarray(rig.frame).T @ np.asarray(rig.rest_axis)
    radius = np.full(len(direction), np.hypot(rig.iris_radius_m, rig.lever_yaw_m))
    point = np.zeros_like(direction)
    for _ in range(6):
        b = direction @ origin
        a = (direction ** 2).sum(1)
        disc = np.maximum(b * b - a * (origin @ origin - radius ** 2), 0.0)
        point = origin + direction * ((-b - np.sqrt(disc)) / a)[:, None]
        cosine = np.clip(point @ axis / np.maximum(np.linalg.norm(point, axis=1), 1e-9), -1.0, 1.0)
        radius = _profile(rig, np.arccos(cosine))
    return point


def _profile(rig: EyeRig, theta: np.ndarray) -> np.ndarray:
    """Globe radius (N,) at angle theta from the axis: the iris disc's edge, melting into the scleral sphere."""
    limbus = np.arctan2(rig.iris_radius_m, rig.lever_yaw_m)
    edge = np.hypot(rig.iris_radius_m, rig.lever_yaw_m)
    disc = rig.lever_yaw_m / np.maximum(np.cos(theta), 0.1)
    sphere = rig.globe_radius_m + (edge - rig.globe_radius_m) * (1.0 - lids.smoothstep(limbus, LIMBUS_END * limbus, theta))
    return np.where(theta < limbus, disc, sphere)


@dataclass(frozen=True)
class IrisTexture:
    """The unrolled iris without lid shadow and highlights: rows are radii, columns azimuths."""

    colours: np.ndarray     # (rings, spokes, 3)
    highlight: np.ndarray   # (rings, spokes) bool, where a reflection was taken out
    median: np.ndarray      # (rings, 3) radial median
    threshold: float        # brightness above the median that counts as reflection
    pupil_share: float      # pupil radius / iris radius


def unroll_iris(scan: FaceScan, contour: EyeContour, rig: EyeRig) -> IrisTexture:
    """Read the iris off the photo, take reflections out and fill hidden parts from the visible ones."""
    rings = int(np.clip(2.2 * contour.radius_px, 24, MOST_RINGS))
    spokes = 5 * rings
    rho = (np.arange(rings) + 0.5) / rings
    phi = np.arange(spokes) * 2.0 * np.pi / spokes
    disc = _disc_points(rig, rho, phi)
    pixels = scan.project(disc.reshape(-1, 3))
    local = contour.lids.to_local(pixels)
    r = contour.radius_px
    below = contour.lids.upper_at(local[:, 0]) - local[:, 1]
    above = local[:, 1] - contour.lids.lower_at(local[:, 0])
    visible = ((below > 0.14 * r) & (above > 0.10 * r) & (local[:, 0] > 0) & (local[:, 0] < contour.lids.width_px)).reshape(rings, spokes)
    # What is bright beside the lower lid are its tears, which stay with it.
    wet = (above < TEARS_IRIS_RADII * r).reshape(rings, spokes)
    shade = _lid_shadow(rig, to_eye(rig, disc.reshape(-1, 3)))
    texture = (sample(scan.image, pixels) / shade).reshape(rings, spokes, 3)

    median = _radial_median(texture, visible)
    light, light_median = texture.mean(-1), median.mean(-1)[:, None]
    spread = np.nanmedian(np.abs(np.where(visible, light - light_median, np.nan))) if visible.any() else 0.02
    threshold = max(4.0 * spread, 0.07)
    visible &= ~_grow(wet & (light > light_median + 0.4 * threshold), (3, 3))
    highlight = visible & (light > light_median + threshold) & (rho[:, None] < 0.97) & ~wet
    # A ring light defeats the radial median: reflections are bright and unsaturated at any radius.
    if visible.any():
        dark = np.percentile(light[visible], 30)
        grey = texture.max(-1) - texture.min(-1) < 0.35 * light
        bright = visible & ~wet & (light > max(2.2 * dark, dark + 0.22)) & grey & (rho[:, None] < 0.9)
        if bright.any():
            highlight |= bright
            median = _radial_median(texture, visible & ~_grow(highlight, (5, 7)))
    highlight = _grow(highlight, (3, 5))
    # Cameras sharpen: a reflection has a dark halo, which would stay in the iris as a ring.
    reach = round(HALO_IRIS_RADII * rings)
    colours = _complete(texture, visible & ~_grow(highlight, (2 * reach + 1, 4 * reach + 1)), median)
    return IrisTexture(_with_calm_hue(np.clip(colours, 0.0, 1.0)), highlight, median, float(threshold), _pupil_share(median, rho))


def _disc_points(rig: EyeRig, rho: np.ndarray, phi: np.ndarray) -> np.ndarray:
    g = rig.gaze_frame()
    spoke = np.cos(phi)[:, None] * g[:, 0] + np.sin(phi)[:, None] * g[:, 1]
    return np.asarray(rig.iris_centre_m) + rig.iris_radius_m * rho[:, None, None] * spoke[None]


def _lid_shadow(rig: EyeRig, q: np.ndarray) -> np.ndarray:
    """Return the factor (N, 3) by which both lids darken globe points at rest."""
    m = lids.margins(rig, q[:, 0], 0.0, 0.0, 0.0)
    return np.exp(shading_terms(rig, q, m.upper, m.lower)[:, 5:] @ np.asarray(rig.shade)[5:])


def _grow(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Dilate in (ring, spoke) space; spokes wrap round."""
    pad = size[1]
    wrapped = np.concatenate([mask[:, -pad:], mask, mask[:, :pad]], 1).astype(np.uint8)
    return cv2.dilate(wrapped, np.ones(size, np.uint8))[:, pad:-pad] > 0


def _radial_median(texture: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return the median colour (rings, 3) of visible texels; rings with too few are interpolated."""
    enough = visible.sum(1) > 8
    if not enough.any():
        return np.full((len(texture), 3), 0.15)
    masked = np.where(visible[enough][..., None], texture[enough], np.nan)
    rows = np.flatnonzero(enough)
    median = np.nanmedian(masked, axis=1)
    return np.stack([np.interp(np.arange(len(texture)), rows, median[:, k]) for k in range(3)], 1)


def _complete(texture: np.ndarray, seen: np.ndarray, median: np.ndarray) -> np.ndarray:
    """Fill unseen texels from the left-right mirror, then the up-down mirror, then the radial median."""
    spokes = texture.shape[1]
    filled, known = texture.copy(), seen.copy()
    for mirror in ((-np.arange(spokes) + spokes // 2) % spokes, (-np.arange(spokes)) % spokes):
        take = ~known & seen[:, mirror]
        filled[take] = texture[:, mirror][take]
        known |= take
    filled[~known] = np.broadcast_to(median[:, None], texture.shape)[~known]
    return filled


def _with_calm_hue(colours: np.ndarray) -> np.ndarray:
    """Return colours (rings, spokes, 3) of an iris with its hue evened out where it is dark: there it is noise, and shows as specks."""
    light = np.maximum(colours.mean(-1, keepdims=True), 1e-3)
    wrapped = np.concatenate([colours, colours, colours], 1).astype(np.float32)
    even = cv2.GaussianBlur(wrapped, (0, 0), sigmaX=CALM_SHARE * len(colours) * 5.0, sigmaY=CALM_SHARE * len(colours),
                            borderType=cv2.BORDER_REPLICATE)[:, colours.shape[1]:2 * colours.shape[1]]
    tone = even / np.maximum(even.mean(-1, keepdims=True), 1e-3)
    return light * tone + (colours - light * tone) * lids.smoothstep(*HUE_TELLS, light)


def _pupil_share(median: np.ndarray, rho: np.ndarray) -> float:
    """Return the radius of the steepest dark-to-bright step of the radial median between 0.2 and 0.65."""
    light = cv2.GaussianBlur(median.mean(1)[:, None], (1, 0), sigmaX=0.1, sigmaY=max(0.6, 0.03 * len(rho)))[:, 0] \
        if len(rho) > 8 else median.mean(1)
    slope = np.gradient(light, rho)
    search = (rho > 0.2) & (rho < 0.65)
    best = np.argmax(np.where(search, slope, -np.inf))
    return float(rho[best]) if slope[best] > 0.08 else 0.40


def build_globe(scan: FaceScan, contour: EyeContour, rig: EyeRig, side: str) -> tuple[EyeRig, list[Layer]]:
    """Return the rig with shading and pupil, and the layers iris, pupil, sclera and highlight of one eye."""
    opening = read_opening(scan, contour, rig)
    rig, base, residual = fit_shading(rig, opening, contour.radius_px)
    texture = unroll_iris(scan, contour, rig)
    rig = replace(rig, pupil_radius_m=texture.pupil_share * rig.iris_radius_m)
    layers = [_iris_layer(rig, texture, side), _sclera_layer(scan, contour, rig, texture, opening, base, residual, side)]
    reflection = _highlight_layer(scan, contour, rig, texture, side)
    return rig, layers + ([reflection] if reflection else [])


def _iris_layer(rig: EyeRig, texture: IrisTexture, side: str) -> Layer:
    rings, spokes = texture.colours.shape[:2]
    rho = (np.arange(rings) + 0.5) / rings
    phi = np.arange(spokes) * 2.0 * np.pi / spokes
    points = _disc_points(rig, rho, phi)
    outward = (points - np.asarray(rig.iris_centre_m)) / rho[:, None, None] / rings
    around = np.cross(rig.rest_axis, points - np.asarray(rig.iris_centre_m)) * (2.0 * np.pi / spokes)
    # Inner rings need fewer spokes: keep one in n so that cells stay about square.
    keep = np.zeros((rings, spokes), bool)
    every = np.maximum(1, np.floor(spokes / (2.0 * np.pi * rho * rings * 1.2))).astype(int)
    for ring in range(rings):
        keep[ring, :: every[ring]] = True
    around = around * every[:, None, None]
    flat = keep.ravel()
    q = to_eye(rig, points.reshape(-1, 3)[flat])
    colours = texture.colours.reshape(-1, 3)[flat] * _lid_shadow(rig, q)
    group = np.where(np.repeat(rho, spokes)[flat] < texture.pupil_share, parts.code(side, parts.PUPIL), parts.code(side, parts.IRIS))
    return surfels(points.reshape(-1, 3)[flat], outward.reshape(-1, 3)[flat], around.reshape(-1, 3)[flat], colours, OPAQUE, group)


def _sclera_layer(scan, contour, rig, texture, opening, base, residual, side) -> Layer:
    r_px = contour.radius_px
    limbus = np.arctan2(rig.iris_radius_m, rig.lever_yaw_m)
    cell = max(0.055 * rig.iris_radius_m, 0.22 * rig.iris_radius_m / r_px)
    fine = np.arange(limbus, np.radians(FINE_END_DEG), cell / rig.globe_radius_m)
    wide = min(2.5 * cell, max(cell, COARSE_M))
    coarse = np.arange(fine[-1] + 0.5 * (cell + wide) / rig.globe_radius_m, np.radians(SCLERA_END_DEG), wide / rig.globe_radius_m)
    theta = np.concatenate([fine, coarse])
    d_theta = np.concatenate([np.full(len(fine), cell), np.full(len(coarse), wide)]) / rig.globe_radius_m
    count = np.maximum(8, 2.0 * np.pi * np.sin(theta) / d_theta).astype(int)
    t, dt = np.repeat(theta, count), np.repeat(d_theta, count)
    start = np.repeat(np.cumsum(count) - count, count)
    phi = 2.0 * np.pi * (np.arange(len(t)) - start) / np.repeat(count, count)
    rho = _sclera_radius(rig, t)
    g, centre = rig.gaze_frame(), np.asarray(rig.centre_m)
    st, ct, sp, cp = np.sin(t), np.cos(t), np.sin(phi), np.cos(phi)
    points = centre + (rho[:, None] * np.stack([st * cp, st * sp, ct], 1)) @ g.T
    along = (rho * dt)[:, None] * np.stack([ct * cp, ct * sp, -st], 1) @ g.T
    around = (rho * st * 2.0 * np.pi / np.repeat(count, count))[:, None] * np.stack([-sp, cp, np.zeros_like(t)], 1) @ g.T
    q = to_eye(rig, points)
    weights = np.vstack([base, np.asarray(rig.shade)])
    log_colour = _shade_design(rig, q) @ weights + _spread_residual(contour, rig, opening, residual, scan.project(points))
    # The limbus is no line: the rim's colour fades into the sclera.
    rim = np.median(texture.colours[-3:].reshape(-1, 3), axis=0) * _lid_shadow(rig, q)
    share = 0.7 * np.exp(-(t - limbus) / (0.05 * limbus))[:, None]
    colours = np.clip(np.exp(log_colour) * (1.0 - share) + rim * share, 0.0, 1.0)
    return surfels(points, along, around, colours, OPAQUE, parts.code(side, parts.SCLERA))


def _sclera_radius(rig: EyeRig, theta: np.ndarray) -> np.ndarray:
    limbus = np.arctan2(rig.iris_radius_m, rig.lever_yaw_m)
    return _profile(rig, np.maximum(theta, limbus))


def _spread_residual(contour, rig, opening, residual, pixels) -> np.ndarray:
    """Carry the visible sclera's residual (veins, uneven colour) to splats at rest pixels (N, 2); 0 where unseen."""
    away = opening.from_iris
    weight = lids.smoothstep(1.04, 1.14, away)
    c, r = contour.lids, contour.radius_px
    scale = min(1.0, 40.0 / r)               # pixels of a small map, about 40 per iris radius at most
    local, target = c.to_local(opening.pixels) * scale, c.to_local(pixels) * scale
    size = np.array([c.width_px, 4.0 * r]) * scale
    shift = np.array([0.0, 2.0 * r]) * scale
    shape = (int(size[1]) + 2, int(size[0]) + 2)
    ij = np.clip((local + shift).astype(int), 0, np.array(shape)[::-1] - 1)
    total, mass = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    np.add.at(total, (ij[:, 1], ij[:, 0]), (residual * weight[:, None]).astype(np.float32))
    np.add.at(mass, (ij[:, 1], ij[:, 0]), weight.astype(np.float32))
    sigma = max(0.6, 0.07 * r * scale)
    total, mass = cv2.GaussianBlur(total, (0, 0), sigma), cv2.GaussianBlur(mass, (0, 0), sigma)
    spread = total / (mass + 0.05 * max(float(mass.max()), 1e-6))[..., None]
    inside = ((target + shift >= 0) & (target + shift < np.array(shape)[::-1] - 1)).all(1)
    out = np.zeros((len(pixels), 3))
    out[inside] = sample(spread, (target + shift)[inside] + 0.0, cv2.INTER_LINEAR)
    return out


def _highlight_layer(scan, contour, rig, texture, side) -> Layer | None:
    """Re-lay the reflection that was taken out of the iris as splats on the cornea."""
    r = contour.radius_px
    step = max(0.45, 0.045 * r)
    grid = np.arange(-1.2 * r, 1.2 * r, step)
    dx, dy = (v.ravel() for v in np.meshgrid(grid, grid))
    pixels = contour.iris_px + np.stack([dx, dy], 1)
    rho = np.hypot(dx, dy) / r
    local = contour.lids.to_local(pixels)
    below = contour.lids.upper_at(local[:, 0]) - local[:, 1]
    above = local[:, 1] - contour.lids.lower_at(local[:, 0])
    near = (rho < 0.93) & (below > 0.12 * r) & (above > 0.12 * r)
    pixels, rho, dx, dy = pixels[near], rho[near], dx[near], dy[near]
    rings, spokes = texture.highlight.shape
    # The texture's azimuth runs in the gaze frame (x to the subject's left, y up): image x right, y down.
    g = rig.gaze_frame()
    right, down = scan.portrait_to_camera[:3, :3] @ g[:, 0], scan.portrait_to_camera[:3, :3] @ g[:, 1]
    plane = np.linalg.solve(np.array([[right[0], down[0]], [right[1], down[1]]]), np.stack([dx, dy]))
    azimuth = np.mod(np.arctan2(plane[1], plane[0]), 2.0 * np.pi) / (2.0 * np.pi) * spokes
    found = sample(np.concatenate([texture.highlight, texture.highlight[:, :1]], 1).astype(np.float32),
                   np.stack([azimuth + 0.5, rho * rings], 1), cv2.INTER_LINEAR)
    q = to_eye(rig, np.asarray(rig.iris_centre_m) + (plane.T / r * rig.iris_radius_m) @ g[:, :2].T)
    model = np.stack([np.interp(rho * rings - 0.5, np.arange(rings), texture.median[:, k]) for k in range(3)], 1) * _lid_shadow(rig, q)
    excess = sample(scan.image, pixels).mean(1) - model.mean(1) - 0.5 * texture.threshold
    alpha = np.clip(excess / (1.0 - model.mean(1)), 0.0, 0.97) * np.clip(2.0 * found, 0.0, 1.0)
    keep = alpha > 0.02
    if keep.sum() < 3:
        return None
    depth = scan.to_camera(np.asarray(rig.iris_centre_m))[2] - 0.0009       # between iris and lid
    points = scan.to_portrait(scan.rays(pixels[keep]) * depth)
    edge = np.full(keep.sum(), step)
    metres = step * depth / scan.fx
    axes = scan.portrait_rotation
    edges = [np.broadcast_to(axes[:, k] * metres, (keep.sum(), 3)) for k in (0, 1)]
    opacity = np.clip(layered_opacity(alpha[keep], edge, edge), 0.0045, 0.98)
    return surfels(points, *edges, np.full((keep.sum(), 3), 0.97), opacity, parts.code(side, parts.HIGHLIGHT))
