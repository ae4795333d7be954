# SPDX-License-Identifier: GPL-3.0-or-later
"""A head as another program might have made it: the sample as plain splats in units and axes of its own, with a picture of it.

    python foreign_head.py FOLDER     with the backend's Python; for tests that run in Blender's
Writes head.ply, view.png and camera.json, as ``backend graft`` takes them.
"""
from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if "gazesplat" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("gazesplat", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["gazesplat"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["gazesplat"])

from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.video.eye_scan import as_seen
from gazesplat.gazesplat_addon.rig.pose import Pose
from gazesplat.gazesplat_addon.rig.sidecar import PortraitRig, load_sidecar
from gazesplat.gazesplat_addon.rig.still import frozen
from gazesplat.gazesplat_addon.splat.files import read_splats
from gazesplat.gazesplat_addon.splat.ply import read_ply, write_ply

SAMPLE = ROOT / "gazesplat_addon" / "sample"
UNITS = 7.3         # of the foreign world to a metre
SIDE_PX = 420


def write_foreign_head(folder: Path) -> tuple[dict, np.ndarray, PortraitRig]:
    """Write the three files; return the picture's camera, the picture (H, W, 3) 0..1, and the rig of the sample."""
    splats = read_splats(SAMPLE / "portrait.spz")
    rig, groups = load_sidecar(SAMPLE, len(splats))
    turn, _ = cv2.Rodrigues(np.array([1.1, -0.4, 2.0]))
    to_foreign = np.eye(4)
    to_foreign[:3, :3], to_foreign[:3, 3] = UNITS * turn, [3.0, -1.0, 12.0]
    write_ply(folder / "head.ply", frozen(splats, groups, rig, Pose(), to_foreign))
    w2c = np.array(rig.camera.w2c) @ np.linalg.inv(to_foreign)
    w2c[:3] *= UNITS                    # rigid again: the camera stands in the foreign world's own units
    middle = w2c[:3] @ np.append(to_foreign[:3] @ [0.0, 0.0, 0.0, 1.0], 1.0)
    focal = 0.5 * SIDE_PX * middle[2] / (0.16 * UNITS)
    centre = 0.5 * SIDE_PX - focal * middle[:2] / middle[2]
    camera = Camera(SIDE_PX, SIDE_PX, focal, focal, *centre, w2c)
    frame = render(as_seen(read_ply(folder / "head.ply"), camera), camera, RenderSettings())
    picture = np.clip(frame.rgb + 0.5 * (1.0 - frame.alpha[..., None]), 0.0, 1.0)
    cv2.imwrite(str(folder / "view.png"), np.round(picture[..., ::-1] * 255.0).astype(np.uint8))
    given = {"focal_px": focal, "centre_px": centre.tolist(), "w2c": w2c.tolist()}
    (folder / "camera.json").write_text(json.dumps(given), "utf-8")
    return given, picture, rig


if __name__ == "__main__":
    write_foreign_head(Path(sys.argv[1]))
