# SPDX-License-Identifier: GPL-3.0-or-later
"""A filmed performance on its way to a portrait: what ``portrait.capture_gaze(..., wait=False)`` returns."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..backend.contract import result
from ..backend.contract.errors import GazeSplatError
from . import motion
from .gaze import capture
from .gaze.capture import Acting, Readings
from .gaze.readings import load_readings
from .gaze.schedule import Take
from .portrait import Portrait
from .portrait_job import PortraitJob
from .scene import actions, layers

CAPTURED_LAYERS = ("gaze", "blinks", "head")


@dataclass(frozen=True)
class Captured:
    """What was captured: frames of the clip, share of them that could be read, saccades, blinks as seconds of their onsets, keys made."""

    frames: int
    seen: float
    saccades: int
    blinks_s: tuple[float, ...]
    keys: int


class CaptureJob(PortraitJob):
    """One capture: the performance becomes keys of the portrait."""

    kind, label = result.CAPTURE, "performance"

    @property
    def captured(self) -> Captured | None:
        """What was captured; None until ``result()``."""
        return self._outcome

    def _bring_in(self, portrait: Portrait, made: Path, **settings: object) -> Captured:
        return perform(portrait, load_readings(made / result.READINGS), **settings)


def capture_gaze(portrait: Portrait, clip: Path, *, start: float | None, head_share: float, contact_s: float | None,
                 only: tuple[str, ...], wait: bool, queue: bool) -> Captured | CaptureJob:
    """Start reading a clip, and wait for it where asked to; see ``Life.capture_gaze``."""
    unknown = sorted(set(only) - set(CAPTURED_LAYERS))
    if unknown or not only:
        raise GazeSplatError("no-layer", f"A clip cannot give {', '.join(unknown) or 'nothing'}.",
                             f"Choose among {', '.join(CAPTURED_LAYERS)}.")
    Portrait.check("head_share", head_share, 0.0, 3.0)
    portrait.require_parts()
    settings = {"start": float(portrait.scene.frame_start if start is None else start), "head_share": head_share, "contact_s": contact_s,
                "only": only}
    job = CaptureJob.create(portrait, clip, wait=wait, queue=queue, settings=settings)
    return job.captured if wait else job


def perform(portrait: Portrait, readings: Readings, *, start: float, head_share: float, contact_s: float | None,
            only: tuple[str, ...]) -> Captured:
    """Write a performance as keys from a frame on; what generators had written there is replaced."""
    root, head, scene = portrait.require_parts(), portrait.head, portrait.scene
    acting = capture.interpret(readings, head_share=head_share, contact_s=contact_s)
    fps = motion.fps_of(scene)
    keys = 0
    for layer in only:
        names = layers.channels(layer)
        take = Take(0.0, acting.take.end_s, {name: curve for name, curve in acting.take.curves.items() if name in names})
        muted = layers.is_muted(root, head, layer)
        keys += actions.write_take(root, head, take, start_frame=start, fps=fps)
        layers.remember(root, head, layer, None, {})
        if muted:
            layers.set_muted(root, head, layer, True)
    root.update_tag()
    return _summary(readings, acting, keys)


def _summary(readings: Readings, acting: Acting, keys: int) -> Captured:
    times = readings.times_s - readings.times_s[0]
    return Captured(len(readings), float(acting.seen.mean()), len(acting.take.saccades),
                    tuple(float(times[first]) for first, _ in acting.blinks), keys)
