# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the engine share: a portrait in a scene, the picture that F12 makes, and the one it should make."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.jobs import environment
from gazesplat.gazesplat_addon.rig.pose import Pose
from tests.portrait_files import write_portrait

WIDTH, HEIGHT = 96, 80
SIZE = {"head_count": 300, "sh_degree": 1}
# Turned away from the camera: seen from the front, the made-up irises lie at one depth, and rounding would sort them.
PLACE = Matrix.LocRotScale((0.01, 0.02, -0.01), Euler((0.05, -0.1, 0.2)), None)
ROOT = Path(__file__).resolve().parents[1]


def backend_python() -> Path:
    try:
        return environment.find_backend_python(environment.candidates())
    except GazeSplatError as error:
        pytest.skip(f"needs the backend: {error}")


def engine_scene(gs, tmp_path: Path):
    """Return a made-up portrait in an empty file that renders with the engine, seen by the photo's camera."""
    backend_python()
    portrait = gs.load(write_portrait(tmp_path / "Mara", **SIZE), name="Mara")
    scene = bpy.context.scene
    scene.render.engine = "GAZESPLAT"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode, scene.render.image_settings.color_depth = "RGBA", "32"
    scene.view_settings.view_transform = "Standard"
    scene.render.dither_intensity = 0.0
    portrait.look_at(None)
    # The camera stays where the photo was taken when the portrait moves.
    bpy.context.view_layer.update()
    scene.camera.parent, scene.camera.matrix_world = None, scene.camera.matrix_world.copy()
    portrait.root.matrix_world = PLACE
    portrait.gaze = (6.0, -4.0)
    return portrait


def carrier_of(portrait) -> bpy.types.Object:
    """Return the object that carries a portrait's splats."""
    return next(part for part in portrait.root.children_recursive if part.get("gazesplat_part") == "splats")


def rendered(tmp_path: Path, name: str = "frame") -> np.ndarray:
    """Render the current frame to a file and return its pixels (H, W, 4) from the top, as the file holds them."""
    render = bpy.context.scene.render
    render.filepath = str(tmp_path / name)
    bpy.ops.render.render(write_still=True)
    return pixels_of(Path(render.filepath + render.file_extension))


def pixels_of(path: Path) -> np.ndarray:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "CHANNEL_PACKED"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    height, width = image.size[1], image.size[0]
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def db(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean(np.square(one.astype(np.float64) - other)))
    return 10.0 * np.log10(1.0 / max(error, 1e-20))


def encoded(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def display(exr: np.ndarray) -> np.ndarray:
    """Return a scene-linear, premultiplied picture as display values, premultiplied."""
    alpha = exr[..., 3:]
    straight = np.divide(exr[..., :3], alpha, out=np.zeros_like(exr[..., :3]), where=alpha > 0)
    return np.concatenate([encoded(straight) * alpha, alpha], axis=2)


# Draws what the engine should have drawn, from files and numbers alone, with the readable reference.
REFERENCE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import tests.conftest
from gazesplat.backend.render import Camera, render
from gazesplat.backend.worker.frames import joined, moved, PARALLEL_DISTANCE_M
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.splat.ply import read_ply
from pathlib import Path
asked = json.loads(Path(sys.argv[2]).read_text())
camera = Camera.from_dict(asked["camera"])
forward = PARALLEL_DISTANCE_M if camera.orthographic else 0.0
eye = np.linalg.inv(camera.w2c) @ [0.0, 0.0, -forward, 1.0]
every = []
for one in asked["portraits"]:
    splats = read_ply(Path(one["folder"]) / "portrait.ply")
    rig, groups = load_sidecar(Path(one["folder"]), len(splats))
    matrix = np.array(one["matrix"])
    pose = Pose({side: EyePose(*values) for side, values in one["eyes"].items()})
    every.append(moved(pose_splats(splats, groups, rig, pose, (np.linalg.inv(matrix) @ eye)[:3]), matrix))
mattes = {"Head": (0,), "Irises": (11, 12, 14, 21, 22, 24), "Scleras": (13, 23), "Lids": (15, 16, 17, 18, 19, 25, 26, 27, 28, 29)}
frame = render(joined(every), camera, backend="reference", depth=True, mattes=mattes)
np.savez(sys.argv[3], rgba=frame.rgba(), depth=frame.depth, **frame.mattes)
"""


def reference(tmp_path: Path, camera: dict, *portraits: tuple[Path, Matrix, Pose]) -> dict[str, np.ndarray]:
    asked = {"camera": camera, "portraits": [
        {"folder": str(folder), "matrix": [list(row) for row in matrix],
         "eyes": {side: [eye.yaw_deg, eye.pitch_deg, eye.blink, eye.pupil] for side, eye in pose.eyes.items()}}
        for folder, matrix, pose in portraits]}
    (tmp_path / "asked.json").write_text(json.dumps(asked), "utf-8")
    command = [str(backend_python()), "-c", REFERENCE, str(ROOT), str(tmp_path / "asked.json"), str(tmp_path / "reference.npz")]
    subprocess.run(command, check=True, timeout=300)
    with np.load(tmp_path / "reference.npz") as archive:
        return dict(archive)


def photo_camera(width=WIDTH, height=HEIGHT, **changes) -> dict:
    """The made-up photo is 256 pixels wide with a focal length of 500: the same angle in another format."""
    focal = 500.0 * width / 256
    w2c = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0.6], [0, 0, 0, 1]]
    return {"w": width, "h": height, "fx": focal, "fy": focal, "cx": width / 2, "cy": height / 2, "w2c": w2c, **changes}
