# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist draws over the photo is what the eyes are built from; what they leave alone stays as it was found."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract import inputs, paths, result
from gazesplat.backend.contract.job import JobSpec, write_job
from gazesplat.backend.eyes.contour import EyeContour, LidContour
from gazesplat.backend.eyes.correction import corrected_eyes, corrected_lids, handles_of, marks_of
from gazesplat.backend.model.kept_scan import load_scan
from gazesplat.backend.model.scan_photo import scan_photo
from gazesplat.backend.run import DONE, FAILED, run_job
from gazesplat.gazesplat_addon.jobs.folder import create_job
from gazesplat.gazesplat_addon.rig import eye_marks, lids, parts
from gazesplat.gazesplat_addon.rig.sidecar import load_rig, load_sidecar
from gazesplat.gazesplat_addon.splat.ply import read_ply
from tests.faces import ASTRONAUT, RecordingContext


def an_eye(width: float = 60.0, side: str = "left") -> EyeContour:
    """A tilted, uneven opening with all five terms."""
    along = np.array([np.cos(0.1), np.sin(0.1)]) * (1.0 if side == "left" else -1.0)
    up = np.array([along[1], -along[0]]) * (1.0 if side == "left" else -1.0)
    frame = LidContour(np.array([200.0, 150.0]), along, up, width, width * np.array([0.22, 0.03, 0.015, -0.004, 0.002]),
                       width * np.array([-0.13, 0.02, -0.008, 0.002, 0.001]))
    return EyeContour(frame, frame.to_image(np.array([0.48 * width, 0.05 * width])), 0.2 * width, 0.3)


def bezier(points: np.ndarray, handles: np.ndarray, count: int = 40) -> np.ndarray:
    """Return places (N, 2) along a Bezier curve as Blender draws it."""
    u = np.linspace(0.0, 1.0, count)[:, None]
    weights = ((1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u * u * (1 - u), u ** 3)
    spans = [(points[k], handles[k, 1], handles[k + 1, 0], points[k + 1]) for k in range(len(points) - 1)]
    return np.concatenate([sum(w * p for w, p in zip(weights, span, strict=True)) for span in spans])


@pytest.mark.parametrize("side", eye_marks.SIDES)
def test_five_points_and_their_handles_draw_what_was_found(side: str) -> None:
    eye = an_eye(side=side)
    marks, handles = marks_of(eye), handles_of(eye)
    x = 0.5 * eye.lids.width_px * (1.0 - np.cos(np.linspace(0.0, np.pi, 2000)))
    for lid, height in (("upper", eye.lids.upper_at), ("lower", eye.lids.lower_at)):
        margin = eye.lids.to_image(np.stack([x, height(x)], 1))
        drawn = bezier(getattr(marks, lid), handles[lid])
        assert np.linalg.norm(drawn[:, None] - margin[None], axis=2).min(1).max() < 0.1
    eye_marks.check(side, marks)
    np.testing.assert_array_equal(marks.upper[[0, -1]], marks.lower[[0, -1]])


def test_marks_that_were_not_moved_change_nothing() -> None:
    eyes = {side: an_eye(side=side) for side in eye_marks.SIDES}
    rounded = {side: eye_marks.EyeMarks(*(np.float32(v).astype(float) for v in vars(marks_of(eye)).values())) for side, eye in eyes.items()}
    same, ratio = corrected_eyes(eyes, rounded)
    assert ratio == 1.0
    for side, eye in eyes.items():
        assert same[side].lids is eye.lids and same[side].radius_px == eye.radius_px
        np.testing.assert_array_equal(same[side].iris_px, eye.iris_px)


def test_moved_points_lie_on_the_curve_and_others_stay() -> None:
    lids_found = an_eye().lids
    marks = marks_of(an_eye())
    upper = marks.upper.copy()
    upper[2] += 3.0 * lids_found.up
    moved = corrected_lids(lids_found, upper, marks.lower)
    for name, points in (("upper_at", upper), ("lower_at", marks.lower)):
        local = moved.to_local(points)
        np.testing.assert_allclose(getattr(moved, name)(local[:, 0]), local[:, 1], atol=1e-6)
    np.testing.assert_allclose(moved.lower, lids_found.lower, atol=1e-6)
    # A point that slides along its curve says nothing new.
    x = lids_found.to_local(marks.upper[1])[0] + 2.0
    upper = marks.upper.copy()
    upper[1] = lids_found.to_image(np.array([x, lids_found.upper_at(x)]))
    np.testing.assert_allclose(corrected_lids(lids_found, upper, marks.lower).upper, lids_found.upper, atol=1e-9)


def test_a_corner_goes_where_either_lid_takes_it() -> None:
    found, marks = an_eye().lids, marks_of(an_eye())
    goal = marks.upper[-1] + [2.0, -1.0]
    lower = marks.lower.copy()
    lower[-1] = goal
    moved = corrected_lids(found, marks.upper, lower)
    np.testing.assert_allclose(moved.to_image(np.array([moved.width_px, 0.0])), goal, atol=1e-9)
    local = moved.to_local(marks.upper[1:-1])
    np.testing.assert_allclose(moved.upper_at(local[:, 0]), local[:, 1], atol=1e-9)


def test_irises_stay_one_size() -> None:
    eyes = {side: an_eye(side=side) for side in eye_marks.SIDES}
    marks = {side: marks_of(eye) for side, eye in eyes.items()}
    marks["left"] = eye_marks.EyeMarks(marks["left"].upper, marks["left"].lower, marks["left"].iris + [1.0, 0.0, 1.2])
    moved, ratio = corrected_eyes(eyes, marks)
    assert ratio == pytest.approx(1.1)
    assert moved["left"].radius_px == moved["right"].radius_px == pytest.approx(13.2)
    np.testing.assert_allclose(moved["left"].iris_px - eyes["left"].iris_px, [1.0, 0.0])
    np.testing.assert_array_equal(moved["right"].iris_px, eyes["right"].iris_px)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut as a job leaves it."""
    job = tmp_path_factory.mktemp("made")
    write_job(job, JobSpec(id="made", kind="selfie", input=inputs.copy_input(ASTRONAUT, job), quality="draft"))
    assert run_job(job, log_name="log") == DONE
    return job / paths.RESULT


def rebuilt(made: Path, folder: Path, eyes: dict) -> Path:
    job = create_job(folder, result.EYES, made / result.PHOTO, options={"eyes": eyes})
    assert run_job(job, log_name="log") == DONE, (job / paths.EVENTS).read_text()
    return job / paths.RESULT


def test_an_unchanged_rebuild_is_the_same_portrait_byte_for_byte(made: Path, tmp_path: Path) -> None:
    again = rebuilt(made, tmp_path, {})
    names = {result.PLY, result.JSON, result.NPZ, result.LINEAR, result.PHOTO, result.SCAN, result.PREVIEW}
    assert names | {result.METRICS} == {path.name for path in again.iterdir()}
    for name in names:
        assert (again / name).read_bytes() == (made / name).read_bytes(), name


def test_what_is_kept_is_the_scan(made: Path) -> None:
    kept, _ = load_scan(made / result.PHOTO)
    scan = scan_photo(ASTRONAUT, {}, RecordingContext())
    np.testing.assert_array_equal(kept.image, scan.image)
    np.testing.assert_array_equal(kept.landmarks_px, scan.landmarks_px)
    np.testing.assert_array_equal(kept.portrait_to_camera, scan.portrait_to_camera)
    for side, eye in scan.eyes.items():
        np.testing.assert_array_equal(kept.eyes[side].lids.upper, eye.lids.upper)
    assert (made / result.PHOTO).stat().st_size < 200_000 and (made / result.SCAN).stat().st_size < 60_000


def upper_height_px(made: Path, side: str) -> float:
    """Return how high the rig's upper lid stands above the corners' line in mid-opening, in pixels of the photo."""
    rig = load_rig(made)
    eye = rig.eyes[side]
    middle = np.array([0.5 * (eye.inner_x_m + eye.outer_x_m)])
    height = lids.margins(eye, middle, 0.0, 0.0, 0.0).upper_rest
    depth = np.asarray(rig.camera.w2c)[2] @ np.append(eye.iris_centre_m, 1.0) - eye.lid_radius_m + eye.lever_yaw_m
    return float((height - eye.corner_y_m)[0] * rig.camera.fx / depth)


def test_a_lid_moved_by_three_pixels_moves_the_rig_as_far(made: Path, tmp_path: Path) -> None:
    found = eye_marks.load_marks(made)
    marks = found.marks["left"]
    upper = marks.upper.copy()
    upper[1:4] -= np.array([[0.0, 3.0 * np.sin(t)] for t in (np.pi / 4, np.pi / 2, 3 * np.pi / 4)])
    now = rebuilt(made, tmp_path, {"left": {"upper": upper.tolist()}})
    # The lid bulges towards the camera and the head leans by 13 degrees: a tenth is not the lid's height in the photo.
    assert upper_height_px(now, "left") - upper_height_px(made, "left") == pytest.approx(3.0, rel=0.12)
    assert upper_height_px(now, "right") == pytest.approx(upper_height_px(made, "right"), abs=0.02)
    scan, _ = load_scan(now / result.PHOTO)
    contour = scan.eyes["left"].lids
    local = contour.to_local((upper - [scan.crop.left_px, scan.crop.top_px]) * scan.crop.scale)
    np.testing.assert_allclose(contour.upper_at(local[:, 0]), local[:, 1], atol=1e-6)
    old, new = load_rig(made), load_rig(now)
    assert old.camera == new.camera and "eyes" in new.provenance and old.provenance["sha256"] == new.provenance["sha256"]
    # And back again, onto the eye that was there first.
    back = rebuilt(now, tmp_path, {side: one.as_lists() for side, one in found.marks.items()})
    for name in ("upper_m", "lower_m", "iris_centre_m"):
        np.testing.assert_allclose(getattr(load_rig(back).eyes["left"], name), getattr(old.eyes["left"], name), atol=1e-7)
    assert len(read_ply(back / result.PLY)) == len(read_ply(made / result.PLY))
    # Beyond the eyes the head is the same picture: its splats may lie elsewhere, but as densely, and in the same colours.
    before, after = (read_ply(folder / result.PLY) for folder in (made, now))
    groups = [load_sidecar(folder, len(splats))[1] for folder, splats in ((made, before), (now, after))]
    heads = [splats.select(group == parts.HEAD) for splats, group in zip((before, after), groups, strict=True)]
    assert len(heads[1]) == pytest.approx(len(heads[0]), rel=0.02)
    np.testing.assert_allclose(heads[1].colours.mean(0), heads[0].colours.mean(0), atol=0.005)


def test_a_larger_iris_leaves_the_head_where_it_is(made: Path, tmp_path: Path) -> None:
    iris = eye_marks.load_marks(made).marks["right"].iris * [1.0, 1.0, 1.15]
    old, new = load_rig(made), load_rig(rebuilt(made, tmp_path, {"right": {"iris": iris.tolist()}}))
    for side in eye_marks.SIDES:
        assert new.eyes[side].iris_radius_m == pytest.approx(1.15 * old.eyes[side].iris_radius_m, rel=1e-6)
        np.testing.assert_allclose(new.eyes[side].iris_centre_m, old.eyes[side].iris_centre_m, atol=1e-6)


def test_marks_given_with_a_photo_count_from_the_start() -> None:
    found = scan_photo(ASTRONAUT, {}, RecordingContext())
    iris = found.crop.to_photo(marks_of(found.eyes["left"])).iris + [1.0, 0.5, 0.0]
    told = scan_photo(ASTRONAUT, {"eyes": {"left": {"iris": iris.tolist()}}}, RecordingContext())
    np.testing.assert_allclose(told.eyes["left"].iris_px - found.eyes["left"].iris_px, [1.0, 0.5], atol=1e-6)
    assert told.eyes["left"].lids is not None and told.eyes["right"].radius_px == found.eyes["right"].radius_px


@pytest.mark.parametrize(("spoil", "code"), [
    (lambda folder: (folder / result.SCAN).write_text("{}"), "bad-scan"),
    (lambda folder: change(folder, lambda data: data.update(version=9)), "scan-newer"),
    (lambda folder: change(folder, lambda data: data["eyes"]["left"]["lids"].update(upper=[0.0])), "bad-scan"),
    (lambda folder: change(folder, lambda data: data.update(landmarks_px=[[1.0, 2.0]])), "bad-scan"),
    (lambda folder: change(folder, lambda data: data.update(kind="video")), "no-scan"),
    (lambda folder: (folder / result.PHOTO).write_bytes(b"nothing"), "photo-unreadable")])
def test_damaged_folders_are_refused(made: Path, tmp_path: Path, spoil, code: str) -> None:
    shutil.copytree(made, tmp_path / "portrait")
    spoil(tmp_path / "portrait")
    job = create_job(tmp_path / "jobs", result.EYES, tmp_path / "portrait" / result.PHOTO)
    assert run_job(job, log_name="log") == FAILED
    assert f'"{code}"' in (job / paths.EVENTS).read_text()


def change(folder: Path, edit) -> None:
    data = json.loads((folder / result.SCAN).read_text())
    edit(data)
    (folder / result.SCAN).write_text(json.dumps(data))
