# SPDX-License-Identifier: GPL-3.0-or-later
"""The readable rasteriser: float64 numpy, one splat after the other, front to back.

It states what a picture *is* (see docs/rendering.md). Everything fast is compared with it, so
clarity wins over speed here: the loop over splats is deliberate, and it suits small pictures.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .interface import Camera, Frame, Posed, RenderSettings, checked_arrays, matte_indices


@dataclass(frozen=True)
class Footprints:
    """Projected splats, in input order.

    centres_px (N, 2), covariances_px2 (N, 2, 2) with the low-pass, conics (N, 2, 2) their inverses,
    depths_m (N,), opacities (N,) after the antialiasing scale, drawn (N,) bool
    """

    centres_px: np.ndarray
    covariances_px2: np.ndarray
    conics: np.ndarray
    depths_m: np.ndarray
    opacities: np.ndarray
    drawn: np.ndarray


def project(means: np.ndarray, factors: np.ndarray, opacities: np.ndarray, camera: Camera,
            settings: RenderSettings) -> Footprints:
    """Project splats by EWA (Zwicker et al. 2001): the perspective map linearised at each centre.

    Slopes x/z, y/z at which it is linearised are clamped to ``camera.slope_limits``; centres are not.
    Splats in front of ``near_m``, below the alpha cut or not finite are marked as not drawn.
    """
    with np.errstate(all="ignore"):
        rotation, translation = camera.w2c[:3, :3], camera.w2c[:3, 3]
        x, y, z = (means @ rotation.T + translation).T
        jacobians = np.zeros((len(means), 2, 3))
        if camera.orthographic:
            centres = np.stack([camera.fx * x + camera.cx, camera.fy * y + camera.cy], 1)
            jacobians[:, 0, 0], jacobians[:, 1, 1] = camera.fx, camera.fy
        else:
            centres = np.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], 1)
            x_min, x_max, y_min, y_max = camera.slope_limits
            jacobians[:, 0, 0], jacobians[:, 1, 1] = camera.fx / z, camera.fy / z
            jacobians[:, 0, 2] = -camera.fx * np.clip(x / z, x_min, x_max) / z
            jacobians[:, 1, 2] = -camera.fy * np.clip(y / z, y_min, y_max) / z
        axes = jacobians @ rotation @ factors
        bare = axes @ axes.transpose(0, 2, 1)
        covariances = bare + settings.low_pass_px2 * np.eye(2)
        determinants = _determinants(covariances)
        opacities = np.minimum(opacities, 1.0)
        if settings.antialiased:
            opacities = opacities * np.sqrt(np.maximum(_determinants(bare), 0.0) / determinants)
        a, b, c = covariances[:, 0, 0], covariances[:, 0, 1], covariances[:, 1, 1]
        conics = np.stack([np.stack([c, -b], 1), np.stack([-b, a], 1)], 1) / determinants[:, None, None]
        finite = np.isfinite(conics).all((1, 2)) & np.isfinite(centres).all(1)
        drawn = finite & (z >= camera.near_m) & (opacities >= settings.alpha_cut) & (determinants > 0.0)
    return Footprints(centres, covariances, conics, z, opacities, drawn)


def render(posed: Posed, camera: Camera, settings: RenderSettings, *, depth: bool = False,
           mattes: Mapping[str, Sequence[int]] | None = None) -> Frame:
    """Draw posed splats; ``mattes`` maps names to group codes. ``settings.supersample`` must be 1."""
    means, factors, opacities, colours = checked_arrays(posed, np.float64)
    mattes = mattes or {}
    matte_of = matte_indices(posed.groups, mattes) if mattes else np.full(len(means), -1)
    footprints = project(means, factors, opacities, camera, settings)
    drawn = np.flatnonzero(footprints.drawn & np.isfinite(colours).all(1))
    order = drawn[np.argsort(footprints.depths_m[drawn], kind="stable")]

    height, width = camera.height, camera.width
    transmittance = np.ones((height, width))
    # Channels: red, green, blue, depth, one weight for each matte, and a last one nobody reads.
    sums = np.zeros((height, width, 5 + len(mattes)))
    for i in order:
        window = _window(footprints, i, width, height, settings.alpha_cut)
        if window is None:
            continue
        rows, columns = window
        dx = np.arange(columns.start, columns.stop) + 0.5 - footprints.centres_px[i, 0]
        dy = (np.arange(rows.start, rows.stop) + 0.5 - footprints.centres_px[i, 1])[:, None]
        (a, b), (_, c) = footprints.conics[i]
        power = -0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy)
        alpha = np.minimum(settings.alpha_cap, footprints.opacities[i] * np.exp(power))
        before = transmittance[rows, columns]
        alpha = np.where((alpha >= settings.alpha_cut) & (before > settings.transmittance_stop), alpha, 0.0)
        weight = alpha * before
        sums[rows, columns, :3] += weight[..., None] * colours[i]
        sums[rows, columns, 3] += weight * footprints.depths_m[i]
        sums[rows, columns, 4 + matte_of[i] if matte_of[i] >= 0 else -1] += weight
        transmittance[rows, columns] = before - weight

    alpha = 1.0 - transmittance
    depth_m = np.full((height, width), np.inf)
    np.divide(sums[..., 3], alpha, out=depth_m, where=alpha > 0.0)
    rgb = sums[..., :3] + transmittance[..., None] * np.asarray(settings.background)
    return Frame(rgb, alpha, depth_m if depth else None, {name: sums[..., 4 + k] for k, name in enumerate(mattes)})


def _determinants(matrices: np.ndarray) -> np.ndarray:
    return matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]


def _window(footprints: Footprints, i: int, width: int, height: int, alpha_cut: float) -> tuple[slice, slice] | None:
    """Return rows and columns that hold every pixel where splat i reaches the alpha cut, or None."""
    radius = np.sqrt(max(0.0, 2.0 * np.log(footprints.opacities[i] / alpha_cut)))
    half = radius * np.sqrt(np.diag(footprints.covariances_px2[i])) + 1.0
    low = np.maximum(np.floor(footprints.centres_px[i] - half), 0.0)
    high = np.minimum(np.ceil(footprints.centres_px[i] + half), (width, height))
    if (high <= low).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
