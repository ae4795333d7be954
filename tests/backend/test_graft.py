# SPDX-License-Identifier: GPL-3.0-or-later
"""A splat head that another program made, in units and axes of its own, gets living eyes from one picture of it."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.job import JobSpec, write_job
from gazesplat.backend.model.photo import load_photo
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.backend.run import DONE, run_job
from gazesplat.backend.stages.graft import read_camera
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.rig import eye_marks, lids, parts
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.splat.ply import read_ply
from tests.foreign_head import write_foreign_head

UP_PX = 1.5


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The folder of its PLY and its picture, the picture's camera, the picture, and the rig that it once had."""
    folder = tmp_path_factory.mktemp("foreign")
    return folder, *write_foreign_head(folder)


@pytest.fixture(scope="module")
def made(foreign, tmp_path_factory) -> Path:
    """The foreign head with living eyes, as a job leaves it."""
    folder, camera, _, _ = foreign
    job = tmp_path_factory.mktemp("graft")
    (job / paths.INPUT).mkdir()
    for name in ("head.ply", "view.png"):
        (job / paths.INPUT / name).write_bytes((folder / name).read_bytes())
    write_job(job, JobSpec(id="graft", kind=result.GRAFT, input=f"{paths.INPUT}/head.ply",
                           options={"photo": f"{paths.INPUT}/view.png", "camera": camera, "linear_refit": False}))
    events = []
    assert run_job(job, log_name="log", echo=events.append) == DONE, events[-1]
    return job / paths.RESULT


def loaded(folder: Path):
    splats = read_ply(folder / result.PLY)
    rig, groups = load_sidecar(folder, len(splats), splats.means)
    return splats, groups, rig


def rebuilt(made: Path, folder: Path, eyes: dict) -> Path:
    job = create_job(folder, result.EYES, made / result.PHOTO, options={"eyes": eyes, "linear_refit": False})
    assert run_job(job, log_name="log") == DONE, (job / paths.EVENTS).read_text()
    return job / paths.RESULT


def test_a_foreign_head_gets_eyes_that_move(foreign, made):
    _, camera, picture, rig = foreign
    splats, groups, found = loaded(made)
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


def test_eyes_of_a_foreign_head_are_corrected(made, tmp_path):
    """The lids go where they are drawn, over the picture; nothing moved changes nothing, and the head's own splats come back."""
    (old, old_groups, old_rig), found = loaded(made), eye_marks.load_marks(made).marks["left"]
    same, same_groups, _ = loaded(rebuilt(made, tmp_path, {}))
    np.testing.assert_array_equal(same_groups, old_groups)
    np.testing.assert_allclose(same.means, old.means, atol=1e-5)
    assert np.abs(same.colours - old.colours).mean() < 0.01
    higher = found.upper + np.array([0.0, -UP_PX]) * np.sin(np.linspace(0.0, np.pi, len(found.upper)))[:, None]
    now = rebuilt(made, tmp_path, {"left": {"upper": higher.tolist()}})
    _, _, new_rig = loaded(now)
    before, after = ({side: lids.margins(eye, np.zeros(1), 0.0, 0.0, 0.0).upper_rest[0] for side, eye in rig.eyes.items()}
                     for rig in (old_rig, new_rig))
    pixel_m = old_rig.eyes["left"].iris_radius_m / found.iris[2]
    assert after["left"] - before["left"] == pytest.approx(UP_PX * pixel_m, rel=0.35)
    assert after["right"] == pytest.approx(before["right"], abs=1e-5)
    assert new_rig.provenance["kind"] == result.GRAFT and new_rig.provenance["eyes"] == eye_marks.EDITED
    back, back_groups, _ = loaded(rebuilt(now, tmp_path, {"left": {"upper": found.upper.tolist()}}))
    assert np.count_nonzero(back_groups == parts.HEAD) == np.count_nonzero(old_groups == parts.HEAD)
    np.testing.assert_allclose(back.means[back_groups == parts.HEAD].mean(0), old.means[old_groups == parts.HEAD].mean(0), atol=1e-5)
