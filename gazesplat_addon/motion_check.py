# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait.check_motion()``: what the portrait plays, measured against how people move.

Eye channels are read from their F-curves between frames, a thousand times a second. Whether the gaze holds its target is read
from the evaluated scene, so constraints, parents and a head keyed by hand all count.
"""
from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..backend.contract.errors import GazeSplatError
from . import backend_status, compat, motion
from .gaze import check as norms
from .gaze import findings, inputs
from .gaze.check import MotionReport
from .gaze.findings import Finding
from .jobs import process
from .scene import actions, layers, store
from .scene.eye_rig import rest_frames

if TYPE_CHECKING:
    from .portrait import Portrait

_MOST_SAMPLES = 240            # of the evaluated scene: a full evaluation each
_FOLLOWS, _IGNORES = 0.999, 0.001   # influence of the target above and below which the gaze has one clear goal
_CONTACT_DEG = 2.75            # half of the cone of direct gaze
_REPORT_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class MotionCheck:
    """What was measured over a range of frames, and what it means."""

    portrait: str
    start: float
    end: float
    fps: float
    report: MotionReport
    findings: tuple[Finding, ...]
    saved: Path | None = None

    @property
    def passed(self) -> bool:
        """True unless something is wrong."""
        return all(finding.holds is not False for finding in self.findings)

    @property
    def text(self) -> str:
        """A line for each finding."""
        title = f"{self.portrait}, frames {self.start:g} to {self.end:g} at {self.fps:g} fps: {'passed' if self.passed else 'look again'}"
        return "\n".join([title, *map(str, self.findings)])

    def __str__(self) -> str:
        return self.text

    def to_text(self) -> bpy.types.Text:
        """Return the findings as a text of this file, replacing the portrait's last one."""
        name = f"{self.portrait} Motion Check"
        text = bpy.data.texts.get(name) or bpy.data.texts.new(name)
        text.from_string(self.text + "\n")
        return text


def check(portrait: Portrait, *, start: float | None, end: float | None, report: str | Path | None) -> MotionCheck:
    """Measure a portrait; see ``Life.check_motion``."""
    root, scene = portrait.require_parts(), portrait.scene
    first = float(scene.frame_start if start is None else start)
    last = float(scene.frame_end if end is None else end)
    inputs.check_range(first, last, "frame range")
    fps = motion.fps_of(scene)
    times = norms.sample_times(0.0, (last - first) / fps)
    yaw, pitch, closed = _channels(root, first + times * fps)
    measured = norms.report(times, yaw, pitch, closed)
    slip, at_limit = _slips(portrait, scene, first, last)
    contact = float(np.mean(np.hypot(yaw, pitch) <= _CONTACT_DEG))
    recipe = layers.recipe(root, "blinks") or {}
    covers = recipe and recipe["start"] <= first and recipe["end"] >= last
    found = findings.of_eyes(measured, wanted_blinks_per_minute=recipe["per_minute"] if covers else None)
    held = float(np.sqrt(np.mean(slip**2))) if len(slip) else float("nan")
    found += findings.of_target(held, float(slip.max()) if len(slip) else float("nan"), contact, at_limit)
    found += findings.of_layers({name: motion.repeats(root, scene, name) for name in layers.NAMES})
    made = MotionCheck(portrait.name, first, last, fps, measured, tuple(found))
    if report is None:
        return made
    saved = Path(bpy.path.abspath(str(report)))
    _write_report(made, saved, times, yaw, pitch, closed, slip)
    return MotionCheck(*(getattr(made, name) for name in ("portrait", "start", "end", "fps", "report", "findings")), saved)


# ---------------------------------------------------------------- what is played

def _channels(root: bpy.types.Object, frames: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return gaze yaw and pitch off the target (T,) in degrees, and the closed share (T,) that blinks make of the left eye."""
    def play(name: str) -> np.ndarray:
        fcurve = actions.fcurve_for(root, f'["{name}"]')
        return np.full(len(frames), float(root[name])) if fcurve is None or fcurve.mute else actions.read_keys(fcurve).evaluate(frames)
    life = play("life")
    gaze = (play(f"gaze_{axis}") + life * play(f"life_gaze_{axis}") for axis in ("yaw", "pitch"))
    return *gaze, np.clip(np.maximum(play("blink_left"), life * play("life_blink_left")), 0.0, 1.0)


def _slips(portrait: Portrait, scene: bpy.types.Scene, first: float, last: float) -> tuple[np.ndarray, float]:
    """Return how far (N,) degrees each eye is off where it was sent, and the share of samples at which its limits hold it back."""
    count = int(min(_MOST_SAMPLES, np.ceil(last - first) + 1))
    rest = rest_frames(portrait.root)
    if not rest:
        raise GazeSplatError("portrait-old", f"{portrait.name} was loaded by an earlier GazeSplat.", "Use portrait.reload().")
    slips, limited = [], 0
    with _light_scene(scene):
        for frame in np.linspace(first, last, count):
            scene.frame_set(int(frame), subframe=float(frame - int(frame)))
            depsgraph = bpy.context.evaluated_depsgraph_get()
            for side, (matrix, limits) in rest.items():
                slip, free = _slip(portrait, depsgraph, side, matrix, limits)
                limited += not free
                if free and slip is not None:
                    slips.append(slip)
    return np.array(slips), limited / (count * len(rest))


def _slip(portrait: Portrait, depsgraph: bpy.types.Depsgraph, side: str, rest: Matrix,
          limits: tuple[float, float, float]) -> tuple[float | None, bool]:
    """Return the angle between where an eye looks and where it was sent (None where the target counts half), and whether it could."""
    root = portrait.root.evaluated_get(depsgraph)
    head = portrait.head.evaluated_get(depsgraph)
    gaze = portrait.gaze_target.evaluated_get(depsgraph)
    display = store.display_modifier(portrait.root)
    modifier = portrait.object.evaluated_get(depsgraph).modifiers[display.name]
    letter = {"left": "L", "right": "R"}[side]
    yaw, pitch = (float(compat.get_modifier_input(modifier, f"{name} {letter}")) for name in ("Yaw", "Pitch"))
    sideways, up, down = limits
    free = abs(yaw) < sideways - 1e-3 and -down + 1e-3 < pitch < up - 1e-3
    frame = head.matrix_world @ rest
    if abs(frame.to_3x3().determinant()) < 1e-15:   # scaled to nothing: there is no direction to look in
        return None, False
    nasal = -1.0 if side == "left" else 1.0
    dip = 0.7071 * root["life"] * root["life_gaze_dip"]
    sent = (root["gaze_yaw"] + root["life"] * root["life_gaze_yaw"] + nasal * dip,
            root["gaze_pitch"] + root["life"] * root["life_gaze_pitch"] - dip)
    if root["look_at"] >= _FOLLOWS:
        x, y, z = frame.inverted() @ gaze.matrix_world.translation
        goal = frame.to_3x3() @ _direction(sent[0] + np.degrees(np.arctan2(x, -y)), sent[1] + np.degrees(np.arctan2(z, np.hypot(x, y))))
    elif root["look_at"] <= _IGNORES:
        # only what generators turn is given back: a head that is keyed by hand carries the gaze along
        delta = head.delta_rotation_euler.to_matrix()
        still = head.matrix_world.to_3x3() @ head.rotation_euler.to_matrix().inverted() @ delta.inverted() @ head.rotation_euler.to_matrix()
        goal = still @ rest.to_3x3() @ _direction(*sent)
    else:
        return None, free
    return float(np.degrees((frame.to_3x3() @ _direction(yaw, pitch)).angle(goal))), free


def _direction(yaw_deg: float, pitch_deg: float) -> Vector:
    """Return a gaze in the rest frame of an eye: X the subject's left, -Y ahead, Z up."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    return Vector((np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)))


@contextmanager
def _light_scene(scene: bpy.types.Scene) -> Iterator[None]:
    """Keep the node displays from being evaluated at every sample, and put frame and displays back afterwards."""
    shown = [modifier for root in store.splat_roots_in(scene) if (modifier := store.display_modifier(root)) is not None
             and modifier.show_viewport]
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        for modifier in shown:
            modifier.show_viewport = False
        yield
    finally:
        for modifier in shown:
            modifier.show_viewport = True
        scene.frame_set(frame, subframe=subframe)


# ---------------------------------------------------------------- the report with plots

def _write_report(made: MotionCheck, saved: Path, times: np.ndarray, yaw: np.ndarray, pitch: np.ndarray, closed: np.ndarray,
                  slip: np.ndarray) -> None:
    """Let the backend draw the plots: Blender's Python has no library for it."""
    if saved.suffix.lower() != ".html":
        raise GazeSplatError("bad-value", f"The report {saved.name} is not an HTML file.", "Give a name that ends in .html.")
    python = backend_status.python()
    with tempfile.TemporaryDirectory(prefix="gazesplat-") as folder:
        data = Path(folder) / "motion.npz"
        np.savez(data, times_s=times, yaw_deg=yaw.astype(np.float32), pitch_deg=pitch.astype(np.float32),
                 closed=closed.astype(np.float32), slip_deg=slip.astype(np.float32))
        words = {"title": made.text.splitlines()[0],
                 "findings": [[None if f.holds is None else bool(f.holds), f.title, f.sentence] for f in made.findings]}
        (Path(folder) / "words.json").write_text(json.dumps(words), "utf-8")
        page = Path(folder) / "report.html"
        done = subprocess.run([str(python), "-I", "-X", "utf8", str(process.BACKEND), "motion-report", folder, str(page)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_REPORT_TIMEOUT_S,
                              env=process.scrubbed_environment())
        if done.returncode or not page.is_file():
            raise GazeSplatError("report-failed", f"The backend could not draw the report: {done.stderr.strip().splitlines()[-1:]}.",
                                 "Examine the backend in the panel; check_motion() works without a report.")
        try:
            part = saved.with_name(saved.name + ".part")
            part.write_bytes(page.read_bytes())
            part.replace(saved)
        except OSError as error:
            raise GazeSplatError("no-access", f"{saved} cannot be written: {error.strerror}.", "Choose another folder.") from error
