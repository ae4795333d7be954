# SPDX-License-Identifier: GPL-3.0-or-later
"""A splat head that another program made, in units and axes of its own, gets living eyes from one picture of it."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.job import JobSpec, write_job
from gazesplat.backend.model.photo import load_photo
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.run import DONE, run_job
from gazesplat.backend.stages.graft import read_camera
from gazesplat.backend.video.eye_scan import as_seen
from gazesplat.gazesplat_addon.rig import parts
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.rig.still import frozen
from gazesplat.gazesplat_addon.splat.files import read_splats
from gazesplat.gazesplat_addon.splat.ply import read_ply, write_ply

SAMPLE = Path(__file__).resolve().parents[2] / "gazesplat_addon" / "sample"
UNITS = 7.3         # of the foreign world to a metre
SIDE_PX = 420


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The sample frozen into plain splats of another world: the PLY, a picture of it, its camera, and where its eyes are."""
    folder = tmp_path_factory.mktemp("foreign")
    splats = read_splats(SAMPLE / "portrait.spz")
    rig, groups = load_sidecar(SAMPLE, len(splats))
    turn, _ = cv2.Rodrigues(np.array([1.1, -0.4, 2.0]))
    to_foreign = np.eye(4)
    to_foreign[:3, :3], to_foreign[:3, 3] = UNITS * turn, [3.0, -1.0, 12.0]
    head = frozen(splats, groups, rig, Pose(), to_foreign)
    write_ply(folder / "head.ply", head)
    w2c = np.array(rig.camera.w2c) @ np.linalg.inv(to_foreign)
    w2c[:3] *= UNITS                    # rigid again: the camera stands in the foreign world's own units
    middle = w2c[:3] @ np.append(to_foreign[:3] @ [0.0, 0.0, 0.0, 1.0], 1.0)
    focal = 0.5 * SIDE_PX * middle[2] / (0.16 * UNITS)
    centre = 0.5 * SIDE_PX - focal * middle[:2] / middle[2]
    camera = Camera(SIDE_PX, SIDE_PX, focal, focal, *centre, w2c)
    frame = render(as_seen(read_ply(folder / "head.ply"), camera), camera, RenderSettings())
    picture = np.clip(frame.rgb + 0.5 * (1.0 - frame.alpha[..., None]), 0.0, 1.0)
    cv2.imwrite(str(folder / "view.png"), np.round(picture[..., ::-1] * 255.0).astype(np.uint8))
    return folder, {"focal_px": focal, "centre_px": centre.tolist(), "w2c": w2c.tolist()}, picture, rig


def test_a_foreign_head_gets_eyes_that_move(foreign, tmp_path):
    folder, camera, picture, rig = foreign
    (tmp_path / paths.INPUT).mkdir()
    for name in ("head.ply", "view.png"):
        (tmp_path / paths.INPUT / name).write_bytes((folder / name).read_bytes())
    write_job(tmp_path, JobSpec(id="graft", kind=result.GRAFT, input=f"{paths.INPUT}/head.ply",
                                options={"photo": f"{paths.INPUT}/view.png", "camera": camera, "linear_refit": False}))
    events = []
    assert run_job(tmp_path, log_name="log", echo=events.append) == DONE, events[-1]
    made = tmp_path / paths.RESULT
    splats = read_ply(made / result.PLY)
    found, groups = load_sidecar(made, len(splats))
    assert set(found.eyes) == {"left", "right"}
    apart, true = (np.linalg.norm(np.subtract(*(eye.iris_centre_m for eye in one.eyes.values()))) for one in (found, rig))
    assert apart == pytest.approx(true, rel=0.08)          # metres again, from irises of seven pixels
    # Seen from the picture's camera it looks like the picture, and the eyes move.
    own = found.camera
    scale = own.fx / camera["focal_px"]
    assert scale == pytest.approx(1.0)
    look = Camera(own.width, own.height, own.fx, own.fy, own.cx, own.cy, np.array(own.w2c))
    still, turned = (render(pose_splats(splats, groups, found, pose, look.position), look, RenderSettings())
                     for pose in (Pose(), Pose.both(25.0)))
    left, top = (round(a - b) for a, b in zip(camera["centre_px"], (own.cx, own.cy), strict=True))
    truth = picture[top:top + own.height, left:left + own.width]
    error = ((still.rgb + 0.5 * (1.0 - still.alpha[..., None]) - truth) ** 2).mean()
    assert 10.0 * np.log10(1.0 / error) > 30.0
    moved = np.abs(turned.rgb - still.rgb).max(-1) > 0.05
    assert 20 < moved.sum() < 0.02 * moved.size
    assert np.isin([parts.code(side, part) for side in parts.SIDES for part in parts.GLOBE_PARTS], groups).all()


@pytest.mark.parametrize("camera", [None, {}, {"focal_px": 500.0, "w2c": [[1, 0], [0, 1]]}, {"focal_px": -1.0, "w2c": np.eye(4).tolist()},
                                    {"focal_px": 500.0, "w2c": np.diag([2.0, 2.0, 2.0, 1.0]).tolist()},
                                    {"focal_px": 500.0, "w2c": np.diag([-1.0, 1.0, 1.0, 1.0]).tolist()}])
def test_cameras_that_are_none_are_refused(foreign, camera):
    with pytest.raises(GazeSplatError) as error:
        read_camera(camera, load_photo(foreign[0] / "view.png"))
    assert error.value.code == "bad-camera"


def test_a_camera_that_looks_elsewhere_is_refused(foreign, tmp_path):
    folder, camera, _, _ = foreign
    (tmp_path / paths.INPUT).mkdir()
    for name in ("head.ply", "view.png"):
        (tmp_path / paths.INPUT / name).write_bytes((folder / name).read_bytes())
    away = np.diag([-1.0, 1.0, -1.0, 1.0]) @ np.array(camera["w2c"])
    write_job(tmp_path, JobSpec(id="graft", kind=result.GRAFT, input=f"{paths.INPUT}/head.ply",
                                options={"photo": f"{paths.INPUT}/view.png", "camera": camera | {"w2c": away.tolist()}}))
    events = []
    assert run_job(tmp_path, log_name="log", echo=events.append) != DONE
    assert events[-1]["code"] == "camera-misses-head"
