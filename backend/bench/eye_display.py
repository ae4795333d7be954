# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye benchmark's figures once more, from Blender's own engines: ``bench eyes --gt FOLDER --cross-check N``.

A sample of targets is posed by the rig's drivers and node tree and rendered by Cycles and EEVEE in Exact colours
(``tests/golden/posed_eyes.py`` does that in a Blender without a window); both engines' eye boxes are scored like the fast one's.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from ...gazesplat_addon.rig.sidecar import PortraitRig, SourceCamera, save_sidecar
from ...gazesplat_addon.splat.arrays import Splats
from ...gazesplat_addon.splat.ply import write_ply
from ..contract.errors import GazeSplatError
from .scoring import score

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "golden" / "posed_eyes.py"
ENGINES = ("CYCLES", "EEVEE")
SURROUND_PX = 8     # more than half the window of SSIM


@dataclass(frozen=True)
class Shown:
    """One target as the fast engine shows it: camera in the portrait frame, what the eyes do, its picture and truth (H, W, 3)."""

    stem: str
    kind: str
    camera: SourceCamera
    target_m: np.ndarray        # where both eyes look, portrait frame
    blink: dict[str, float]     # by side
    picture: np.ndarray         # laid over the truth's background
    truth: np.ndarray
    photo: np.ndarray
    head: np.ndarray            # masks (H, W)
    eyes: np.ndarray


def sample_of(shown: list[Shown], count: int) -> list[Shown]:
    """Return ``count`` targets spread evenly over the list, both ends among them."""
    return [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, count).round().astype(int))]


def cross_check(splats: Splats, groups: np.ndarray, rig: PortraitRig, shown: list[Shown], supersample: int,
                engines: Sequence[str] = ENGINES) -> list[dict]:
    """Return for each target the eye figures of the fast engine and of Blender's, and how alike their eye boxes are, dB."""
    with tempfile.TemporaryDirectory(prefix="gazesplat-cross-check-") as scratch:
        folder = Path(scratch)
        write_ply(folder / "portrait.ply", splats)
        save_sidecar(folder, rig, groups)
        windows = [_window(one.eyes) for one in shown]
        tasks = [{"name": one.stem, "camera": asdict(one.camera), "target_m": [float(v) for v in one.target_m],
                  "blink": one.blink, "window": window} for one, window in zip(shown, windows, strict=True)]
        (folder / "tasks.json").write_text(json.dumps({"supersample": supersample, "tasks": tasks}), "utf-8")
        failed = {engine: _run(folder, engine) for engine in engines}
        rows = []
        for one, window in zip(shown, windows, strict=True):
            row = {"stem": one.stem, "kind": one.kind, "fast": _figures(one, one.picture)}
            for engine in engines:
                row[engine.lower()] = {"failed": failed[engine]} if failed[engine] else _figures(
                    one, _with_window(one.picture, folder / f"{one.stem}.{engine}.png", window))
            rows.append(row)
    return rows


def as_text(rows: list[dict]) -> str:
    """Return the rows as a table: eye dB and skill by engine, then the likeness to the fast engine."""
    lines = [f"{'cross-check':24s} {'fast':>13s} {'Cycles':>24s} {'EEVEE':>24s}"]
    for row in rows:
        cells = [f"{row['fast']['eye_psnr']:7.2f} {_skill(row['fast'])}"]
        cells += [one.get("failed") or f"{one['eye_psnr']:7.2f} {_skill(one)} ({one['likeness_db']:.1f} dB)"
                  for one in (row[engine.lower()] for engine in ENGINES if engine.lower() in row)]
        lines.append(f"{row['stem']:24s} {cells[0]:>13s} " + " ".join(f"{cell:>24s}" for cell in cells[1:]))
    return "\n".join(lines) + "\n"


def _skill(figures: dict) -> str:
    return "    -" if figures["skill"] is None else f"{figures['skill']:5.2f}"


def _figures(one: Shown, picture: np.ndarray) -> dict:
    whole = score(picture, one.truth, one.photo, one.head, one.eyes)
    difference = float(((picture - one.picture) ** 2).mean(-1)[one.eyes].mean())
    return {"eye_psnr": whole.eye_psnr, "eye_ssim": whole.eye_ssim, "skill": whole.skill,
            "likeness_db": float(10.0 * np.log10(1.0 / max(difference, 1e-12)))}


def _window(eyes: np.ndarray) -> list[int]:
    """Return (x0, y0, x1, y1) round both eye boxes: all that Blender has to render."""
    rows, columns = np.nonzero(eyes)
    height, width = eyes.shape
    return [int(max(0, columns.min() - SURROUND_PX)), int(max(0, rows.min() - SURROUND_PX)),
            int(min(width, columns.max() + 1 + SURROUND_PX)), int(min(height, rows.max() + 1 + SURROUND_PX))]


def _with_window(picture: np.ndarray, path: Path, window: list[int]) -> np.ndarray:
    """Return the picture with Blender's eyes in it, averaged to the picture's own pixels. Between the eyes a head hides all."""
    x0, y0, x1, y1 = window
    drawn = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., 2::-1].astype(np.float32) / 65535.0
    out = picture.copy()
    out[y0:y1, x0:x1] = cv2.resize(drawn, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return (np.round(out * 255.0) / 255.0).astype(np.float32)


def _run(folder: Path, engine: str) -> str:
    """Render every task; returns why nothing came, or an empty string. EEVEE ends its process where there is no OpenGL."""
    pythons = sorted(ROOT.glob(".venv/blender-*/bin/python")) + sorted(ROOT.glob(".venv/blender-*/Scripts/python.exe"))
    if not pythons:
        raise GazeSplatError("no-blender", "No Blender is set up, so nothing can be compared.", "Run: python3 dev.py setup")
    sys.stderr.write(f"{pythons[-1].parents[1].name}: {engine}\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(pythons[-1]), str(SCRIPT), str(folder), engine]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def portrait_camera(camera: dict, world_from_portrait: np.ndarray) -> SourceCamera:
    """Return a request's camera as seen from the portrait."""
    w2c = np.array(camera["w2c"]) @ world_from_portrait
    return SourceCamera(camera["w"], camera["h"], camera["fx"], camera["fy"], camera["cx"], camera["cy"],
                        tuple(tuple(float(v) for v in row) for row in w2c))
