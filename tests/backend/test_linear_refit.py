# SPDX-License-Identifier: GPL-3.0-or-later
"""A linear refit: blended in linear light, its splats give the picture that was fitted in display values."""
from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.bench import refit as bench
from gazesplat.backend.contract import paths, result
from gazesplat.backend.contract.inputs import copy_splats
from gazesplat.backend.contract.job import JobSpec, write_job
from gazesplat.backend.model import linear_refit, refit_views
from gazesplat.backend.render import RenderSettings, render
from gazesplat.backend.run import CANCELLED, DONE, FAILED, run_job
from gazesplat.gazesplat_addon.rig import parts
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from gazesplat.gazesplat_addon.splat.linear_refit import load_refit, path_beside
from gazesplat.gazesplat_addon.splat.ply import read_ply, write_ply
from gazesplat.gazesplat_addon.splat.srgb import decoded, encoded, exact_light
from tests.portrait_files import write_portrait
from tests.synthetic import synthetic_portrait

SIZE_PX = 96


def quiet(done: float, text: str) -> None:
    assert 0.0 <= done <= 1.0 and text


@pytest.fixture(scope="module", params=[0, 2], ids=["plain", "harmonics"])
def fitted(request):
    splats, groups, rig = synthetic_portrait(head_count=4000, sh_degree=request.param)
    views = linear_refit.make_views(splats, groups, rig, 18, size_px=SIZE_PX)
    return splats, groups, rig, views, linear_refit.refit_linear(splats, views, steps=72, report=quiet)


def test_linear_light_gives_the_fitted_picture_also_between_the_views(fitted):
    splats, groups, rig, views, refit = fitted
    judges = linear_refit.make_views(splats, groups, rig, 6, judged=True, size_px=SIZE_PX)
    for chosen in (views, judges):
        before = linear_refit.judge(chosen, splats.colours, splats.opacities)
        after = linear_refit.judge(chosen, refit.colours, refit.opacities)
        assert after.psnr_db > before.psnr_db + 6.0, (before, after)
        assert abs(after.bias_percent) < 0.5
        assert after.alpha_db > 50.0


@pytest.mark.parametrize("pose", [Pose.both(-15.0, 6.0), Pose.both(5.0, 0.0, 0.5), Pose.both(0.0, 0.0, 0.95)])
def test_posed_eyes_and_lids_are_right_too(fitted, pose):
    """Drawn as Blender does: pose, shade, decode each splat, blend. The eyes alone are judged."""
    splats, groups, rig, _, refit = fitted
    camera = refit_views.chosen_views(splats, rig, 2, size_px=160)[1][0]
    posed = pose_splats(splats, groups, rig, pose, camera.position)
    wanted = exact_light(render(posed, camera).rgba())
    eyes = render(posed, camera, mattes={"eyes": [parts.code(side, part) for side in parts.SIDES for part in range(1, 10)]}).mattes["eyes"]
    errors = []
    for one in (splats, refit.applied(splats)):
        again = pose_splats(one, groups, rig, pose, camera.position)
        got = render(replace(again, colours=decoded(again.colours)), camera).rgba()
        errors.append(np.mean((encoded(got[..., :3]) - encoded(wanted[..., :3]))[eyes > 0.5] ** 2))
    assert (eyes > 0.5).sum() > 30
    assert errors[1] < 0.5 * errors[0], "at least 3 dB"


def test_the_target_is_the_exact_mode(fitted):
    """Straight alpha, decode, premultiply: over any background the same picture as with the compositor's group."""
    splats, groups, rig, views, _ = fitted
    camera = views[0].camera
    frame = render(pose_splats(splats, groups, rig, Pose(), camera.position), camera, RenderSettings())
    np.testing.assert_allclose(views[0].target, exact_light(frame.rgba()), atol=2e-5)


def test_gradients_point_where_the_error_falls(fitted):
    splats, _, _, views, _ = fitted
    view, colours, logits = views[0], splats.colours.copy(), linear_refit._logit(splats.opacities)

    def error(c, o):
        rgba = render(view.as_linear(c, linear_refit._sigmoid(o)), view.camera).rgba().astype(float)
        shown = encoded(rgba[..., :3]).astype(float) - encoded(view.target[..., :3])
        return 0.5 * np.sum(shown ** 2) + 0.5 * linear_refit.ALPHA_WEIGHT * np.sum((rgba[..., 3] - view.target[..., 3]) ** 2)

    d_colours, d_logits, _ = linear_refit._gradients(view, colours, logits, None)
    for first, second, size in ((d_colours, 0.0, 1e-2), (0.0, d_logits, 1e-1)):
        step = size / max(np.abs(first).max(), np.abs(second).max())
        expected = 2 * step * (np.sum(np.square(first)) + np.sum(np.square(second)))
        fell = error(colours - step * first, logits - step * second) - error(colours + step * first, logits + step * second)
        assert -fell == pytest.approx(expected, rel=0.1)


def test_what_no_view_shows_keeps_its_colours(fitted):
    splats, groups, rig, _, _ = fitted
    hidden = replace(splats, opacities=np.where(np.arange(len(splats)) < 50, np.float32(0.001), splats.opacities))
    views = linear_refit.make_views(hidden, groups, rig, 2, size_px=48)
    refit = linear_refit.refit_linear(hidden, views, steps=4, report=quiet)
    assert (refit.colours[:50] == hidden.colours[:50]).all() and (refit.opacities[:50] == hidden.opacities[:50]).all()
    assert not (refit.colours[50:] == hidden.colours[50:]).all()


def run_refit(folder, ply, quality="draft", cancel=False):
    folder.mkdir()
    write_job(folder, JobSpec(id="x", kind=result.REFIT, input=copy_splats(ply, folder), quality=quality))
    if cancel:
        (folder / paths.CANCEL).touch()
    return run_job(folder, log_name="log")


def test_a_job_makes_the_file_that_lies_beside_the_splats(tmp_path):
    portrait = write_portrait(tmp_path / "mara", head_count=600)
    assert run_refit(tmp_path / "job", portrait / "portrait.ply") == DONE
    made = tmp_path / "job" / paths.RESULT
    assert sorted(one.name for one in made.iterdir()) == sorted(result.REFIT_FILES)
    figures = json.loads((made / result.METRICS).read_text())["linear"]
    assert figures["after"]["psnr_db"] > figures["before"]["psnr_db"]
    splats = read_ply(portrait / "portrait.ply")
    assert len(load_refit(made / result.LINEAR, splats).colours) == len(splats)


def test_a_job_can_be_cancelled_and_refuses_what_it_cannot_fit(tmp_path):
    portrait = write_portrait(tmp_path / "mara", head_count=300)
    assert run_refit(tmp_path / "stopped", portrait / "portrait.ply", cancel=True) == CANCELLED
    assert not (tmp_path / "stopped" / paths.RESULT).exists()
    (tmp_path / "broken.ply").write_bytes(b"ply\nnothing")
    assert run_refit(tmp_path / "broken", tmp_path / "broken.ply") == FAILED
    assert '"ply-' in (tmp_path / "broken" / paths.EVENTS).read_text()


def test_the_command_refits_any_splat(tmp_path, root):
    def main(*words):
        return subprocess.run([sys.executable, "-I", root / "backend", *map(str, words)], capture_output=True, text=True)

    splats = synthetic_portrait(head_count=500)[0]
    write_ply(tmp_path / "scan.ply", splats)
    assert main("refit", tmp_path / "scan.ply", "--quality", "draft").returncode == DONE
    refit = load_refit(path_beside(tmp_path / "scan.ply"), read_ply(tmp_path / "scan.ply"))
    assert main("refit", tmp_path / "scan.ply", "--quality", "draft", "--out", tmp_path / "linear.ply").returncode == DONE
    np.testing.assert_allclose(read_ply(tmp_path / "linear.ply").colours, refit.colours, atol=1e-3)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["linear.ply", "scan.linear.npz", "scan.ply"]
    refused = main("refit", tmp_path / "scan.ply", "--out", tmp_path / "scan.ply")
    assert refused.returncode == FAILED and "bad-output" in refused.stderr


def test_the_benchmark_measures_what_it_says(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "SIZE_PX", SIZE_PX)
    folder = write_portrait(tmp_path / "mara", head_count=800)
    assert bench.main([str(folder), "--quality", "draft", "--json", str(tmp_path / "figures.json")]) == 0
    rows = json.loads((tmp_path / "figures.json").read_text())["portraits"]["mara"]["views"]
    assert set(rows) == {"fitted", "between", "between, head", "between, eyes posed", "between, eyes closing"}
    assert all(row["after"]["psnr_db"] > row["before"]["psnr_db"] for row in rows.values())
    assert "between, eyes closing" in capsys.readouterr().out
