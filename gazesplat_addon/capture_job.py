# SPDX-License-Identifier: GPL-3.0-or-later
"""A filmed performance on its way to a portrait: what ``portrait.capture_gaze(..., wait=False)`` returns."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.contract import result
from ..backend.contract.errors import GazeSplatError
from . import motion
from .gaze import capture
from .gaze.capture import Acting, Readings
from .gaze.schedule import Take
from .portrait import Portrait
from .portrait_job import PortraitJob
from .scene import actions, layers

CAPTURED_LAYERS = ("gaze", "blinks", "head")
MOST_BYTES = 64 << 20
MOST_FRAMES = 100_000


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


def load_readings(path: Path) -> Readings:
    """Read what the backend has written; GazeSplatError ``bad-readings``."""
    names = Readings.__dataclass_fields__
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: np.asarray(data[name], float) for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise GazeSplatError("bad-readings", f"{path.name} cannot be read: {error}.", "Capture the clip again.") from error
    count = len(arrays["times_s"])
    shapes = {"times_s": (count,), "spread": (count,), "eye_deg": (count, 2), "aperture": (count, 2), "head_deg": (count, 3),
              "head_m": (count, 3)}
    if count > MOST_FRAMES or any(arrays[name].shape != shapes[name] for name in names) or not (np.diff(arrays["times_s"]) > 0).all():
        raise GazeSplatError("bad-readings", f"{path.name} does not hold the readings of a clip.", "Capture the clip again.")
    return Readings(**arrays)


def _summary(readings: Readings, acting: Acting, keys: int) -> Captured:
    times = readings.times_s - readings.times_s[0]
    return Captured(len(readings), float(acting.seen.mean()), len(acting.take.saccades),
                    tuple(float(times[first]) for first, _ in acting.blinks), keys)
