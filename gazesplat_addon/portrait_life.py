# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings a portrait to life, as an artist types it: presets, generators, layers, markers, and the check of all of it."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from . import motion
from .gaze.presets import MotionPreset, all_presets
from .portrait_layers import Layers
from .scene import events

if TYPE_CHECKING:
    from .capture_job import Captured, CaptureJob
    from .live_follow import LiveFollow
    from .motion_check import MotionCheck


class Life:
    """Part of ``Portrait``: generated motion. Everything takes frames, the scene's range by default."""

    @property
    def layers(self) -> Layers:
        """Generated motion by layer: ``portrait.layers["blinks"].reseed(4)``, ``.muted``, ``.retime()``, ``.bake()``."""
        self.require_parts()
        return Layers(self)

    def animate(self, preset: str | MotionPreset = "listening", *, seed: int, start: float | None = None, end: float | None = None,
                keep_edits: bool = True) -> int:
        """Animate eyes, lids, pupils and head the way of a preset; return how many keys were made.

        ``preset`` is interview, listening, thinking, reading, stare, tired, or the name of a file of yours
        (``gs.motion_presets()`` lists them). The same seed gives the same keys. What earlier calls made in the range is
        replaced; keys of yours are not touched, nor, unless ``keep_edits`` is False, generated ones that you have edited.
        """
        return motion.animate(self.require_parts(), self.scene, motion.preset_named(preset), seed=seed, start=start, end=end,
                              keep_edits=keep_edits)

    def add_saccades(self, *, seed: int, start: float | None = None, end: float | None = None, state: str = "listening",
                     keep_edits: bool = True) -> int:
        """Animate eye movements over a range of frames, the scene's by default; return how many keys were made.

        ``state`` is talking, listening, thinking, reading or staring. The same seed gives the same keys. What an
        earlier call made in the range is replaced, your own keys are not touched.
        """
        return motion.add_saccades(self.require_parts(), self.scene, seed=seed, start=start, end=end, state=state, keep_edits=keep_edits)

    def add_blinks(self, *, seed: int, start: float | None = None, end: float | None = None, per_minute: float = 17.0,
                   at_frames: Sequence[float] = (), slowness: float = 1.0, keep_edits: bool = True) -> int:
        """Animate blinks over a range of frames, the scene's by default; return how many keys were made.

        Large gaze shifts carry blinks: call it after ``add_saccades``. ``at_frames`` asks for blinks that are shut on those
        frames (a cut, a word); ``slowness`` stretches every phase.
        """
        return motion.add_blinks(self.require_parts(), self.scene, seed=seed, start=start, end=end, per_minute=per_minute,
                                 at_frames=tuple(at_frames), slowness=slowness, keep_edits=keep_edits)

    def add_heavy_lids(self, *, seed: int, start: float | None = None, end: float | None = None, closed: float = 0.3,
                       keep_edits: bool = True) -> int:
        """Let the lids hang at about ``closed`` (0..0.8) between blinks; return how many keys were made."""
        return motion.add_heavy_lids(self.require_parts(), self.scene, seed=seed, start=start, end=end, closed=closed,
                                     keep_edits=keep_edits)

    def add_head_drift(self, *, seed: int, start: float | None = None, end: float | None = None, propensity: float = 0.5,
                       turn_deg: float = 0.4, sway_m: float = 0.001, keep_edits: bool = True) -> int:
        """Animate the head's sway over a range of frames, the scene's by default; return how many keys were made.

        The head joins in large gaze shifts: call it after ``add_saccades``. ``propensity`` 0 leaves nearly all to the eyes,
        0.5 joins above 20°, 1 turns for everything. ``turn_deg`` and ``sway_m`` are RMS values of the idle head. The eyes hold
        their target, or their direction where they have none, meanwhile.
        """
        return motion.add_head_drift(self.require_parts(), self.scene, seed=seed, start=start, end=end, propensity=propensity,
                                     turn_deg=turn_deg, sway_m=sway_m, keep_edits=keep_edits)

    def add_pupil_life(self, *, seed: int, start: float | None = None, end: float | None = None, keep_edits: bool = True) -> int:
        """Animate the pupils' slow breathing over a range of frames, the scene's by default; return how many keys were made."""
        return motion.add_pupil_life(self.require_parts(), self.scene, seed=seed, start=start, end=end, keep_edits=keep_edits)

    def clear(self, *, start: float | None = None, end: float | None = None) -> int:
        """Remove generated keys, from a range of frames or everywhere; return how many. Your own keys stay."""
        return motion.clear(self.require_parts(), self.scene, start=start, end=end)

    def mark_events(self, *, start: float | None = None, end: float | None = None) -> int:
        """Put a marker on the timeline for each blink and each glance of 5° or more in the range; return how many.

        Markers of an earlier call for this portrait are replaced; ``clear_events`` removes them.
        """
        root, scene = self.require_parts(), self.scene
        return events.mark(root, scene, *(edge if given is None else given for edge, given in
                                          ((scene.frame_start, start), (scene.frame_end, end))), fps=motion.fps_of(scene))

    def clear_events(self) -> int:
        """Remove this portrait's event markers; return how many there were."""
        return events.clear(self.require_parts(), self.scene)

    def capture_gaze(self, clip: str | Path, *, start: float | None = None, head_share: float = 1.0, contact_s: float | None = None,
                     layers: Sequence[str] = ("gaze", "blinks", "head"), wait: bool = True,
                     queue: bool = False) -> Captured | CaptureJob:
        """Let the portrait act what somebody acts in a clip: their gaze, blinks and head as keys in the same layers.

        clip        a video of one face from the front; anyone's. It is read in the backend
        start       the frame of the clip's first picture; default: the scene's first
        head_share  how much of the head's motion to take over, 1 all
        contact_s   a moment of the clip, in seconds, at which the actor looks into the lens; default: found by itself
        layers      which of gaze, blinks and head to take over
        wait        True waits and returns what was captured, False returns a job with ``.progress .poll() .cancel() .result()``
        queue       with wait=False: let it wait in the panel until the jobs before it are done
        """
        from .capture_job import capture_gaze
        return capture_gaze(self, Path(bpy.path.abspath(str(clip))), start=start, head_share=head_share, contact_s=contact_s,
                            only=tuple(layers), wait=wait, queue=queue)

    def live_follow(self, *, seed: int = 0, preset: str = "listening", attention: float = 0.85) -> LiveFollow:
        """Return a session in which the eyes follow a point that you give as time passes, and which can be kept as keys.

        This is what the panel's Follow Live does; from a script: ``follow.step(dt_s, point)`` as often as you like,
        ``follow.start_recording()``, ``follow.keep(start=1)``, ``follow.stop()``.
        """
        from .live_follow import LiveFollow
        return LiveFollow(self, seed=seed, preset=preset, attention=attention)

    def check_motion(self, *, start: float | None = None, end: float | None = None, report: str | Path | None = None) -> MotionCheck:
        """Measure the motion that is played, keys of every kind and the head included, against published norms.

        Returns a ``MotionCheck``: ``.passed``, ``.findings`` (a sentence each), ``.text``. ``report`` names an HTML file to write
        with plots, which needs the backend.
        """
        from .motion_check import check
        return check(self, start=start, end=end, report=report)


def motion_presets() -> dict[str, MotionPreset]:
    """Return the motion presets by name: those that come with GazeSplat and those in ``gs.motion_preset_folder()``."""
    return all_presets(motion.preset_folder())


def motion_preset_folder() -> Path:
    """Return the folder for presets of your own, one JSON file each; it need not exist yet."""
    return motion.preset_folder()
