# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours and opacities with which linear blending gives the picture that was fitted in display values.

A splat file is fitted and blended in display-referred sRGB. Where every splat is decoded first and light is blended
linearly, as Blender does, mixed films come out brighter. Here colours and opacities move until the linear picture,
judged as displayed, is the decoded one; shapes stay. Gradients come from the rasteriser, steps are Adam's.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ...gazesplat_addon.rig.pose import Pose, PosedSplats, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera
from ...gazesplat_addon.splat.arrays import Splats
from ...gazesplat_addon.splat.linear_refit import LinearRefit
from ...gazesplat_addon.splat.srgb import decoded, decoded_slope, encoded, encoded_slope, exact_light
from ..render import Camera, RenderSettings, render
from ..render.likeness import psnr
from ..render.numba_training import backward, forward
from . import refit_views
from .adam import Adam, step_size

STEPS = {"draft": 36, "standard": 72, "high": 216}     # whole rounds through the views
VIEWS, JUDGED_VIEWS = 36, 8
COLOUR_STEP, LOGIT_STEP = 0.015, 0.08
ALPHA_WEIGHT = 0.3
DAMPING = 3.0                # mean gradients: splats that hardly show hardly move
MOST_COLOUR = 1.3            # light beyond white helps at glints; much more would burn where a view was not fitted
MOST_LOGIT = 8.0
STEEPEST = 6.0               # of the display curve: at black it would outweigh everything
INSIDE_ALPHA = 0.5           # where a picture is judged
_LIFT = 16.0                 # keeps harmonics above the zero at which colours are cut

Report = Callable[[float, str], None]
_NO_RIG = PortraitRig(SourceCamera(1, 1, 1.0, 1.0, 0.5, 0.5, ((1.0, 0.0, 0.0, 0.0),) * 4), {})


@dataclass(frozen=True)
class View:
    """One camera and pose: what does not change while colours do, and what the picture shall be.

    carried    the posed splats, with the pose's shading as colours (N, 3) and its fading as opacities (N,)
    harmonics  (N, 3) what the higher degrees add to the colours from here, None without
    target     (H, W, 4) scene-linear, premultiplied
    """

    camera: Camera
    pose: Pose
    carried: PosedSplats
    harmonics: np.ndarray | None
    target: np.ndarray

    def shown(self, colours: np.ndarray) -> np.ndarray:
        """Return display-referred colours (N, 3) as posed and seen from here."""
        seen = colours if self.harmonics is None else colours + self.harmonics
        return np.maximum(seen, 0.0) * self.carried.colours

    def as_linear(self, colours: np.ndarray, opacities: np.ndarray) -> PosedSplats:
        """Return the splats that a linear renderer blends."""
        return replace(self.carried, colours=decoded(self.shown(colours)), opacities=opacities * self.carried.opacities)


@dataclass(frozen=True)
class Likeness:
    """Linear pictures against what they shall be, in display values inside the head (alpha above one half).

    psnr_db of all views together, worst_db of the worst, whole_db with the surroundings; bias_percent of the mean
    colour; alpha_db of the alphas.
    """

    psnr_db: float
    worst_db: float
    whole_db: float
    bias_percent: float
    alpha_db: float

    def rounded(self) -> dict[str, float]:
        """Return plain values for a report."""
        return {name: round(value, 2) for name, value in vars(self).items()}


def make_views(splats: Splats, groups: np.ndarray | None, rig: PortraitRig | None, count: int, *, judged: bool = False,
               size_px: int = refit_views.SIZE_PX, report: Report | None = None) -> list[View]:
    """Return the views of a refit, or those that judge it; without a rig nothing is posed and cameras go all round."""
    groups = np.zeros(len(splats), np.uint8) if groups is None else groups
    unit = replace(splats, colours=np.ones_like(splats.colours), opacities=np.ones_like(splats.opacities),
                   sh_rest=np.zeros((len(splats), 0, 3), np.float32))
    carried: dict[int, PosedSplats] = {}
    views = []
    for k, (camera, pose) in enumerate(refit_views.chosen_views(splats, rig, count, judged=judged, size_px=size_px)):
        if report is not None:
            report(k / count, "Drawing what is to be matched")
        if id(pose) not in carried:
            carried[id(pose)] = pose_splats(unit, groups, rig or _NO_RIG, pose)
        views.append(_view(splats, camera, pose, carried[id(pose)], _harmonics(splats, groups, rig or _NO_RIG, pose, camera)))
    return views


def refit_linear(splats: Splats, views: Sequence[View], *, steps: int, report: Report, threads: int | None = None) -> LinearRefit:
    """Return colours and opacities fitted over the views; splats that no view shows keep theirs. ``report`` may raise."""
    colours = splats.colours.astype(np.float32, copy=True)
    logits = _logit(splats.opacities)
    movers = Adam(colours, DAMPING), Adam(logits, DAMPING)
    shown = np.zeros(len(splats), bool)
    for step in range(steps):
        report(step / steps, f"Step {step + 1} of {steps}")
        # Neighbours in the list look from far apart, so that any few in a row cover the head.
        view = views[step % len(views)]
        d_colours, d_logits, seen = _gradients(view, colours, logits, threads)
        shown |= seen
        size = step_size(step / steps)
        movers[0].move(colours, d_colours, COLOUR_STEP * size)
        movers[1].move(logits, d_logits, LOGIT_STEP * size)
        np.clip(colours, np.minimum(splats.colours, 0.0), np.maximum(splats.colours, MOST_COLOUR), out=colours)
        np.clip(logits, -MOST_LOGIT, MOST_LOGIT, out=logits)
    return LinearRefit(np.where(shown[:, None], colours, splats.colours), np.where(shown, _sigmoid(logits), splats.opacities))


def carried_over(refit: LinearRefit, old: Splats, old_groups: np.ndarray, new: Splats, new_groups: np.ndarray) -> LinearRefit:
    """Return the refit of a portrait for a version of it with other eyes, without fitting anything.

    Each splat takes the change of the nearest old one of its group: a refit undoes how a place's splats overlap, which
    hardly depends on which they are. The same splats get the same refit.
    """
    if len(old) == len(new) and all(np.array_equal(getattr(old, name), getattr(new, name)) for name in ("means", "colours", "opacities")):
        return refit
    colours, logits = new.colours.astype(np.float32, copy=True), _logit(new.opacities)
    for group in np.unique(new_groups):
        source, target = np.flatnonzero(old_groups == group), np.flatnonzero(new_groups == group)
        if len(source):
            nearest = source[cKDTree(old.means[source]).query(new.means[target])[1]]
            colours[target] += refit.colours[nearest] - old.colours[nearest]
            logits[target] += _logit(refit.opacities[nearest]) - _logit(old.opacities[nearest])
    return LinearRefit(colours, _sigmoid(np.clip(logits, -MOST_LOGIT, MOST_LOGIT)))


def judge(views: Sequence[View], colours: np.ndarray, opacities: np.ndarray, threads: int | None = None) -> Likeness:
    """Return how alike the linear pictures of the views are to their targets."""
    errors, whole, alphas, ratios = [], [], [], []
    for view in views:
        rgba = render(view.as_linear(colours, opacities), view.camera, threads=threads).rgba()
        got, wanted = encoded(rgba[..., :3]), encoded(view.target[..., :3])
        inside = view.target[..., 3] > INSIDE_ALPHA
        squared = (got - wanted) ** 2
        whole.append(squared.mean())
        alphas.append(np.mean((rgba[..., 3] - view.target[..., 3]) ** 2))
        if inside.any():
            errors.append(squared[inside].mean())
            ratios.append(got[inside].mean() / max(wanted[inside].mean(), 1e-6) - 1.0)
    errors = errors or whole
    return Likeness(psnr(float(np.mean(errors))), psnr(float(np.max(errors))), psnr(float(np.mean(whole))),
                    100.0 * float(np.mean(ratios)) if ratios else 0.0, psnr(float(np.mean(alphas))))


def _view(splats: Splats, camera: Camera, pose: Pose, carried: PosedSplats, harmonics: np.ndarray | None) -> View:
    """Return a view whose target is the picture blended in display values, then decoded."""
    view = View(camera, pose, carried, harmonics, np.empty(0))
    display = replace(carried, colours=view.shown(splats.colours).astype(np.float32), opacities=splats.opacities * carried.opacities)
    return replace(view, target=exact_light(render(display, camera).rgba()))


def _harmonics(splats: Splats, groups: np.ndarray, rig: PortraitRig, pose: Pose, camera: Camera) -> np.ndarray | None:
    if splats.sh_degree == 0:
        return None
    lifted = replace(splats, colours=np.full_like(splats.colours, _LIFT))
    seen = pose_splats(lifted, groups, rig, pose, camera.position).colours
    flat = replace(lifted, sh_rest=np.zeros((len(splats), 0, 3), np.float32))
    shade = pose_splats(flat, groups, rig, pose).colours / _LIFT
    return (seen / shade - _LIFT).astype(np.float32)


def _gradients(view: View, colours: np.ndarray, logits: np.ndarray, threads: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of colours and logits for half the squared error in display values, and which splats show."""
    opacities, shown = _sigmoid(logits), view.shown(colours)
    posed = replace(view.carried, colours=decoded(shown), opacities=opacities * view.carried.opacities)
    frame, tape = forward(posed, view.camera, RenderSettings(), threads=threads)
    wanted = view.target
    d_rgb = (encoded(frame.rgb) - encoded(wanted[..., :3])) * np.minimum(encoded_slope(frame.rgb), STEEPEST)
    got = backward(tape, d_rgb, ALPHA_WEIGHT * (frame.alpha - wanted[..., 3]))
    d_colours = got.colours * decoded_slope(shown) * view.carried.colours
    d_logits = got.opacities * view.carried.opacities * opacities * (1.0 - opacities)
    return d_colours, d_logits, np.any(got.colours != 0.0, axis=1)


def _logit(opacities: np.ndarray) -> np.ndarray:
    clipped = np.clip(opacities, 1e-6, 1.0 - 1e-6).astype(np.float64)
    return np.clip(np.log(clipped / (1.0 - clipped)), -MOST_LOGIT, MOST_LOGIT).astype(np.float32)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logits))
