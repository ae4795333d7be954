# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python snippet of the guide runs, each page from top to bottom, in the file that the pages imagine."""
from __future__ import annotations

import shutil
import sys

import bpy
import pytest

from tests.docs_snippets import BLENDER_PAGES, DOCS, snippets
from tests.portrait_files import write_portrait


@pytest.fixture
def imagined_file(clean, room, monkeypatch, tmp_path):
    """A saved file with a candle, a rig, a camera, and photos and a portrait beside it; the backend is the dummy."""
    made = write_portrait(tmp_path / "portraits" / "mara")
    (tmp_path / "photos").mkdir()
    for name in ("selfie.jpg", "photos/one.jpg", "photos/two.jpg"):
        (tmp_path / name).write_bytes(b"the dummy does not look")
    scene = bpy.context.scene
    candle = bpy.data.objects.new("Candle", None)
    candle.location = (0.3, -0.8, 0.1)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.camera.location = (0.0, -1.0, 0.0)
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    for thing in (candle, scene.camera, rig):
        scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    rig.data.edit_bones.new("hand.R").tail = (0.0, 0.0, 0.1)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))

    reconstruction = room("gazesplat_addon.reconstruction")
    start = reconstruction.start
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", sys.executable)
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    monkeypatch.setattr(reconstruction, "start", lambda photo, *, options, **asked: start(
        photo, kind="dummy", options={"portrait": str(made), "story": [{"do": "stage", "name": "look"}]}, **asked))
    # The dummy makes whole portraits only; tests/blender/test_linear_refit_api.py runs the true refit.
    monkeypatch.setattr(room("gazesplat_addon.linear_refit_job"), "refit",
                        lambda portrait, *, wait, queue, quality: {when: {"psnr_db": 40.0} for when in ("before", "after")})
    yield tmp_path
    shutil.rmtree(tmp_path / "jobs", ignore_errors=True)


def run(page: str, **names: object) -> dict:
    """Run a page's snippets with what it takes for granted, and return all names it has made."""
    for line, code in snippets(page):
        exec(compile("\n" * (line - 1) + code, str(DOCS / page), "exec"), names)
    return names


def test_every_snippet_of_the_cookbook_runs(imagined_file, gs, capsys):
    names = run("console.md")
    printed = capsys.readouterr().out
    assert "no-file" in printed and "100%" in printed
    assert not names["mara"].alive
    assert len(gs.portraits()) == 3, "the first photo, and the two of the folder"


@pytest.mark.parametrize("page", [page for page in BLENDER_PAGES if page != "console.md"])
def test_every_snippet_of_the_guide_runs(imagined_file, gs, room, monkeypatch, page):
    monkeypatch.setattr(room("gazesplat_addon.portrait").Portrait, "capture_gaze", lambda portrait, clip, *, start: None)
    monkeypatch.setattr(room("gazesplat_addon.motion_check"), "_write_report", lambda *given: None)
    bpy.context.scene.frame_end = 48
    made = gs.load(imagined_file / "portraits" / "mara" / "portrait.ply", name="Mara")
    if page == "motion.md":
        made.animate("interview", seed=1)
    if page == "farm.md":    # which starts with a file that is ready
        made.setup_render(engine="cycles")
        bpy.ops.wm.save_mainfile()
    run(page, gs=gs, portrait=made)
    assert made.alive
