# SPDX-License-Identifier: GPL-3.0-or-later
"""Live: the portrait looks at whatever moves, breathing and blinking, and what it did can become keys.

Nothing of the file is changed for good until ``keep``: the target, its constraints and the generated channels come back as they
were when it stops.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from mathutils import Vector

from . import motion
from .gaze import schedule
from .gaze.curve import Curve, catmull_rom_slopes
from .gaze.keys import from_slopes
from .gaze.live import LiveGaze
from .scene import actions, eye_rig

if TYPE_CHECKING:
    from .portrait import Portrait

LOOP_S = 120.0            # the idle life that plays while following; it repeats after that
CURSOR_BEFORE_FACE_M = 0.35   # ours: the mouse cursor is taken to float here before the face, as on a screen
TOLERANCE_M = 0.001       # thinning of recorded targets: 0.1 degrees at arm's length
RECORDED_GROUP = "Recorded Gaze"


class LiveFollow:
    """One session of following. Call ``step`` as often as the display shows; then ``stop``."""

    def __init__(self, portrait: Portrait, *, seed: int = 0, preset: str = "listening", attention: float = 0.85) -> None:
        self.portrait = portrait
        self.root = portrait.require_parts()
        self._gaze = portrait.gaze_target
        self._before = eye_rig.kept_target(self.root)
        self._channels = actions.CHANNELS
        self._take = schedule.make_take(0.0, LOOP_S, preset=motion.preset_named(preset), seed=seed)
        self._preset, self._seed = preset, seed
        self._clock_s = 0.0
        self._samples: list[tuple[float, float, float, float]] | None = None
        eye_rig.look_at(self.root, self._gaze)
        self._live = LiveGaze(np.array(self._home()), attention=attention)

    @property
    def attention(self) -> float:
        """How snappily the eyes follow: 0 gentle, 1 at once."""
        return self._live.attention

    @attention.setter
    def attention(self, share: float) -> None:
        self._live.attention = min(max(float(share), 0.0), 1.0)

    @property
    def recording(self) -> bool:
        """Whether what the eyes look at is being noted."""
        return self._samples is not None

    def step(self, dt_s: float, goal: Sequence[float] | None) -> None:
        """Move on by ``dt_s`` seconds towards a point of the world; None where there is nothing to look at."""
        self._clock_s += dt_s
        at = self._live.step(dt_s, None if goal is None else np.array(goal, float), np.array(self._home()), np.array(self._between_eyes()))
        self._gaze.location = self._to_local() @ Vector(at)
        if self._samples is not None:
            self._samples.append((self._clock_s, *at))
        self._play_life(self._clock_s % LOOP_S)
        self.root.update_tag()

    def cursor_goal(self, origin: Sequence[float], direction: Sequence[float]) -> Vector:
        """Return the point of the world that a mouse cursor stands for: on its ray, a little before the face."""
        origin, direction = Vector(origin), Vector(direction).normalized()
        away = (self._between_eyes() - origin).dot(direction)
        return origin + direction * max(away - min(CURSOR_BEFORE_FACE_M, away / 2), 0.01)

    def start_recording(self) -> None:
        """Note from now on what the eyes look at."""
        self._samples = []

    def keep(self, *, start: float | None = None) -> int:
        """Write what was noted as keys of the gaze target from a frame on (default: the current one); return how many.

        The target's own keys in the range are replaced, and the life that went with it is generated over the same frames. The
        portrait then looks at its gaze target, so that the keys are seen.
        """
        scene, noted = self.portrait.scene, np.array(self._samples or (), float).reshape(-1, 4)
        self._samples = None
        if len(noted) < 2:
            return 0
        fps = motion.fps_of(scene)
        first = float(scene.frame_current if start is None else start)
        to_local = np.array(self._to_local())
        points = noted[:, 1:] @ to_local[:3, :3].T + to_local[:3, 3]
        times = noted[:, 0] - noted[0, 0]
        distinct = np.append(True, np.diff(times) > 1e-4)
        times, points = times[distinct], points[distinct]
        pinned = np.zeros(len(times), bool)
        pinned[[0, -1]] = True
        made = 0
        for axis in range(3):
            curve = Curve(times, points[:, axis], catmull_rom_slopes(times, points[:, axis]), pinned).thinned(TOLERANCE_M)
            new = from_slopes(first + curve.times_s * fps, curve.values, curve.slopes / fps)
            actions.replace_range(self._gaze, "location", axis, new, ease_frames=1.0, group=RECORDED_GROUP, key_type="KEYFRAME")
            made += len(new)
        self._before = None
        end = first + times[-1] * fps
        if end - first >= fps:
            motion.animate(self.root, scene, motion.preset_named(self._preset), seed=self._seed, start=first, end=end)
        return made

    def stop(self) -> None:
        """Put the target, and what the generated channels show, back to what they were."""
        if not self.portrait.alive:
            return
        if self._before is not None:
            eye_rig.restore_target(self.root, self._before)
        for name, channel in self._channels.items():
            owner = self.portrait.head if channel.on_head else self.root
            fcurve = actions.fcurve_for(owner, channel.data_path, channel.index)
            value = 0.0 if fcurve is None or fcurve.mute else fcurve.evaluate(self.portrait.scene.frame_current_final)
            self._set(name, value)
        self.root.update_tag()

    # ------------------------------------------------------------ inside

    def _play_life(self, time_s: float) -> None:
        at = np.array([time_s])
        for name, curve in self._take.curves.items():
            self._set(name, float(curve.evaluate(at)[0]) * self._channels[name].factor)

    def _set(self, name: str, value: float) -> None:
        channel = self._channels[name]
        if channel.on_head:
            getattr(self.portrait.head, channel.data_path)[channel.index] = value
        else:
            self.root[name] = value

    def _to_local(self):
        return (self.root.matrix_world @ self._gaze.matrix_parent_inverse).inverted()

    def _home(self) -> Vector:
        """Return where the eyes looked in the photo, in the world."""
        return (self.root.matrix_world @ self._gaze.matrix_parent_inverse).translation

    def _between_eyes(self) -> Vector:
        frames = eye_rig.rest_frames(self.root).values()
        centre = sum((matrix.translation for matrix, _ in frames), Vector()) / max(len(frames), 1)
        return self.portrait.head.matrix_world @ centre
