# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender draws and reads, in one table: ``python3 dev.py bench display``.

Runs ``tests/golden/display_figures.py`` in every Blender that is set up, a process for each figure, so that none warms another.
Pictures are compared with the readable rasteriser; times are processor seconds, and importers' ratios come from one process.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import plyfile

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "golden" / "display_figures.py"


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; returns 1 when no Blender is set up."""
    parser = argparse.ArgumentParser(prog="bench display", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--splats", type=int, default=150_000, help="of the pictures")
    parser.add_argument("--size", type=int, default=512, help="of the pictures, pixels")
    parser.add_argument("--crowd", type=int, default=1_000_000, help="splats of one more picture in Cycles, compared by windows")
    parser.add_argument("--import-splats", type=int, default=1_000_000, help="of the file that is imported")
    parser.add_argument("--only", choices=("render", "import"), help="leave out the other half")
    arguments = parser.parse_args(argv)
    pythons = sorted(ROOT.glob(".venv/blender-*/bin/python")) + sorted(ROOT.glob(".venv/blender-*/Scripts/python.exe"))
    if not pythons:
        sys.stderr.write("No Blender is set up: python3 dev.py setup\n")
        return 1
    report = {"load": os.getloadavg() if hasattr(os, "getloadavg") else None, "blenders": [run(one, arguments) for one in pythons]}
    sys.stdout.write(as_text(report))
    if arguments.json:
        part = arguments.json.with_suffix(arguments.json.suffix + ".part")
        part.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        part.replace(arguments.json)
    return 0


def run(python: Path, arguments: argparse.Namespace) -> dict:
    """Return every figure of one Blender."""
    out: dict = {"name": python.parents[1].name, "pictures": []}
    if arguments.only != "import":
        for engine in ("CYCLES", "EEVEE"):
            for degree in (0, 3):
                figures = measure(python, "render", "--engine", engine, "--degree", degree, "--splats", arguments.splats,
                                  "--size", arguments.size)
                out["pictures"].append({"engine": engine, "degree": degree, **figures})
        if arguments.crowd:
            out["crowd"] = measure(python, "crowd", "--splats", arguments.crowd, "--size", arguments.size)
    if arguments.only != "render":
        with tempfile.TemporaryDirectory() as folder:
            file = ("--ply", Path(folder) / "bench.ply", "--splats", arguments.import_splats)
            out["import"] = measure(python, "import", *file, "--plyfile", plyfile.__file__)
            out["memory"] = measure(python, "memory", *file)
    return out


def measure(python: Path, part: str, *options: object) -> dict:
    """Return what the script says, or why it said nothing (EEVEE needs OpenGL and ends the process without it)."""
    sys.stderr.write(f"{python.parents[1].name}: {part} {' '.join(str(option) for option in options if option != '--ply')}\n")
    result = subprocess.run([str(python), str(SCRIPT), part, *map(str, options)], capture_output=True, text=True, check=False)
    if result.returncode:
        return {"failed": (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]}
    return json.loads(result.stdout.strip().splitlines()[-1])


def as_text(report: dict) -> str:
    """Return the report as tables."""
    lines = [f"{'':14}{'engine':>8}{'SH':>4}{'PSNR dB':>9}{'frame CPU s':>13}{'evaluation CPU s':>18}{'peak MB':>9}"]
    for blender in report["blenders"]:
        for one in blender["pictures"]:
            values = one.get("failed") or (f"{one['psnr_db']:9.1f}{one['frame_cpu_s']:13.1f}{one['evaluation_cpu_s']:18.2f}"
                                           f"{one['peak_mb']:9.0f}")
            lines.append(f"{blender['name']:14}{one['engine']:>8}{one['degree']:>4}{values}")
    lines += [f"{blender['name']}: {_crowd_text(blender['crowd'])}" for blender in report["blenders"] if "crowd" in blender]
    lines.append("")
    for blender in report["blenders"]:
        imported, memory = blender.get("import", {}), blender.get("memory", {})
        if "ratio_to_floor" in imported:
            lines.append(f"{blender['name']}: import of {imported['splats']} splats, {imported['file_mb']:.0f} MB, CPU s (times floor): "
                         + ", ".join(f"{name} {seconds:.2f} ({imported['ratio_to_floor'][name]:.2f})"
                                     for name, seconds in imported["cpu_s"].items())
                         + f"; the first portrait of a file {imported['first_portrait_cpu_s']:.2f}")
        if "peak_over_file" in memory:
            lines.append(f"{blender['name']}: import grows the peak by {memory['import_peak_mb']:.0f} MB, "
                         f"{memory['peak_over_file']:.2f} times the file")
        lines += [f"{blender['name']}: {part['failed']}" for part in (imported, memory) if "failed" in part]
    load = "" if report["load"] is None else f"load before: {report['load'][0]:.1f}; "
    lines.append(f"{load}floor: memory map and foreach_set; python_loop: positions and colours alone, a twentieth of them, times 20")
    return "\n".join(lines) + "\n"


def _crowd_text(figures: dict) -> str:
    if "failed" in figures:
        return figures["failed"]
    evaluation_s = figures["evaluation_cpu_s"]
    return (f"{figures['splats']} splats in Cycles: {figures['psnr_db']:.1f} dB over {figures['windows']} random windows, the worst "
            f"{figures['worst_db']:.1f}; frame {figures['frame_cpu_s']:.1f} CPU s, evaluation {evaluation_s:.2f}, of which room "
            f"between depths {evaluation_s - figures['unspaced_cpu_s']:.2f}; peak {figures['peak_mb']:.0f} MB")
