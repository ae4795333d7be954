# SPDX-License-Identifier: GPL-3.0-or-later
"""The same frame by our engine, Cycles and EEVEE, timed: what ``python3 dev.py bench engine`` runs in Blender's Python.

    python docs/examples/engine_frames.py --portrait FOLDER --camera FILE --json FILE [--columns 48]

Cycles takes minutes of processor time for a frame that hits a hundred splats a pixel, so it draws some columns of the
head and the figure is scaled by their share of the head's pixels; what an empty border takes counts once.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import bpy
import numpy as np
from demo_scene import checkout
from mathutils import Matrix

GLANCES_DEG = (-3.0, 12.0, -7.0, 9.0, 0.0)     # the last is that of the pictures that are compared
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def main() -> None:
    """Time every engine and write the figures."""
    asked = _arguments()
    gs = checkout()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    portrait = gs.load(asked.portrait.absolute(), name="Head")
    portrait.look_at(None)
    width, height = set_camera(scene, json.loads(asked.camera.read_text("utf-8")))
    scene.render.film_transparent = True
    portrait.setup_render(engine="gazesplat")
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    scene.render.image_settings.color_mode, scene.render.filepath = "RGBA", str(asked.json.with_suffix(".exr"))
    figures = {"version": bpy.app.version_string, "width": width, "height": height, "gazesplat": glances(portrait)}
    own = picture(scene)
    portrait.setup_render(engine="eevee")
    figures["eevee"] = glances(portrait, frames=2)
    figures["eevee"]["psnr_db"] = psnr_db(own, picture(scene))
    portrait.setup_render(engine="cycles")
    figures["cycles"] = cycles(scene, own, asked.columns)
    asked.json.write_text(json.dumps(figures), "utf-8")


def set_camera(scene: bpy.types.Scene, camera: dict) -> tuple[int, int]:
    """Give the scene the camera of a benchmark (OpenCV axes, centred) and return the frame's size."""
    width, height = camera["w"], camera["h"]
    lens = scene.camera.data
    lens.sensor_fit, lens.sensor_width, lens.shift_x, lens.shift_y = "HORIZONTAL", 36.0, 0.0, 0.0
    lens.lens = camera["fx"] * 36.0 / width
    scene.camera.parent = None
    scene.camera.matrix_world = Matrix((np.linalg.inv(np.array(camera["w2c"])) @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    return width, height


def glances(portrait, frames: int = len(GLANCES_DEG)) -> dict[str, float]:
    """Return seconds by the clock and of processors of the fastest frame, each with another gaze; the first only warms up."""
    found = []
    for yaw_deg in GLANCES_DEG[:frames]:
        portrait.gaze = (yaw_deg, 0.0)
        bpy.context.view_layer.update()
        found.append(timed_render())
    return {"s": min(s for s, _ in found[1:]), "cpu_s": min(cpu for _, cpu in found[1:]), "first_s": found[0][0]}


def cycles(scene: bpy.types.Scene, own: np.ndarray, columns: int) -> dict[str, float]:
    """Return what Cycles takes, from some columns through the middle of the head and as many beside it; and how alike they are."""
    covered = own[..., 3].sum(0)
    width, first = len(covered), int(np.argmax(covered))
    first = min(max(first - columns // 2, 0), width - columns)
    set_columns(scene, 0, columns, width)
    timed_render()
    empty = timed_render()
    set_columns(scene, first, first + columns, width)
    strip = timed_render(write=True)
    share = float(covered[first:first + columns].sum() / covered.sum())
    whole = [nothing + max(some - nothing, 0.0) / share for nothing, some in zip(empty, strip, strict=True)]
    drawn = pixels_of(scene)[:, first:first + columns]
    return {"s": whole[0], "cpu_s": whole[1], "strip_cpu_s": strip[1], "empty_cpu_s": empty[1], "columns": columns, "share": share,
            "psnr_db": psnr_db(own[:, first:first + columns], drawn)}


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    """Return the PSNR of two scene-linear pictures, rgb and alpha, values to 1."""
    return float(-10.0 * np.log10(max(np.mean(np.square(one.astype(np.float64) - other)), 1e-20)))


def set_columns(scene: bpy.types.Scene, first: int, last: int, width: int) -> None:
    """Render only some columns of the frame."""
    render = scene.render
    render.use_border, render.border_min_y, render.border_max_y = True, 0.0, 1.0
    render.border_min_x, render.border_max_x = (first + 0.25) / width, (last + 0.25) / width


def picture(scene: bpy.types.Scene) -> np.ndarray:
    """Render and return the picture (H, W, 4), scene-linear."""
    timed_render(write=True)
    return pixels_of(scene)


def pixels_of(scene: bpy.types.Scene) -> np.ndarray:
    """Return the picture that was written last (H, W, 4)."""
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    width, height = image.size
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)


def timed_render(*, write: bool = False) -> tuple[float, float]:
    """Return the seconds of one render: by the clock, and of processors, the worker's included."""
    started, used = time.perf_counter(), processor_seconds()
    bpy.ops.render.render(write_still=write)
    return time.perf_counter() - started, processor_seconds() - used


def processor_seconds() -> float:
    """Return the processor time of this process and its children, where /proc tells; else only this one's."""
    total = time.process_time()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # a process that has ended meanwhile
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portrait", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--camera", type=Path, required=True, metavar="FILE", help="a camera as backend.render.Camera.as_dict() writes it")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--columns", type=int, default=48)
    return parser.parse_args()


if __name__ == "__main__":
    main()
    # Everything is on disk. Blender 4.5's module can wait for one of its own threads for ever while it is torn down.
    sys.stdout.flush()
    os._exit(0)
