# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up portrait on disk, as a finished job leaves it."""
from __future__ import annotations

from pathlib import Path

from gazesplat.gazesplat_addon.rig.sidecar import save_sidecar
from gazesplat.gazesplat_addon.splat.ply import write_ply
from tests.synthetic import synthetic_portrait


def write_portrait(folder: Path, **made: int) -> Path:
    """Write every file of a portrait's folder and return it; keyword arguments go to ``synthetic_portrait``."""
    folder.mkdir(parents=True, exist_ok=True)
    splats, groups, rig = synthetic_portrait(**made)
    write_ply(folder / "portrait.ply", splats)
    save_sidecar(folder, rig, groups, splats.means)
    (folder / "preview.png").write_bytes(b"")
    (folder / "metrics.json").write_text("{}\n", "utf-8")
    return folder
