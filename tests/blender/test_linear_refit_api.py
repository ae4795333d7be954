# SPDX-License-Identifier: GPL-3.0-or-later
"""``portrait.refit_linear()`` and the colour mode it is for, as an artist meets them."""
from __future__ import annotations

import os

import bpy
import pytest

needs_backend = pytest.mark.skipif("GAZESPLAT_BACKEND_PYTHON" not in os.environ, reason="GAZESPLAT_BACKEND_PYTHON names no backend")


@pytest.fixture
def portrait(clean, gs, portrait_folder, tmp_path, monkeypatch, room):
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    return gs.load(portrait_folder, name="Mara")


def test_the_colour_mode_is_chosen_in_the_console_and_by_the_operator(portrait, gs, room):
    colour = room("gazesplat_addon.scene.colour")
    scene = bpy.context.scene
    for chosen, mode in (("scene-linear", colour.SCENE_LINEAR), ("exact", colour.EXACT)):
        assert portrait.setup_render(engine="cycles", colour_mode=chosen)
        assert colour.colour_mode(scene) == mode
        assert portrait.setup_render(engine="cycles", colour_mode=chosen) == []
    bpy.context.view_layer.objects.active = portrait.root
    assert bpy.ops.gazesplat.set_up_render(engine="cycles", colour_mode="scene-linear") == {"FINISHED"}
    assert colour.colour_mode(scene) == colour.SCENE_LINEAR
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.setup_render(colour_mode="sepia")
    assert caught.value.code == "bad-value" and "scene-linear" in caught.value.hint


@needs_backend
def test_a_refit_gives_the_portrait_its_second_colours_and_keeps_its_animation(portrait, tmp_path, capsys):
    portrait.gaze = (7.0, 0.0)
    portrait.setup_render(engine="cycles", colour_mode="scene-linear")
    assert any("refit" in problem for problem in portrait.render_problems())
    figures = portrait.refit_linear(quality="draft")
    assert figures["after"]["psnr_db"] > figures["before"]["psnr_db"] + 3.0
    assert "Fitting colours for linear light" in capsys.readouterr().out
    assert portrait.render_problems() == [] and portrait.gaze == (7.0, 0.0)
    assert "gs_linear" in portrait.object.data.attributes
    assert (portrait.folder / "portrait.linear.npz").is_file()
    assert not list((tmp_path / "jobs").iterdir()), "the job's folder holds a copy of the splats: it goes"
    portrait.reload()
    assert "gs_linear" in portrait.object.data.attributes


@needs_backend
def test_a_refit_in_the_background_can_be_watched_and_cancelled(portrait, gs, room):
    live_jobs = room("gazesplat_addon.live_jobs")
    bpy.context.view_layer.objects.active = portrait.root
    assert bpy.ops.gazesplat.refit_linear(quality="high") == {"FINISHED"}
    (job,) = live_jobs.watched()
    assert "Mara" in job.photo_name and not job.imported
    job.cancel()
    assert job.wait(timeout_s=60.0) == "cancelled"
    with pytest.raises(gs.GazeSplatError) as caught:
        job.result()
    assert caught.value.code == "cancelled" and "gs_linear" not in portrait.object.data.attributes
    live_jobs.forget(job.id)


def test_a_refit_without_a_backend_says_so(portrait, gs, monkeypatch, tmp_path):
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", str(tmp_path / "nothing"))
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.refit_linear()
    assert caught.value.code == "no-backend"
