# SPDX-License-Identifier: GPL-3.0-or-later
"""Does anything grow while one works on and on: ``python3 dev.py bench soak [--blender 4.5]``.

A portrait is imported, animated, directed, undone and deleted again, hundreds of times in one session; then files are opened; then one
is played for thousands of frames. Counted are the process's memory, every kind of data-block, handlers, threads, open files, Python
objects, and what the live display holds on the graphics card (from Blender 5.2 on: before, nothing is drawn without a window, and the
window's own walk is that of tests/gui/test_soak.py).
"""
from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if __name__ == "__main__":
    from tests import conftest  # names an empty profile before Blender looks for one

# isort: split
import bpy
import gpu
import numpy as np

SAMPLES = 40
# Until undo's 32 steps are full and caches are warm, growth is no leak.
WARM_UP_SHARE = 0.4
SIZE_PX = 256
UNDO_EVERY, FILE_SHARE, LEAST_FILES = 5, 0.1, 10
PRESETS = ("interview", "listening")
# Of the whole walk: a portrait that stays is 1 MB of arrays, textures and node trees at least, an object some kB.
MOST_KB_PER_STEP = {"cycles": 20.0, "files": 40.0, "frames": 1.0}


def memory_kb() -> int:
    """Return the resident memory, after the allocator has given back what it holds in reserve; 0 where it cannot be told (not Linux)."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)    # glibc's
    if trim is not None:
        trim(0)
    return next(int(line.split()[1]) for line in status.read_text("ascii").splitlines() if line.startswith("VmRSS"))


def census(package: str) -> Counter:
    """Return how many there are of everything that could stay behind, by name; ``package``: whose Python objects are named."""
    counts = Counter({f"data.{name}": len(getattr(bpy.data, name)) for name, prop in bpy.data.bl_rna.properties.items()
                      if prop.type == "COLLECTION"})
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            counts[f"handlers.{name}"] = len(handlers)
    objects = gc.get_objects()
    counts.update(f"ours.{type(one).__name__}" for one in objects if str(type(one).__module__).startswith(package))
    counts["python objects"], counts["threads"] = len(objects), threading.active_count()
    files = Path("/proc/self/fd")
    counts["open files"] = len(list(files.iterdir())) if files.is_dir() else 0
    return counts


@dataclass
class Part:
    """One part of the walk: samples of (step, memory in kB, census)."""

    name: str
    steps: int
    package: str
    samples: list[tuple[int, int, Counter]] = field(default_factory=list)

    def look(self, step: int) -> None:
        """Take a sample, if it is time for one; steps count from 1."""
        if step == self.steps or step % max(1, self.steps // SAMPLES) == 0:
            self.samples.append((step, memory_kb(), census(self.package)))

    @property
    def _warm(self) -> list[tuple[int, int, Counter]]:
        return [one for one in self.samples if one[0] >= WARM_UP_SHARE * self.steps]

    @property
    def kb_per_step(self) -> float:
        """The slope of the memory once warm: the median of the slopes between any two samples (Theil and Sen), which no outlier sways."""
        steps, kb = (np.array([one[k] for one in self._warm], float) for k in (0, 1))
        first, second = np.triu_indices(len(steps), 1)
        return float(np.median((kb[second] - kb[first]) / (steps[second] - steps[first])))

    @property
    def grown(self) -> dict[str, tuple[int, int]]:
        """What there is more of in the last half of the warm samples than ever in the first: name to (most before, least after)."""
        warm = [one[2] for one in self._warm]
        before, after = warm[:len(warm) // 2], warm[len(warm) // 2:]
        pairs = {name: (max(one[name] for one in before), min(one[name] for one in after)) for name in set().union(*warm)}
        # Python's own caches come and go; what we leak comes with every step.
        spare = {"python objects": max(20, self.steps // 10)}
        return {name: pair for name, pair in sorted(pairs.items()) if pair[1] > pair[0] + spare.get(name, 0)}

    def report(self) -> dict:
        """Return the figures."""
        return {"part": self.name, "steps": self.steps, "kb_per_step": self.kb_per_step, "grown": self.grown,
                "first_mb": self.samples[0][1] / 1024, "warm_mb": self._warm[0][1] / 1024, "last_mb": self.samples[-1][1] / 1024,
                "last": dict(self.samples[-1][2])}


def walk(gs: ModuleType, portrait: Path, *, cycles: int, frames: int, drawn: Callable[[], None], parts: list[Part]) -> Iterator[None]:
    """Do it all, a yield a step, so that a window can draw in between; ``drawn`` is called where it would."""
    bpy.ops.ed.undo_push(message="Begin")    # without a window, undo begins with this
    for name, steps, one in (("cycles", cycles, _cycle), ("files", max(LEAST_FILES, int(FILE_SHARE * cycles)), _file)):
        part = Part(name, steps, gs.__name__)
        parts.append(part)
        for step in range(1, steps + 1):
            yield from one(gs, portrait, step, drawn)
            part.look(step)
    played, part = gs.load(portrait, name="Played"), Part("frames", frames, gs.__name__)
    parts.append(part)
    played.animate(PRESETS[0], seed=1, start=1, end=frames)
    played.look_at(bpy.context.scene.camera)
    for frame in range(1, frames + 1):
        bpy.context.scene.frame_set(frame)
        drawn()
        yield
        part.look(frame)


def _cycle(gs: ModuleType, portrait: Path, step: int, drawn: Callable[[], None]) -> Iterator[None]:
    """Import, animate, direct, undo and redo now and then, delete: each by the operator that a button calls, which undo keeps."""
    ours, scene = bpy.ops.gazesplat, bpy.context.scene
    ours.import_portrait("EXEC_DEFAULT", True, filepath=str(portrait / "portrait.ply"))
    yield
    ours.animate("EXEC_DEFAULT", True, preset=PRESETS[step % len(PRESETS)], seed=step)
    ours.look_at_camera("EXEC_DEFAULT", True)
    scene.frame_set(1 + step % 200)
    drawn()
    yield
    engine = ("cycles", "eevee", "gazesplat")[step % 3]
    ours.set_up_render("EXEC_DEFAULT", True, engine=engine, colour_mode="exact" if step % 2 or engine == "gazesplat" else "scene-linear")
    if step % UNDO_EVERY == 0:
        bpy.ops.ed.undo()
        drawn()
        yield
        bpy.ops.ed.redo()
    drawn()
    yield
    for one in gs.portraits():
        one.object.select_set(True)
        bpy.context.view_layer.objects.active = one.root
    ours.delete_portrait("EXEC_DEFAULT", True)
    assert not gs.portraits()
    drawn()
    yield


def _file(gs: ModuleType, portrait: Path, step: int, drawn: Callable[[], None]) -> Iterator[None]:
    """Open another file, with a portrait in it."""
    bpy.ops.wm.read_homefile(use_empty=False)
    yield
    gs.load(portrait).animate(PRESETS[1], seed=step)
    drawn()
    yield


# ---------------------------------------------------------------- without a window

class Drawn:
    """Draws what a viewport would, into a texture: the live display and its listeners, which background mode leaves out."""

    def __init__(self, room: Callable[[str], ModuleType]) -> None:
        self.works = hasattr(gpu, "init")    # from 5.2 on
        if not self.works:
            return
        gpu.init()
        display, uniforms = room("gazesplat_addon.viewport.display"), room("gazesplat_addon.viewport.uniforms")
        self._painter = room("gazesplat_addon.viewport.painter").Painter()
        to_view = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, -0.6], [0.0, 0.0, 0.0, 1.0]])
        projection = np.array([[4.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0], [0.0, 0.0, -1.0002, -0.02], [0.0, 0.0, -1.0, 0.0]])
        self._view = uniforms.View(to_view, projection, SIZE_PX, SIZE_PX)
        self._display = display.display
        self._display.has_viewports, self._display.on = True, True
        self._listeners = room("gazesplat_addon.viewport.listeners")._listeners()
        for handlers, function in self._listeners:
            handlers.append(function)

    def close(self) -> None:
        """Listen no more."""
        if self.works:
            for handlers, function in self._listeners:
                handlers.remove(function)
            self._display.close()
            self._display.has_viewports = False

    def __call__(self) -> None:
        """One picture."""
        if not self.works:
            return
        self._display.settle()    # in a window, a timer does this
        seen = self._display.portraits.seen(bpy.context.evaluated_depsgraph_get())
        if seen:
            self._painter.paint(self._view, [one.shown for one in seen], scene_linear=seen[0].scene_linear, wait=True)
            self._painter.blended.read()


def soak(gs: ModuleType, *, cycles: int, frames: int, splats: int) -> list[Part]:
    """Walk without a window and return the parts."""
    from tests.portrait_files import write_portrait

    parts: list[Part] = []
    drawn = Drawn(lambda name: importlib.import_module(f"{gs.__name__}.{name}"))
    with tempfile.TemporaryDirectory() as folder:
        portrait = write_portrait(Path(folder) / "made-up", head_count=splats)
        for _ in walk(gs, portrait, cycles=cycles, frames=frames, drawn=drawn, parts=parts):
            pass
    drawn.close()
    return parts


def as_text(parts: list[Part]) -> str:
    """Return the figures as lines."""
    lines = [f"Blender {bpy.app.version_string}; load {os.getloadavg()[0]:.1f}"]
    for part in parts:
        figures = part.report()
        first, warm, last = (figures[f"{when}_mb"] for when in ("first", "warm", "last"))
        lines.append(f"{part.steps:>6} {part.name:<7} {figures['kb_per_step']:+8.2f} kB a step; MB at first {first:.1f}, warm {warm:.1f}, "
                     f"at last {last:.1f}")
        lines += [f"       more and more: {name} {before} -> {after}" for name, (before, after) in figures["grown"].items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the soak; returns 1 where something grows."""
    parser = argparse.ArgumentParser(prog="bench soak", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--cycles", type=int, default=500, metavar="N")
    parser.add_argument("--frames", type=int, default=2000, metavar="N")
    parser.add_argument("--splats", type=int, default=2000, metavar="N", help="of the made-up head, beside 8,010 of its eyes")
    arguments = parser.parse_args()
    parts = soak(conftest.enabled_extension(), cycles=arguments.cycles, frames=arguments.frames, splats=arguments.splats)
    sys.stdout.write(as_text(parts))
    if arguments.json:
        arguments.json.write_text(json.dumps([part.report() for part in parts], indent=1) + "\n", "utf-8")
    return int(any(part.grown or part.kb_per_step > MOST_KB_PER_STEP[part.name] for part in parts))


if __name__ == "__main__":
    sys.exit(main())
