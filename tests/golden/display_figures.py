# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender side of ``dev.py bench display``: measures in this interpreter's Blender and prints one JSON object, last.

``render`` compares pictures with the readable rasteriser, ``crowd`` windows of one of very many splats; ``import`` compares ways
to bring a PLY in; ``memory`` imports once.
"""
from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import tests.conftest  # noqa: F401  loads the checkout as the package gazesplat, with an empty profile

import bpy  # isort: skip
import numpy as np  # isort: skip

from gazesplat.gazesplat_addon import compat  # isort: skip
from gazesplat.gazesplat_addon.scene import portrait_object, render_settings  # isort: skip
from gazesplat.gazesplat_addon.scene.splat_object import create_carrier, create_splat_object  # isort: skip
from gazesplat.gazesplat_addon.splat.ply import read_ply, write_ply  # isort: skip
from gazesplat.tests.golden import scenes  # isort: skip

# Windows of a crowd's picture that are compared: the reference needs seconds of processor time for each.
WINDOWS, WINDOW_PX = 12, 32
# The loop is given this share of the splats: it would take minutes, and its time grows with their number.
LOOP_SHARE = 20


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("render", "crowd", "import", "memory"))
    parser.add_argument("--splats", type=int, default=150_000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--degree", type=int, default=0)
    parser.add_argument("--engine", choices=("CYCLES", "EEVEE"), default="CYCLES")
    parser.add_argument("--ply", type=Path, help="made when it is missing")
    parser.add_argument("--plyfile", type=Path, help="the module plyfile")
    arguments = parser.parse_args()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    figures = {"render": render, "crowd": crowd, "import": import_times, "memory": import_memory}[arguments.part](arguments)
    sys.stdout.write("\n" + json.dumps({"blender": bpy.app.version_string, **figures}) + "\n")


def render(arguments: argparse.Namespace) -> dict:
    """Return PSNR against the reference and processor seconds of one frame."""
    scene = bpy.context.scene
    splats = scenes.synthetic_splats(arguments.splats, arguments.degree)
    carrier = create_splat_object("Head", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, arguments.size, arguments.size)
    expected = scenes.reference_picture(scene, carrier, splats)
    compat.set_modifier_input(carrier.modifiers[0], "Sort", arguments.engine == "EEVEE")
    render_settings.prepare_render(scene, engine=arguments.engine, transparent=True)
    with tempfile.TemporaryDirectory() as folder:
        scenes.set_size(scene, 16, 16)
        scenes.render(scene, Path(folder), engine=arguments.engine, prepare=False)   # shaders are compiled once
        scenes.set_size(scene, arguments.size, arguments.size)
        started = time.process_time()
        picture = scenes.render(scene, Path(folder), engine=arguments.engine, prepare=False)
        frame_s = time.process_time() - started
    compat.set_modifier_input(carrier.modifiers[0], "Exact in Viewport", True)
    return {"psnr_db": scenes.psnr_db(picture, expected), "frame_cpu_s": frame_s,
            "evaluation_cpu_s": fastest(lambda: evaluate(carrier)), "peak_mb": peak_mb()}


def crowd(arguments: argparse.Namespace) -> dict:
    """Return PSNR over random windows, that of the worst, and what evaluating costs, with and without room between depths."""
    scene, size = bpy.context.scene, arguments.size
    splats = scenes.synthetic_splats(arguments.splats)
    carrier = create_splat_object("Crowd", splats, collection=scene.collection)
    scenes.add_camera(scene)
    scenes.set_size(scene, size, size)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        picture = scenes.render(scene, Path(folder))
        frame_s = time.process_time() - started
    camera, random = scenes.reference_camera(scene), np.random.default_rng(0)
    errors = []
    while len(errors) < WINDOWS:
        left, top = (int(value) for value in random.integers(0, size - WINDOW_PX, 2))
        seen = picture[top:top + WINDOW_PX, left:left + WINDOW_PX]
        if seen[..., 3].mean() > 0.1:
            errors.append(10.0 ** (-0.1 * scenes.psnr_db(seen, scenes.reference_window(splats, camera, left, top, WINDOW_PX, WINDOW_PX))))
    modifier = carrier.modifiers[0]
    compat.set_modifier_input(modifier, "Exact in Viewport", True)
    times = {}
    for name, sort in (("evaluation_cpu_s", False), ("unspaced_cpu_s", True)):
        compat.set_modifier_input(modifier, "Sort", sort)
        times[name] = fastest(lambda: evaluate(carrier))
    return {"splats": arguments.splats, "windows": WINDOWS, "psnr_db": float(-10.0 * np.log10(np.mean(errors))),
            "worst_db": float(-10.0 * np.log10(np.max(errors))), "frame_cpu_s": frame_s, **times, "peak_mb": peak_mb()}


def evaluate(carrier: bpy.types.Object) -> None:
    """Evaluate the node tree once."""
    carrier.update_tag(refresh={"DATA"})
    bpy.context.evaluated_depsgraph_get().update()


def import_times(arguments: argparse.Namespace) -> dict:
    """Return processor seconds of five ways to bring the same file in, the fastest of three turns each."""
    path, count = made(arguments), arguments.splats
    ways: dict[str, Callable[[], object]] = {
        "floor": lambda: floor(path, count), "ours": lambda: create_carrier("ours", read_ply(path)),
        "native": lambda: bpy.ops.wm.ply_import(filepath=str(path), import_attributes=True)}
    if arguments.plyfile:
        module = importlib.util.spec_from_file_location("plyfile", arguments.plyfile)
        plyfile = importlib.util.module_from_spec(module)
        sys.modules["plyfile"] = plyfile
        module.loader.exec_module(plyfile)
        ways["plyfile"] = lambda: from_table(plyfile.PlyData.read(str(path))["vertex"].data)
    best = dict.fromkeys(ways, np.inf)
    for _ in range(3):
        for name, way in ways.items():
            started = time.process_time()
            way()
            best[name] = min(best[name], time.process_time() - started)
            clear()
    started = time.process_time()
    loop(path, count, count // LOOP_SHARE)
    best["python_loop"] = (time.process_time() - started) * LOOP_SHARE
    clear()
    started = time.process_time()
    portrait_object.load_portrait(path)
    return {"splats": count, "file_mb": path.stat().st_size / 1e6, "first_portrait_cpu_s": time.process_time() - started,
            "cpu_s": best, "ratio_to_floor": {name: seconds / best["floor"] for name, seconds in best.items()}}


def floor(path: Path, count: int) -> None:
    """Do nothing but what cannot be left out: map the file, copy columns, hand them to Blender."""
    table = np.memmap(path, "<f4", "r", path.stat().st_size - count * 62 * 4, (count, 62))
    columns = {"position": [0, 1, 2], "base": [6, 7, 8, 54], "scale": [55, 56, 57], "rotation": [58, 59, 60, 61]}
    columns |= {f"sh_{k}": [9 + k, 24 + k, 39 + k] for k in range(15)}
    mesh = bpy.data.meshes.new("floor")
    mesh.vertices.add(count)
    for name, index in columns.items():
        put(mesh, name, table[:, index])
    mesh.update()


def from_table(table: np.ndarray) -> None:
    """Hand a structured table to Blender, as a simple importer does."""
    mesh = bpy.data.meshes.new("plyfile")
    mesh.vertices.add(len(table))

    def columns(*names: str) -> np.ndarray:
        return np.stack([table[name] for name in names], 1)

    put(mesh, "position", columns("x", "y", "z"))
    put(mesh, "base", columns("f_dc_0", "f_dc_1", "f_dc_2", "opacity"))
    put(mesh, "scale", columns("scale_0", "scale_1", "scale_2"))
    put(mesh, "rotation", columns("rot_0", "rot_1", "rot_2", "rot_3"))
    for k in range(15):
        put(mesh, f"sh_{k}", columns(f"f_rest_{k}", f"f_rest_{15 + k}", f"f_rest_{30 + k}"))
    mesh.update()


def put(mesh: bpy.types.Mesh, name: str, values: np.ndarray) -> None:
    """Fill one attribute (N, 3) or (N, 4) float32."""
    kind, field = ("FLOAT_VECTOR", "vector") if values.shape[1] == 3 else ("FLOAT_COLOR", "color")
    attribute = mesh.attributes["position"] if name == "position" else mesh.attributes.new(name, kind, "POINT")
    attribute.data.foreach_set(field, np.ascontiguousarray(values, np.float32).ravel())


def loop(path: Path, count: int, taken: int) -> None:
    """Set position and colour of each splat by itself, as importers without numpy do; the harmonics are left out."""
    table = np.memmap(path, "<f4", "r", path.stat().st_size - count * 62 * 4, (count, 62))
    mesh = bpy.data.meshes.new("loop")
    mesh.vertices.add(taken)
    colours = mesh.attributes.new("base", "FLOAT_COLOR", "POINT").data
    for i in range(taken):
        row = table[i]
        mesh.vertices[i].co = row[0:3]
        red, green, blue = (0.5 + 0.28209479 * float(value) for value in row[6:9])
        colours[i].color = (red, green, blue, 1.0 / (1.0 + np.exp(-float(row[54]))))


def import_memory(arguments: argparse.Namespace) -> dict:
    """Return how much the peak of this process grows while a portrait is imported, and over the file's size."""
    path = made(arguments)
    before = peak_mb()
    portrait_object.load_portrait(path)
    grown = peak_mb() - before
    return {"import_peak_mb": grown, "peak_over_file": grown / (path.stat().st_size / 1e6)}


def made(arguments: argparse.Namespace) -> Path:
    """Return the PLY to import."""
    if not arguments.ply.exists():
        write_ply(arguments.ply, scenes.synthetic_splats(arguments.splats, 3))
    return arguments.ply


def clear() -> None:
    """Remove what was imported."""
    bpy.data.batch_remove([*bpy.data.objects, *bpy.data.meshes])


def fastest(work: Callable[[], object]) -> float:
    """Return processor seconds of the fastest of three runs after one that is not timed."""
    times = []
    for _ in range(4):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times[1:])


def peak_mb() -> float:
    """Return the most memory this process has held, MB."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes * 1024 / 1e6


if __name__ == "__main__":
    main()
