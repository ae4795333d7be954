# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the rasterisers on a made-up head: ``python3 dev.py bench rasteriser``.

Milliseconds depend on the machine, so the figures to compare are the ratios, all taken in one run: numba against
the readable reference, one thread against more, and the arithmetic done against what the machine was seen to do.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numba import carray, njit

from ...gazesplat_addon.splat.harmonics import colours as seen_colours
from ..render import Frame, RenderSettings, numba_tiles, numba_training, render
from ..render.numba_options import STRIP_PIXELS, stack_floats
from ..render.threads import default_threads
from .head_scene import head_camera, head_splats, synthetic_head

# Float operations for one pixel of one footprint (a fused multiply-add counts two): offset 1, exponent 4,
# polynomial 10, powers 3, cap 1, weight 1, transmittance 1, colour 6.
FLOPS_PER_PIXEL = 27
PEAK_FLOATS, PEAK_CHAIN, PEAK_ROUNDS = 256, 16, 100_000
TRAINING_SPLATS = 100_000   # larger cases are timed forward only


@dataclass(frozen=True)
class Case:
    """One picture to time."""

    splats: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.splats // 1000}K {self.width}x{self.height}"


@dataclass(frozen=True)
class Times:
    """Fastest of several runs, milliseconds by the clock, and the arithmetic of one picture.

    forward_cpu_ms and backward_cpu_ms are processor time on one thread: what a busy machine falsifies least.
    """

    name: str
    forward_cpu_ms: float
    forward_one_thread_ms: float
    forward_ms: float
    passes_ms: float
    backward_one_thread_ms: float | None
    backward_ms: float | None
    backward_cpu_ms: float | None
    gflop: float


FULL_HD = Case(150_000, 1920, 1080)
SQUARE = Case(150_000, 512, 512)
TRAINING_CASES = tuple(Case(splats, width, height) for width, height in ((270, 480), (540, 960)) for splats in (10_000, 50_000, 100_000))
CASES = (*TRAINING_CASES, SQUARE, FULL_HD, Case(1_000_000, 1920, 1080))
SMALL_CASES = (Case(2_000, 96, 64),)


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; returns 0."""
    parser = argparse.ArgumentParser(prog="bench rasteriser", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--repeats", type=int, default=9, help="the fastest of this many is reported")
    parser.add_argument("--threads", type=int, default=default_threads(), help="compared with one thread")
    parser.add_argument("--training", action="store_true", help="only the sizes that a CPU trains at, forward and backward")
    parser.add_argument("--small", action="store_true", help="one small picture, to see that the benchmark runs")
    arguments = parser.parse_args(argv)
    cases = SMALL_CASES if arguments.small else TRAINING_CASES if arguments.training else CASES
    report = run(cases, arguments.threads, arguments.repeats)
    sys.stdout.write(as_text(report))
    if arguments.json:
        part = arguments.json.with_suffix(arguments.json.suffix + ".part")
        part.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        part.replace(arguments.json)
    return 0


def run(cases: Sequence[Case], threads: int, repeats: int) -> dict:
    """Time every case and return plain JSON values."""
    started = time.perf_counter()
    render(synthetic_head(100), head_camera(32, 32), threads=threads)
    report = {"threads": threads, "first_picture_s": time.perf_counter() - started, "peak_gflops_one_thread": peak_gflops()}
    report["cases"] = [asdict(time_case(case, threads, repeats)) for case in cases]
    small = len(cases) == 1
    report["reference"] = compare_with_reference(cases[0] if small else Case(50_000, 512, 512), threads, repeats)
    splats, _ = head_splats(cases[0].splats if small else FULL_HD.splats, sh_degree=1)
    report["sh1_colours_ms"] = 1e3 * fastest(lambda: seen_colours(splats, splats.means, np.zeros(3)), repeats)
    return report


def time_case(case: Case, threads: int, repeats: int, *, backward: bool = True) -> Times:
    """Time one picture with one thread and with several, with all passes, and backward."""
    posed, camera, settings = synthetic_head(case.splats), head_camera(case.width, case.height), RenderSettings()
    forward = [1e3 * fastest(lambda n=n: render(posed, camera, settings, threads=n), repeats) for n in (1, threads)]
    cpu = 1e3 * fastest(lambda: render(posed, camera, settings, threads=1), repeats, time.process_time)
    mattes = {"head": (0,), "irises": (11, 21)}
    passes = 1e3 * fastest(lambda: render(posed, camera, settings, threads=threads, depth=True, mattes=mattes), repeats)
    back = [None, None, None]
    if backward and case.splats <= TRAINING_SPLATS:
        for k, n in enumerate((1, threads)):
            frame, tape = numba_training.forward(posed, camera, settings, threads=n)
            seed = (np.ascontiguousarray(frame.rgb), np.ascontiguousarray(frame.alpha))
            back[k] = 1e3 * fastest(lambda tape=tape, seed=seed: numba_training.backward(tape, *seed), repeats)
            if n == 1:
                back[2] = 1e3 * fastest(lambda tape=tape, seed=seed: numba_training.backward(tape, *seed), repeats, time.process_time)
    strips = np.zeros(1, np.int64)
    numba_tiles.render(posed, camera, settings, threads=1, strips_blended=strips)
    return Times(str(case), cpu, *forward, passes, *back, float(strips[0]) * STRIP_PIXELS * FLOPS_PER_PIXEL * 1e-9)


def compare_with_reference(case: Case, threads: int, repeats: int) -> dict:
    """Return how much faster numba is than the readable reference, and how equal the pictures are."""
    posed, camera = synthetic_head(case.splats), head_camera(case.width, case.height)
    started = time.perf_counter()
    slow = render(posed, camera, backend="reference")
    slow_s = time.perf_counter() - started
    fast_s = fastest(lambda: render(posed, camera, threads=threads), repeats)
    return {"name": str(case), "reference_s": slow_s, "ratio": slow_s / fast_s, "psnr_db": psnr_db(slow, render(posed, camera))}


def psnr_db(exact: Frame, other: Frame) -> float:
    """Return the PSNR of two pictures' rgb, values 0..1."""
    return float(-10.0 * np.log10(np.mean((exact.rgb.astype(np.float64) - other.rgb) ** 2)))


def fastest(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of the fastest of several runs after one that is not timed."""
    work()
    times = []
    for _ in range(repeats):
        started = clock()
        work()
        times.append(clock() - started)
    return min(times)


@njit(fastmath={"contract"})
def _multiply_and_add(rounds, factor, term):
    """Run independent chains of fused multiply-adds: nothing but arithmetic, from registers."""
    values = carray(stack_floats(PEAK_FLOATS), (PEAK_FLOATS,))
    for x in range(PEAK_FLOATS):
        values[x] = np.float32(x)
    for _ in range(rounds):
        for x in range(PEAK_FLOATS):
            value = values[x]
            for _ in range(PEAK_CHAIN):
                value = value * factor + term
            values[x] = value
    return values[0] + values[PEAK_FLOATS - 1]


def peak_gflops() -> float:
    """Return the most float32 operations a second that one thread was seen to do, in 1e9."""
    def work() -> float:
        return _multiply_and_add(PEAK_ROUNDS, np.float32(0.999), np.float32(0.001))

    return 2.0 * PEAK_FLOATS * PEAK_CHAIN * PEAK_ROUNDS / fastest(work, 3, time.process_time) * 1e-9


def as_text(report: dict) -> str:
    """Return the report as a table."""
    threads, peak = report["threads"], report["peak_gflops_one_thread"]
    lines = [f"{'splats, picture':22}{'CPU':>8}{'1 thread':>10}{f'{threads} threads':>11}{'ratio':>7}{'+ passes':>10}"
             f"{'backward CPU':>14}{'backward 1':>12}{f'backward {threads}':>12}{'of peak':>9}"]
    for case in report["cases"]:
        one, many = case["forward_one_thread_ms"], case["forward_ms"]
        backward = "".join(f"{'-' if case[key] is None else format(case[key], '.1f'):>12}"
                           for key in ("backward_one_thread_ms", "backward_ms"))
        backward = f"{'-' if case['backward_cpu_ms'] is None else format(case['backward_cpu_ms'], '.1f'):>14}" + backward
        share = case["gflop"] / (case["forward_cpu_ms"] * 1e-3) / peak
        lines.append(f"{case['name']:22}{case['forward_cpu_ms']:8.1f}{one:10.1f}{many:11.1f}{one / many:7.2f}"
                     f"{case['passes_ms']:10.1f}{backward}{share:9.0%}")
    reference = report["reference"]
    lines += ["milliseconds, the fastest of several; 'of peak': the blending arithmetic over the CPU time of the whole picture",
              f"roofline, one thread: {peak:.0f} GFLOP/s seen; SH 1 colours: {report['sh1_colours_ms']:.1f} ms; "
              f"first picture, compiled or from the cache: {report['first_picture_s']:.1f} s",
              f"{reference['name']}: {reference['ratio']:.0f} times as fast as the reference, {reference['psnr_db']:.1f} dB"]
    return "\n".join(lines) + "\n"
