# SPDX-License-Identifier: GPL-3.0-or-later
"""Built eyes are fitted to the clip's other frames: where globe and lids are, what colour they have, and how both look from the side.

They were built from one frame, which knows nothing of that. The shape comes first and then goes on with the colours, each within
limits that keep what a posed eye needs: a clean iris, skin that does not glow when the lid comes down, lashes that stay dark.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from ...gazesplat_addon.rig import lids, parts
from ...gazesplat_addon.rig.pose import Pose, PosedSplats, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat import harmonics
from ...gazesplat_addon.splat.arrays import Splats, quaternions_of
from ..eyes.geometry import to_eye
from ..model.adam import Adam, step_size
from ..render import Camera, RenderSettings
from ..render.numba_training import Tape, backward, forward
from .eye_mould import LASH_RANGE, Mould, Shape, stiffness
from .eye_views import EyeView, projected

SHAPE_STEPS, COLOUR_STEPS = 160, 160        # each looks at one view
SAMPLES = 2                 # a pixel's side: portraits are drawn finer than frames, and what fits blurred is too sharp then
FINE_IRIS_PX = 16.0         # frames that show an iris larger than this (radius) are fine enough as they are
ROBUST = 0.1                # errors beyond this count less: reflections wander over the cornea, and no splat can follow
HEAD_MARGIN_PX = 12
# Steps of Adam, in the unit of what moves.
RAY_STEP_M, ACROSS_STEP_M, SHIFT_STEP_M, TURN_STEP_RAD, LASH_STEP = 2.5e-4, 6e-5, 6e-5, 0.004, 0.02
COLOUR_STEP, LOGIT_STEP = 0.004, 0.05
GLANCE_RAD, GLANCE_STIFFNESS = 0.02, 0.1    # how far a view's gaze may wander from that of all
# Reflections would stain irises, which is a better figure and a worse look: these stay. Lashes may only become different from
# different sides, or they wash out to grey. Restored skin may hardly change, or it would glow when the lid comes down.
MOST_CHANGE_OF = {parts.UPPER_LID: 0.03, parts.LOWER_LID: 0.15, parts.SCLERA: 0.10, parts.UPPER_LASH: 0.0,
                  parts.LOWER_LASH: 0.0}
MOST_CHANGE_BY_SIDE = {parts.UPPER_LASH: 0.3, parts.LOWER_LASH: 0.3}     # of harmonics, where it is not as above
MOST_LOGIT_OF = {parts.UPPER_LASH: 1.5, parts.LOWER_LASH: 1.5, parts.UPPER_SHADE: 1.5}
# Sclera this near to a margin (iris radii) must not learn the lid's colour: it comes out from under it when the eye turns.
CLEAN_IRIS_RADII = (0.1, 0.4)
MOST_GAIN = 1.5
BY_VIEW = 1                 # the highest degree of harmonics that is fitted

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Window:
    """One eye in one view: picture, weight (H, W, 1), the fine camera, how many samples a pixel's side has, and the splats beside it."""

    image: np.ndarray
    weight: np.ndarray
    camera: Camera
    samples: int
    beside: PosedSplats


@dataclass(frozen=True)
class Drawn:
    """One eye in a window: rgb (H, W, 3), alpha (H, W, 1), and of its splats (E) what the way back needs."""

    rgb: np.ndarray
    alpha: np.ndarray
    tape: Tape
    means: np.ndarray
    values: np.ndarray
    colours: np.ndarray
    opacities: np.ndarray


def fit_eyes(splats: Splats, groups: np.ndarray, rig: PortraitRig, views: list[EyeView], report: Report,
             drawn: frozenset[str] = frozenset()) -> tuple[Splats, PortraitRig]:
    """Return splats and rig with both eyes fitted to the views; the head's splats stay. ``report`` may raise.

    The lids of sides that an artist has ``drawn`` move along the rays of the rig's camera alone, and so stay where they were drawn.
    """
    eyes = {}
    for n, side in enumerate(rig.eyes if views else ()):
        def told(done: float, n: int = n) -> None:
            report((n + done) / len(rig.eyes), "Fitting the eyes to the other frames")

        fit = EyeFit(side, splats, groups, rig, views, drawn=side in drawn)
        fit.run(told)
        splats, eyes[side] = fit.fitted(splats), fit.mould.shaped_rig(fit.shape)
    return splats, replace(rig, eyes={**rig.eyes, **eyes})


class EyeFit:
    """One eye on its way from as it was built to what the views show."""

    def __init__(self, side: str, splats: Splats, groups: np.ndarray, rig: PortraitRig, views: list[EyeView], *,
                 drawn: bool = False) -> None:
        w2c = np.array(rig.camera.w2c)
        eye_point = -np.linalg.solve(w2c[:3, :3], w2c[:3, 3])
        rest = pose_splats(splats, groups, rig, Pose(), eye_point)
        self._across_step_m = 0.0 if drawn else ACROSS_STEP_M
        self.mould, self.shape = Mould(side, rest, rig.eyes[side], eye_point), Shape.as_built()
        rows = self.mould.rows
        self._colours, self._opacities = splats.colours[rows], rest.opacities[rows]
        self.terms = harmonics.COEFFICIENTS[min(BY_VIEW, splats.sh_degree)]
        self._rest_harmonics = splats.sh_rest[rows]
        self.change = np.zeros((len(rows), self.terms, 3), np.float32)
        self.logits = np.zeros(len(rows), np.float32)
        self._most_change, self._most_logit = self._limits(rest.means[rows])
        self._windows = [window for view in views if (window := self._window(view, splats, rest)) is not None]
        self.glances = np.zeros((len(self._windows), 3), np.float32)
        self._gains = self._exposures()

    def _limits(self, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far colours and harmonics (E, terms, 1) and logits (E,) may go."""
        change, logit = np.zeros((len(means), self.terms, 1), np.float32), np.zeros(len(means), np.float32)
        for part, most in MOST_CHANGE_OF.items():
            change[self.mould.parts == part] = most
        for part, most in MOST_CHANGE_BY_SIDE.items():
            change[self.mould.parts == part, 1:] = most
        for part, most in MOST_LOGIT_OF.items():
            logit[self.mould.parts == part] = most
        eye, sclera = self.mould.rig, self.mould.parts == parts.SCLERA
        q = to_eye(eye, means[sclera])
        rest = lids.margins(eye, q[:, 0], 0.0, 0.0, 0.0)
        inside = np.minimum(rest.upper_rest - q[:, 1], q[:, 1] - rest.lower_rest) / eye.iris_radius_m
        change[sclera] *= lids.smoothstep(*CLEAN_IRIS_RADII, inside)[:, None, None]
        return change, logit

    def _window(self, view: EyeView, splats: Splats, rest: PosedSplats) -> Window | None:
        part = view.part(rest.means[self.mould.rows])
        if part is None:
            return None
        camera, others = part.camera, np.ones(len(splats), bool)
        others[self.mould.rows] = False
        pixels = projected(camera, rest.means)
        near = ((pixels > -HEAD_MARGIN_PX) & (pixels < [camera.width + HEAD_MARGIN_PX, camera.height + HEAD_MARGIN_PX])).all(1)
        beside = np.flatnonzero(others & near)
        colours = np.maximum(harmonics.colours(splats.select(beside), rest.means[beside], camera.position), 0.0).astype(np.float32)
        iris_px = camera.fx * self.mould.rig.iris_radius_m / float(np.linalg.norm(camera.position - np.asarray(self.mould.rig.centre_m)))
        samples = SAMPLES if iris_px < FINE_IRIS_PX else 1
        return Window(part.image, part.mask[..., None] ** 2, camera.scaled(samples), samples,
                      PosedSplats(rest.means[beside], rest.factors[beside], rest.opacities[beside], colours, rest.groups[beside]))

    def _exposures(self) -> np.ndarray:
        """Return each window's gain (W, 3) about their mean: phones adjust exposure and white balance, and eyes must not learn that."""
        gains = np.ones((len(self._windows), 3), np.float32)
        for gain, window, glance in zip(gains, self._windows, self.glances, strict=True):
            rgb = self._drawn(window, glance).rgb
            lit = (window.weight * rgb * rgb).sum((0, 1))
            gain[:] = np.clip((window.weight * rgb * window.image).sum((0, 1)) / np.maximum(lit, 1e-6), 1.0 / MOST_GAIN, MOST_GAIN)
        return gains / np.exp(np.log(gains).mean(0)) if len(gains) else gains

    def run(self, report: Callable[[float], None]) -> None:
        """Take all steps; ``report`` is told the share that is done."""
        shape, random, order = self.shape, np.random.default_rng(0), []
        shape_movers = [(Adam(values, damping, 0.98), values, step) for values, damping, step in (
            (shape.along_ray, 0.5, RAY_STEP_M), (shape.across, 0.5, self._across_step_m), (shape.shift, 1.0, SHIFT_STEP_M),
            (shape.turn, 1.0, TURN_STEP_RAD), (shape.lash, 1.0, LASH_STEP))]
        glance_movers = [Adam(one, 1.0, 0.9) for one in self.glances]
        for with_colours, steps in ((False, SHAPE_STEPS), (True, COLOUR_STEPS)):
            colour_movers = Adam(self.change, 1.0, 0.98), Adam(self.logits, 1.0, 0.98)
            for step in range(steps if self._windows else 0):
                report((step + with_colours * SHAPE_STEPS) / (SHAPE_STEPS + COLOUR_STEPS))
                order = order or list(random.permutation(len(self._windows)))
                n, size = order.pop(), step_size(step / steps)
                d_shape, d_change, d_logits = self._gradients(n, random.uniform())
                held = stiffness(shape)
                held.along_ray[:] += self.mould.barrier(shape)
                for (mover, values, length), name in zip(shape_movers, vars(shape), strict=True):
                    mover.move(values, getattr(d_shape, name) + getattr(held, name), length * size)
                np.clip(shape.lash, *LASH_RANGE, out=shape.lash)
                held_glance = GLANCE_STIFFNESS * self.glances[n] / GLANCE_RAD ** 2
                glance_movers[n].move(self.glances[n], d_shape.turn + held_glance, TURN_STEP_RAD * size)
                if with_colours:
                    self._move_colours(colour_movers, d_change, d_logits, size)

    def _move_colours(self, movers: tuple[Adam, Adam], d_change: np.ndarray, d_logits: np.ndarray, size: float) -> None:
        movers[0].move(self.change, d_change, COLOUR_STEP * size)
        movers[1].move(self.logits, d_logits, LOGIT_STEP * size)
        np.clip(self.change, -self._most_change, self._most_change, out=self.change)
        np.clip(self.logits, -self._most_logit, self._most_logit, out=self.logits)

    def _drawn(self, window: Window, glance: np.ndarray) -> Drawn:
        means, factors = self.mould.shaped(self.shape, glance)
        away = means - window.camera.position.astype(np.float32)
        values = harmonics.basis(away / np.linalg.norm(away, axis=1, keepdims=True), harmonics.COEFFICIENTS.index(self.terms))
        values = values.astype(np.float32)
        values[:, 0] = 1.0      # degree 0 is held as a colour
        colours = self._colours + np.einsum("nk,nkc->nc", values, self.change)
        opacities = self._faded()
        frame, tape = forward(_joined(window.beside, means, factors, opacities, np.maximum(colours, 0.0)), window.camera, RenderSettings())
        return Drawn(_averaged(frame.rgb, window.samples), _averaged(frame.alpha[..., None], window.samples), tape, means, values, colours,
                     opacities)

    def _gradients(self, n: int, background: float) -> tuple[Shape, np.ndarray, np.ndarray]:
        """Return view n's gradients by the shape, the colours' change (E, terms, 3) and the logits (E,), over a grey background."""
        window, gain = self._windows[n], self._gains[n]
        drawn = self._drawn(window, self.glances[n])
        error = gain * drawn.rgb + (1.0 - drawn.alpha) * background - window.image
        d_shown = window.weight * error / np.sqrt(1.0 + (error / ROBUST) ** 2)
        d_rgb, d_alpha = (_spread(d, window.samples) for d in (gain * d_shown, -background * d_shown.sum(-1, keepdims=True)))
        got, first = backward(drawn.tape, d_rgb, d_alpha[..., 0]), len(window.beside)
        d_shape = self.mould.gradient(self.shape, drawn.means, got.means[first:], got.factors[first:])
        return (d_shape, drawn.values[:, :, None] * (got.colours[first:] * (drawn.colours > 0.0))[:, None, :],
                got.opacities[first:] * drawn.opacities * (1.0 - drawn.opacities))

    def _faded(self) -> np.ndarray:
        """Return the opacities (E,) with their logits changed."""
        odds = self._opacities / np.maximum(1.0 - self._opacities, 1e-6) * np.exp(self.logits)
        return (odds / (1.0 + odds)).astype(np.float32)

    def fitted(self, splats: Splats) -> Splats:
        """Return the splats with this eye's as fitted."""
        rows, arrays = self.mould.rows, {name: getattr(splats, name).copy() for name in vars(splats)}
        means, factors = self.mould.shaped(self.shape, np.zeros(3))
        axes, scales, _ = np.linalg.svd(factors)
        axes[..., 2] *= np.linalg.det(axes)[:, None]        # a rotation, no reflection
        arrays["means"][rows], arrays["scales"][rows], arrays["rotations"][rows] = means, scales, quaternions_of(axes)
        arrays["colours"][rows] = np.clip(self._colours + self.change[:, 0], 0.0, 1.0)
        arrays["sh_rest"][rows, :self.terms - 1] += self.change[:, 1:]
        arrays["opacities"][rows] = np.where(self.logits != 0.0, self._faded(), splats.opacities[rows])
        return Splats(**arrays)


def _joined(beside: PosedSplats, means: np.ndarray, factors: np.ndarray, opacities: np.ndarray, colours: np.ndarray) -> SimpleNamespace:
    pairs = {"means": means, "factors": factors, "opacities": opacities, "colours": colours}
    return SimpleNamespace(**{name: np.concatenate([getattr(beside, name), own]) for name, own in pairs.items()})


def _averaged(picture: np.ndarray, n: int) -> np.ndarray:
    """Return the means (H, W, C) of n x n samples a pixel."""
    height, width, channels = picture.shape
    return picture.reshape(height // n, n, width // n, n, channels).mean((1, 3))


def _spread(gradient: np.ndarray, n: int) -> np.ndarray:
    """Return the gradient by the samples of a gradient by their means."""
    return np.repeat(np.repeat(gradient, n, 0), n, 1) / np.float32(n * n)
