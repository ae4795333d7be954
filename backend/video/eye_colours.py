# SPDX-License-Identifier: GPL-3.0-or-later
"""Built lids and scleras learn from the other frames how they look from the side.

One frame gave them their texture. Their colours, and how these change with the direction of view, are fitted to every frame in
which the eyes are open and look the same way; where they are, and how they move, stays as built.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.pose import Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat import harmonics
from ...gazesplat_addon.splat.arrays import Splats
from ..render import Camera, RenderSettings
from ..render.numba_training import backward, forward
from .clip import Clip
from .eye_scan import OPEN_ENOUGH, gaze_beside_average

SWEEPS = 5
MOST_VIEWS = 16
RELAXATION = 1.5            # such iterations converge below 2
DAMPING = 0.3               # of the median weight: splats that hardly show learn little
SAME_GAZE_DEG = 6.0         # landmarks tell no better
LEAST_FACING = 0.5          # cosine between the face's forward and the camera: beyond 60 degrees an eye hides behind the nose
MARGIN_PX = 6
# Skin and sclera only: irises get stains where reflections wandered, which is a better figure and a worse look. Lashes may only become
# different from different sides, or they wash out to grey. Restored skin may hardly change, or it would glow when the lid comes down.
MOST_CHANGE_OF = {parts.UPPER_LID: 0.03, parts.LOWER_LID: 0.15, parts.SCLERA: 0.15, parts.UPPER_LASH: 0.0}
MOST_CHANGE_BY_SIDE = {parts.UPPER_LASH: 0.3}     # of harmonics, where it is not as above


@dataclass(frozen=True)
class EyeView:
    """The part of a frame that holds both eyes: image (H, W, 3) 0..1, mask (H, W), camera."""

    image: np.ndarray
    mask: np.ndarray
    camera: Camera


def eye_views(clip: Clip, frame: int, points_m: np.ndarray) -> list[EyeView]:
    """Return the frames with open eyes that look as in ``frame``, cut to the eyes' splats at points (N, 3), portrait frame."""
    frames, cameras = clip.frames, clip.cameras
    like = np.array(gaze_beside_average(clip, frame))
    ahead = -cameras.centres[:, 1] / np.linalg.norm(cameras.centres, axis=1)
    usable = np.flatnonzero(frames.with_face & (np.nan_to_num(frames.eyes_open) >= OPEN_ENOUGH) & (ahead > LEAST_FACING))
    alike = [i for i in usable if np.abs(np.array(gaze_beside_average(clip, int(i))) - like).max() <= SAME_GAZE_DEG]
    views = []
    for i in np.array(alike, int)[np.unique(np.linspace(0, len(alike) - 1, min(MOST_VIEWS, len(alike))).round().astype(int))]:
        whole = Camera(frames.width, frames.height, cameras.fx, cameras.fy, cameras.cx, cameras.cy, cameras.world_to_camera[i])
        p = points_m @ whole.w2c[:3, :3].T + whole.w2c[:3, 3]
        pixels = p[:, :2] / p[:, 2:] * [whole.fx, whole.fy] + [whole.cx, whole.cy]
        low = np.clip(np.floor(pixels.min(0)).astype(int) - MARGIN_PX, 0, [whole.width, whole.height])
        high = np.clip(np.ceil(pixels.max(0)).astype(int) + MARGIN_PX, 0, [whole.width, whole.height])
        if (high - low).min() < 8:
            continue
        part = np.s_[low[1]:high[1], low[0]:high[0]]
        views.append(EyeView(frames.image(int(i))[part].astype(np.float32) / np.float32(255.0), frames.mask(int(i))[part],
                             whole.cropped(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))))
    return views


def fit_eye_colours(splats: Splats, groups: np.ndarray, rig: PortraitRig, views: list[EyeView],
                    report: Callable[[float, str], None]) -> Splats:
    """Return the splats with colours and harmonics of the eyes' groups fitted to the views; the head's stay.

    Each sweep moves a coefficient by what the views lack where the splat shows, weighted by how much it shows there (Landweber's
    iteration with a diagonal preconditioner, as in model/refine.py).
    """
    eyes = np.flatnonzero((groups != parts.HEAD) & np.isin(groups % 10, list(MOST_CHANGE_OF)))
    if not views or not len(eyes):
        return splats
    terms = harmonics.COEFFICIENTS[splats.sh_degree]
    limit = np.zeros((len(eyes), terms, 1), np.float32)
    for part, most in MOST_CHANGE_OF.items():
        limit[groups[eyes] % 10 == part] = most
    for part, most in MOST_CHANGE_BY_SIDE.items():
        limit[groups[eyes] % 10 == part, 1:] = most
    change, weight = np.zeros((len(eyes), terms, 3), np.float32), np.zeros((len(eyes), terms, 1), np.float32)
    gain = None
    for sweep in range(SWEEPS):
        step = np.zeros_like(change)
        for n, view in enumerate(views):
            report((sweep + n / len(views)) / SWEEPS, "Matching the eyes to the other frames")
            values, shade, residual, shown = _look(_changed(splats, eyes, change), groups, rig, view, eyes, wants_weight=gain is None)
            step += values[:, :, None] * (shade * residual)[:, None, :]
            if gain is None:
                weight += (values ** 2)[:, :, None] * (shade.mean(1) ** 2 * shown)[:, None, None]
        if gain is None:
            gain = RELAXATION / (weight + DAMPING * max(float(np.median(weight[:, 0])), 1e-6)) / terms
        change = np.clip(change + gain * step, -limit, limit)
    return _changed(splats, eyes, change)


def _changed(splats: Splats, eyes: np.ndarray, change: np.ndarray) -> Splats:
    colours, rest = splats.colours.copy(), splats.sh_rest.copy()
    colours[eyes] = np.clip(colours[eyes] + change[:, 0], 0.0, 1.0)
    rest[eyes] += change[:, 1:]
    return replace(splats, colours=colours, sh_rest=rest)


def _look(splats: Splats, groups: np.ndarray, rig: PortraitRig, view: EyeView, eyes: np.ndarray, *,
          wants_weight: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of the eyes' splats in one view: basis (E, K) with 1 first, the rig's shading (E, 3), residual (E, 3), weight (E,)."""
    eye_point = view.camera.position
    posed = pose_splats(splats, groups, rig, Pose(), eye_point)
    away = posed.means[eyes] - eye_point.astype(np.float32)
    values = harmonics.basis(away / np.linalg.norm(away, axis=1, keepdims=True), splats.sh_degree).astype(np.float32)
    values[:, 0] = 1.0      # degree 0 is held as a colour
    seen = harmonics.colours(splats.select(eyes), posed.means[eyes], eye_point)
    shade = posed.colours[eyes] / np.maximum(seen, 1e-3)
    frame, tape = forward(posed, view.camera, RenderSettings())
    inside = view.mask[..., None] ** 2
    residual = backward(tape, (view.image * frame.alpha[..., None] - frame.rgb) * inside).colours[eyes]
    if not wants_weight:
        return values, shade, residual, np.zeros(len(eyes), np.float32)
    return values, shade, residual, backward(tape, np.broadcast_to(inside, frame.rgb.shape)).colours[eyes, 0]
