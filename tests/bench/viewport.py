# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of gaze costs the viewport: ``python3 dev.py bench viewport``, in Blender 5.2 without a window.

Three ways in one run: our live display (uniforms, and an order sorted anew), the way of splat viewers that know no rig (pose on
the CPU, send every splat's floats again, sort everything), and the node display. Processor seconds of the whole process, threads
included; the card's work is left out: drawing the quads is the same for the first two, and putting the eyes into the order
(a fragment a splat, some 14 texels each) is given apart, as software OpenGL does it.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import gpu
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests import conftest  # noqa: F401  makes the checkout importable as ``gazesplat``

# isort: split
from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.scene import carriers, portrait_object, store
from gazesplat.gazesplat_addon.splat.arrays import Splats
from gazesplat.gazesplat_addon.viewport import resting
from gazesplat.gazesplat_addon.viewport.painter import HeldSplats, Painter, Shown
from gazesplat.gazesplat_addon.viewport.traffic import splat_texture, traffic
from gazesplat.gazesplat_addon.viewport.uniforms import View
from tests.portrait_files import write_portrait
from tests.synthetic import synthetic_portrait

EYE_SPLATS = 8010    # of the made-up portrait
REPEATS = 7
GLIDE_STEPS = 20
SIZE = 512


def view() -> View:
    """Return a view of the face from 0.6 m."""
    to_view = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, -0.6], [0.0, 0.0, 0.0, 1.0]])
    near, far, focal = 0.01, 100.0, 4.0
    projection = np.diag([focal, focal, -(far + near) / (far - near), 0.0])
    projection[2, 3], projection[3, 2] = -2.0 * far * near / (far - near), -1.0
    return View(to_view, projection, SIZE, SIZE)


def eyes_at(yaw_deg: float) -> dict[str, tuple[float, ...]]:
    """Return a pose of both eyes with half a blink."""
    return {side: (yaw_deg, -4.0, 0.5, 1.1) for side in ("left", "right")}


def cheapest(work: Callable[[float], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the milliseconds of the cheapest of several gaze changes."""
    work(0.0)
    times = []
    for k in range(REPEATS):
        started = clock()
        work(1.0 + k)
        times.append(clock() - started)
    return 1e3 * min(times)


def gaze_change(count: int, degree: int) -> dict:
    """Return what one change of gaze costs, live and by sending everything again."""
    splats, groups, rig = synthetic_portrait(head_count=max(count - EYE_SPLATS, 0), sh_degree=degree)
    arrays = {name: getattr(splats, name) for name in ("means", "scales", "rotations", "opacities", "colours")} | {"groups": groups}
    if degree:
        arrays["sh_rest"] = splats.sh_rest
    held, painter, seen = HeldSplats(arrays, rig.eyes), Painter(), view()

    def shown(yaw_deg: float) -> Shown:
        return Shown(held, np.eye(4), eyes_at(yaw_deg), {})

    def live(yaw_deg: float) -> None:
        painter.prepare(seen, [shown(yaw_deg)], wait=True)

    def live_main_thread(yaw_deg: float) -> None:
        painter.prepare(seen, [shown(yaw_deg)])

    def all_again(yaw_deg: float) -> None:
        _send_everything(splats, groups, rig, eyes_at(yaw_deg), seen)

    report = {"splats": len(splats), "sh_degree": degree}
    for name, work in (("live", live), ("all_again", all_again)):
        work(10.0)
        before = traffic.copy()
        work(20.0)
        sent = traffic.since(before)
        report[f"{name}_bytes"] = sent.texture_bytes + sent.uniform_bytes
        report[f"{name}_cpu_ms"] = cheapest(work)
    report["glide_cpu_ms"] = min(_glide(painter, lambda yaw_deg: [shown(yaw_deg)], seen) for _ in range(REPEATS))
    report["live_main_thread_cpu_ms"] = cheapest(live_main_thread, time.thread_time)
    before = traffic.copy()
    painter.paint(seen, [shown(3.0)], wait=True)
    report["draw_calls_new_order"] = traffic.since(before).draw_calls + 1   # and the composite
    before = traffic.copy()
    painter.paint(seen, [shown(3.0)], wait=True)
    report["draw_calls"] = traffic.since(before).draw_calls + 1
    report["software_merge_cpu_ms"] = cheapest(lambda yaw_deg: _merge(painter, [shown(yaw_deg)], seen)) - cheapest(
        lambda _: painter.order.read())  # a picture is drawn when it is read
    started = time.process_time()
    painter.paint(seen, [shown(3.0)], wait=True)
    painter.blended.read()
    report["software_frame_cpu_ms"] = 1e3 * (time.process_time() - started)
    return report


def _merge(painter: Painter, shown: list[Shown], seen: View) -> None:
    painter.prepare(seen, shown, wait=True)
    painter.merge()
    painter.order.read()


def _glide(painter: Painter, shown: Callable[[float], list[Shown]], seen: View) -> float:
    """Return the processor milliseconds of a step of eyes that follow something at a degree a frame, all threads, and come to rest."""
    painter.prepare(seen, shown(0.0), wait=True)
    started = time.process_time()
    for step in range(1, GLIDE_STEPS + 1):
        painter.prepare(seen, shown(float(step)))
        while painter.sorter.running:
            time.sleep(1e-4)     # a frame lasts longer than a sort
    painter.prepare(seen, shown(float(GLIDE_STEPS)))
    while painter.sorter.running:
        time.sleep(1e-4)
    return 1e3 * (time.process_time() - started) / GLIDE_STEPS


def _send_everything(splats: Splats, groups: np.ndarray, rig: object, eyes: dict, seen: View) -> list:
    """Do what a viewer without a rig does: pose on the CPU, sort everything, send all floats. View-dependent colour stays the shader's."""
    bare = Splats(splats.means, splats.scales, splats.rotations, splats.opacities, splats.colours, splats.sh_rest[:, :0])
    posed = pose_splats(bare, groups, rig, Pose({side: EyePose(*values) for side, values in eyes.items()}))
    order = np.argsort(posed.means @ seen.from_world[2, :3].astype(np.float32))
    textures = [splat_texture(np.column_stack([posed.means, posed.opacities]), "RGBA32F"),
                splat_texture(np.pad(posed.factors.reshape(-1, 9), ((0, 0), (0, 3))).reshape(-1, 3, 4), "RGBA32F"),
                splat_texture(np.pad(posed.colours, ((0, 0), (0, 1))), "RGBA32F"),
                splat_texture(order.astype(np.float32)[:, None], "R32F")]
    if splats.sh_degree:
        textures.append(splat_texture(np.pad(splats.sh_rest, ((0, 0), (0, 0), (0, 1))), "RGBA16F"))
    return textures


def node_display(count: int) -> dict:
    """Return what a change of gaze costs the node display, awake and at rest."""
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        root = portrait_object.load_portrait(write_portrait(Path(folder) / "made-up", head_count=count - EYE_SPLATS), name="Made Up")
        modifier = carriers.display_modifier(store.part_of(root, store.SPLATS))

        def change(yaw_deg: float) -> None:
            root["gaze_yaw"] = yaw_deg
            root.update_tag()
            bpy.context.view_layer.update()

        report = {"squares_cpu_ms": cheapest(change)}
        compat.set_modifier_input(modifier, "Exact in Viewport", True)
        report["exact_cpu_ms"] = cheapest(change)
        compat.set_modifier_input(modifier, "Exact in Viewport", False)
        resting.settle(True)
        report["resting_cpu_ms"] = cheapest(change)
    return report


def as_text(report: dict) -> str:
    """Return the report as a table."""
    lines = [f"one change of gaze, processor milliseconds; load {report['load']:.1f}; {report['renderer']}",
             f"{'':28}{'live':>10}{'all again':>11}{'ratio':>8}{'live kB':>9}{'all kB':>9}{'ratio':>8}{'main thread':>13}{'draws':>7}"]
    for case in report["gaze"]:
        cpu, again, sent, all_sent = (case[key] for key in ("live_cpu_ms", "all_again_cpu_ms", "live_bytes", "all_again_bytes"))
        lines.append(f"{case['splats']:>8} splats, SH {case['sh_degree']:<11}{cpu:10.1f}{again:11.1f}{again / cpu:8.0f}{sent / 1e3:9.0f}"
                     f"{all_sent / 1e3:9.0f}{all_sent / sent:8.0f}{case['live_main_thread_cpu_ms']:13.2f}{case['draw_calls']:7}")
        lines.append(f"{'':9}a new order put together by the card, in software {case['software_merge_cpu_ms']:.1f}; draw calls then "
                     f"{case['draw_calls_new_order']}")
        lines.append(f"{'':9}following at a degree a frame {case['glide_cpu_ms']:5.1f}{again:11.1f}{again / case['glide_cpu_ms']:8.0f}")
    nodes = report["nodes"]
    lines.append(f"node display: exact quads {nodes['exact_cpu_ms']:.0f}, squares {nodes['squares_cpu_ms']:.0f}, at rest "
                 f"{nodes['resting_cpu_ms']:.2f}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the benchmark; returns 0."""
    parser = argparse.ArgumentParser(prog="bench viewport", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--splats", type=int, default=150_000, metavar="N")
    arguments = parser.parse_args()
    gpu.init()
    report = {"load": os.getloadavg()[0], "renderer": gpu.platform.renderer_get(),
              "gaze": [gaze_change(arguments.splats, degree) for degree in (0, 3)], "nodes": node_display(arguments.splats)}
    sys.stdout.write(as_text(report))
    if arguments.json:
        part = arguments.json.with_suffix(arguments.json.suffix + ".part")
        part.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        part.replace(arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
