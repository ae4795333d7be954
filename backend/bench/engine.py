# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine on a made-up portrait, beside Cycles and EEVEE: ``python3 dev.py bench engine [--json FILE]``.

One run, one scene: a head of 150,000 splats (harmonics of degree 1, 8,000 of them eyes) that fills the frame's height. The worker is
driven through its own pipe, as Blender drives it. Clock times depend on what else the machine does: processor time and
ratios are what to compare.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...gazesplat_addon.rig.pose import Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import save_sidecar, to_json
from ...gazesplat_addon.splat.ply import write_ply
from ..contract.worker import DRAW, FAILED, HOLD, read_message, write_message
from ..render import Camera, render
from ..render.threads import default_threads
from . import rasteriser
from .head_scene import head_portrait, portrait_camera

ROOT = Path(__file__).resolve().parents[2]
BLENDER_VARIABLE = "GAZESPLAT_BENCH_BLENDER"     # a Python with bpy; dev.py sets it
IN_BLENDER = ROOT / "docs" / "examples" / "engine_frames.py"
FULL_HD, SQUARE = (1920, 1080), (512, 512)
SPLATS, MANY_SPLATS = 142_000, 992_000            # the eyes add 8,000
SMALL_SIZES, SMALL_SPLATS = ((96, 64), (64, 64)), 2_000
EXACT_SPLATS, EXACT_SIZE = 12_000, (256, 256)     # for the readable reference, which is slow
MATTES = {"Head": (0,), "Irises": (11, 12, 14, 21, 22, 24)}


class Worker:
    """A worker of our own, asked as Blender asks it."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", str(ROOT / "backend"), "worker"]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._asked = 0
        read_message(self._popen.stdout)

    def hold(self, digest: str, splats, groups: np.ndarray, rig) -> int:
        """Send a portrait; return the bytes."""
        arrays = {name: getattr(splats, name) for name in ("means", "scales", "rotations", "opacities", "colours")}
        arrays |= {"groups": groups, **({"sh_rest": splats.sh_rest} if splats.sh_degree else {})}
        return write_message(self._popen.stdin, {"type": HOLD, "digest": digest, "rig": json.loads(json.dumps(to_json(rig)))}, arrays)

    def draw(self, request: Mapping) -> tuple[dict, dict, int]:
        """Return the answer's header and arrays, and the bytes that were sent."""
        self._asked += 1
        sent = write_message(self._popen.stdin, {**request, "type": DRAW, "id": self._asked})
        header, arrays = read_message(self._popen.stdout)
        if header["type"] == FAILED:
            raise RuntimeError(header["message"])
        return header, {name: np.asarray(array) for name, array in arrays.items()}, sent

    def peak_mib(self) -> float | None:
        """Return the most memory that it has held, None where /proc does not say."""
        status = Path(f"/proc/{self._popen.pid}/status")
        if not status.exists():
            return None
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024.0

    def close(self) -> None:
        """End it."""
        self._popen.stdin.close()
        self._popen.wait(30)


def request(camera: Camera, yaw_deg: float, digest: str = "portrait", **more: object) -> dict:
    """Return a ``draw`` message as Blender's engine writes it: colours decoded, rows from below."""
    eyes = {side: [yaw_deg, 1.0, 0.0, 1.0] for side in ("left", "right")}
    portrait = {"digest": digest, "matrix": np.eye(4).ravel().tolist(), "eyes": eyes}
    return {"moments": [{"camera": camera.as_dict(), "portraits": [portrait]}], "settings": {}, "depth": False, "mattes": {},
            "film": {"background": [0.1, 0.1, 0.1], "bottom_up": True}, **more}


def timed(worker: Worker, requests: Sequence[Mapping]) -> dict:
    """Return clock and processor milliseconds of the fastest and the median frame; the first is not counted."""
    wall, cpu, sent = [], [], 0
    for one in requests:
        started = time.perf_counter()
        header, _, sent = worker.draw(one)
        wall.append(1e3 * (time.perf_counter() - started))
        cpu.append(1e3 * header["cpu_seconds"])
    return {"ms": min(wall[1:]), "median_ms": float(np.median(wall[1:])), "cpu_ms": min(cpu[1:]), "bytes_sent": sent}


def worker_figures(splats: int, many: int, sizes: Sequence[tuple[int, int]], repeats: int) -> dict:
    """Return what the worker takes, end to end through its pipe."""
    full, square = (portrait_camera(*size) for size in sizes)
    glances = [12.0 * np.sin(2.4 * k) for k in range(repeats + 1)]
    worker = Worker()
    try:
        worker.hold("portrait", *head_portrait(splats, 1))
        figures = {"full_glance": timed(worker, [request(full, yaw) for yaw in glances])}
        figures["full_camera_moves"] = timed(worker, [request(_aside(full, 1e-3 * k), yaw) for k, yaw in enumerate(glances)])
        passes = {"depth": True, "mattes": MATTES}
        figures["full_all_passes"] = timed(worker, [request(full, yaw, **passes) for yaw in glances])
        figures["square_glance"] = timed(worker, [request(square, yaw) for yaw in glances])
        figures["square_glance_windows"] = timed(worker, [request(square, yaw, windows=True, film=None) for yaw in glances])
        figures["peak_mib"] = worker.peak_mib()
        worker.hold("many", *head_portrait(many, 0))
        figures["many_full"] = timed(worker, [request(_aside(full, 1e-3 * k), 0.0, "many") for k in range(4)])
        figures["many_peak_mib"] = worker.peak_mib()
    finally:
        worker.close()
    return figures


def _aside(camera: Camera, metres: float) -> Camera:
    w2c = camera.w2c.copy()
    w2c[0, 3] += metres
    return Camera(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy, w2c)


def exactness(splats: int, size: tuple[int, int]) -> dict[str, float]:
    """Return the worker's PSNR in dB against the float64 reference, eyes and lids posed, for harmonics of degree 0 to 3."""
    camera, pose, found = portrait_camera(*size), Pose.both(14.0, -6.0, 0.4, 1.2), {}
    eyes = {side: [14.0, -6.0, 0.4, 1.2] for side in ("left", "right")}
    worker = Worker()
    try:
        for degree in range(4):
            portrait = head_portrait(splats, degree)
            worker.hold(str(degree), *portrait)
            entry = {"digest": str(degree), "matrix": np.eye(4).ravel().tolist(), "eyes": eyes}
            _, arrays, _ = worker.draw({"camera": camera.as_dict(), "portraits": [entry]})
            exact = render(pose_splats(*portrait, pose, camera.position), camera, backend="reference")
            found[f"SH {degree}"] = float(-10.0 * np.log10(np.mean((exact.rgb.astype(np.float64) - arrays["rgba"][..., :3]) ** 2)))
    finally:
        worker.close()
    return found


def roofline(splats: int, sizes: Sequence[tuple[int, int]], repeats: int, threads: int) -> dict:
    """Return for each size the arithmetic and the bytes of a picture, and how far its processor time is from the machine's best."""
    peak = rasteriser.peak_gflops()
    found = {"peak_gflops_one_thread": peak}
    for width, height in sizes:
        times = rasteriser.time_case(rasteriser.Case(splats, width, height), threads, repeats, backward=False)
        seconds = times.forward_cpu_ms * 1e-3
        # Each splat is read once (16 floats), its row written and gathered (16 each), and each pixel written once (4).
        gigabytes = 4e-9 * (48 * splats + 4 * width * height)
        found[f"{width}x{height}"] = {
            "cpu_ms": times.forward_cpu_ms, "gflop": times.gflop, "gigabytes": gigabytes, "share_of_peak": times.gflop / seconds / peak,
            "hits_per_pixel": times.gflop * 1e9 / rasteriser.FLOPS_PER_PIXEL / (width * height),
            "one_thread_ms": times.forward_one_thread_ms, f"{threads}_threads_ms": times.forward_ms,
            "scaling": times.forward_one_thread_ms / times.forward_ms}
    return found


def cuda_figures(splats: int, repeats: int) -> dict | None:
    """Return frames a second on a GPU, None where there is none."""
    from ..render import gsplat_cuda

    if gsplat_cuda.missing() is not None:
        return None
    portrait = head_portrait(splats, 1)
    posed = pose_splats(*portrait, Pose(), portrait_camera(*SQUARE).position)
    found = {}
    for width, height in (SQUARE, FULL_HD):
        camera = portrait_camera(width, height)
        found[f"{width}x{height}"] = 1.0 / rasteriser.fastest(lambda camera=camera: render(posed, camera, backend="cuda"), repeats)
    return found


def blender_figures(python: Path, splats: int, size: tuple[int, int], columns: int, out: BinaryIO) -> dict:
    """Return what the engine, Cycles and EEVEE take for the same frame in Blender (see docs/examples/engine_frames.py)."""
    portrait = head_portrait(splats, 1)
    with tempfile.TemporaryDirectory(prefix="gazesplat-bench-") as scratch:
        folder = Path(scratch) / "portrait"
        folder.mkdir()
        write_ply(folder / "portrait.ply", portrait[0])
        save_sidecar(folder, portrait[2], portrait[1])
        (Path(scratch) / "camera.json").write_text(json.dumps(portrait_camera(*size).as_dict()), "utf-8")
        command = [str(python), str(IN_BLENDER), "--portrait", str(folder), "--camera", str(Path(scratch) / "camera.json"),
                   "--columns", str(columns), "--json", str(Path(scratch) / "figures.json")]
        environment = {**os.environ, "BLENDER_USER_RESOURCES": scratch, "GAZESPLAT_BACKEND_PYTHON": sys.executable}
        subprocess.run(command, check=True, env=environment, stdout=out, stderr=out)
        return json.loads((Path(scratch) / "figures.json").read_text("utf-8"))


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; returns 0."""
    parser = argparse.ArgumentParser(prog="bench engine", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--repeats", type=int, default=9, help="the fastest of this many is reported")
    parser.add_argument("--threads", type=int, default=default_threads(), help="compared with one thread")
    parser.add_argument("--columns", type=int, default=48, help="pixel columns that Cycles draws of the frame; 0 leaves Blender out")
    parser.add_argument("--small", action="store_true", help="small pictures without Blender, to see that the benchmark runs")
    asked = parser.parse_args(argv)
    report = run(asked)
    sys.stdout.write(as_text(report))
    if asked.json:
        part = asked.json.with_suffix(asked.json.suffix + ".part")
        part.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        part.replace(asked.json)
    return 0


def run(asked: argparse.Namespace) -> dict:
    """Take every figure and return plain JSON values."""
    splats, many, sizes = (SMALL_SPLATS, SMALL_SPLATS, SMALL_SIZES) if asked.small else (SPLATS, MANY_SPLATS, (FULL_HD, SQUARE))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    report = {"threads": asked.threads, "load": load, "worker": worker_figures(splats, many, sizes, asked.repeats),
              "psnr_db": exactness(*(EXACT_SPLATS, EXACT_SIZE) if not asked.small else (SMALL_SPLATS, SMALL_SIZES[1])),
              "roofline": roofline(splats, sizes, asked.repeats, asked.threads), "cuda_fps": cuda_figures(splats, asked.repeats)}
    blender = os.environ.get(BLENDER_VARIABLE)
    if blender and asked.columns and not asked.small:
        report["blender"] = blender_figures(Path(blender), splats, FULL_HD, asked.columns, sys.stderr.buffer)
    return report


def as_text(report: dict) -> str:
    """Return the report as lines, the issue's figures first."""
    worker, roof = report["worker"], report["roofline"]

    def times(name: str) -> str:
        figures = worker[name]
        return f"{figures['ms']:8.0f} ms fastest {figures['median_ms']:8.0f} ms median {figures['cpu_ms']:8.0f} ms CPU"

    load = f"load average {report['load']:.1f} at the start" if report["load"] is not None else "load unknown"
    lines = [f"worker, end to end through the pipe; {load}, {report['threads']} threads",
             f"  1080p, a glance, whole picture     {times('full_glance')}",
             f"  1080p, the camera moves            {times('full_camera_moves')}",
             f"  1080p, a glance, all passes        {times('full_all_passes')}",
             f"  512 x 512, a glance, whole picture {times('square_glance')}",
             f"  512 x 512, a glance, windows       {times('square_glance_windows')}",
             f"  1080p, a million splats            {times('many_full')}",
             f"  bytes sent for a glance: {worker['square_glance_windows']['bytes_sent']}",
             f"  peak memory, MiB: {_number(worker['peak_mib'])} with 150K splats, {_number(worker['many_peak_mib'])} with a million",
             "PSNR against the float64 reference, posed: " + ", ".join(f"{name} {db:.0f} dB" for name, db in report["psnr_db"].items()),
             f"roofline: {roof['peak_gflops_one_thread']:.0f} GFLOP/s seen on one thread"]
    for size, one in roof.items():
        if size != "peak_gflops_one_thread":
            lines += [f"  {size}: {one['hits_per_pixel']:.0f} hits a pixel, {one['gflop']:.2f} GFLOP, {one['gigabytes']:.3f} GB, "
                      f"{one['cpu_ms']:.0f} ms CPU, {one['share_of_peak']:.0%} of the peak; "
                      f"1 to {report['threads']} threads x{one['scaling']:.2f}"]
    cuda = report["cuda_fps"]
    lines.append("CUDA: no GPU" if cuda is None else "CUDA: " + ", ".join(f"{size} {fps:.0f} FPS" for size, fps in cuda.items()))
    return "\n".join([*lines, *_blender_lines(report.get("blender"))]) + "\n"


def _blender_lines(blender: dict | None) -> list[str]:
    if blender is None:
        return ["Blender: left out"]
    own = blender["gazesplat"]
    lines = [f"the same 1080p frame in Blender {blender['version']}, from render() to its return",
             f"  GazeSplat {own['s']:8.2f} s {own['cpu_s']:8.2f} s CPU"]
    for name in ("cycles", "eevee"):
        other = blender[name]
        how = f", from {other['columns']} columns, {other['share']:.1%} of the head" if "columns" in other else ""
        lines.append(f"  {name:9} {other['s']:8.2f} s {other['cpu_s']:8.2f} s CPU: x{other['s'] / own['s']:.0f} by the clock, "
                     f"x{other['cpu_s'] / own['cpu_s']:.0f} CPU, {other['psnr_db']:.0f} dB alike{how}")
    return lines


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}"
