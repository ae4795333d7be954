# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the extension feel at home: jobs that wait for their turn, pictures and times in the panel, menus, assets."""
from __future__ import annotations

import json
import os
import sys
import time

import bpy
import numpy as np
import pytest

STORY = [{"do": "stage", "name": "Working"}, {"do": "count", "steps": 4, "seconds": 0.4}]


@pytest.fixture
def jobs_folder(clean, room, monkeypatch, tmp_path):
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", sys.executable)
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    yield tmp_path / "jobs"
    room("gazesplat_addon.live_jobs").detach()


@pytest.fixture
def queue(jobs_folder, room, tmp_path):
    """Return a function that queues a dummy job the way the operator does."""
    (tmp_path / "selfie.jpg").write_bytes(b"nothing")

    def add(story=STORY):
        job = room("gazesplat_addon.reconstruction").start(tmp_path / "selfie.jpg", kind="dummy", quality="draft", seed=0,
                                                            options={"story": story}, queue=True)
        room("gazesplat_addon.live_jobs").watch(job)
        time.sleep(1.05)    # their names tell their order to the second
        return job
    return add


def finish(room, *jobs, within_s=60.0):
    live, deadline = room("gazesplat_addon.live_jobs"), time.monotonic() + within_s
    seen = []
    while not all(job.ended for job in jobs) and time.monotonic() < deadline:
        live.poll()
        seen.append([job.state for job in jobs])
        time.sleep(0.02)
    return seen


def test_jobs_wait_for_their_turn(room, queue):
    first, second, third = queue([{"do": "sleep", "seconds": 3.0}, *STORY]), queue(), queue()
    assert [job.state for job in (first, second, third)] == ["running", "queued", "queued"]
    second.cancel()
    seen = finish(room, first, second, third)
    assert [job.state for job in (first, second, third)] == ["done", "cancelled", "done"]
    assert max(states.count("running") for states in seen) == 1 and not (second.folder / "log.txt").exists()


def test_a_queue_is_found_again_after_a_crash(room, queue):
    live = room("gazesplat_addon.live_jobs")
    first, second, third = queue([{"do": "sleep", "seconds": 2.0}, *STORY]), queue(), queue()
    third.cancel()
    live.detach()    # Blender is gone, the first job is not
    live._find_again()
    again = live.watched()
    assert [job.id for job in again] == [first.id, second.id]
    finish(room, *again)
    assert [job.state for job in again] == ["done", "done"]


def test_what_failed_while_nobody_looked_is_shown_and_tried_again(room, queue, gs, tmp_path):
    from tests.blender.test_operators_panels import context_for, drawn
    live = room("gazesplat_addon.live_jobs")
    job = queue([{"do": "stage", "name": "Working"}, {"do": "abort"}])
    finish(room, job)
    live.detach()
    live._find_again()
    (found,) = live.watched()
    assert (found.state, found.error.code) == ("crashed", "crashed") and found.can_retry
    assert "stopped without a word" in " ".join(drawn(gs, room, context_for())["GazeSplat"])
    asked = found.folder / "job.json"
    asked.write_text(asked.read_text("utf-8").replace("abort", "bug"), "utf-8")
    assert bpy.ops.gazesplat.retry_job(job=found.id) == {"FINISHED"}
    (retried,) = live.watched()
    finish(room, retried)
    assert (retried.state, retried.error.code) == ("failed", "internal")


def test_a_finished_job_that_nobody_wants_is_not_offered_again(room, queue, gs):
    live = room("gazesplat_addon.live_jobs")
    job = queue()
    finish(room, job)
    assert "Import" in drawn_words(room)
    assert bpy.ops.gazesplat.remove_job(job=job.id) == {"FINISHED"}
    assert live.watched() == [] and (job.folder / "result").is_dir()
    live.detach()
    live._find_again()
    assert live.watched() == []


def test_what_prevents_a_queued_job_is_shown_with_it(room, queue, monkeypatch):
    first, second = queue([{"do": "sleep", "seconds": 1.0}]), queue()
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", "/no/such/python")
    finish(room, first, second)
    assert second.state == "failed" and second.error.code == "no-backend"


def test_one_of_two_blenders_gets_the_job(room, queue, gs):
    first, second = queue([{"do": "sleep", "seconds": 1.0}]), queue()
    state = room("gazesplat_addon.jobs.state")
    other = state.Job(second.folder)
    other.start(sys.executable)
    finish(room, first, second)
    assert second.state == "done", "the other one follows"
    assert other.wait(60.0) == "done"


def drawn_words(room):
    from tests.blender.test_operators_panels import Layout, context_for
    layout = Layout()
    room("panels.job_list").draw_jobs(layout, context_for(), room("gazesplat_addon.live_jobs").watched())
    return layout.words


def write_refit(room, portrait, result):
    """What the backend leaves: here, the colours that the splats have already."""
    splats = room("gazesplat_addon.splat.ply").read_ply(portrait.folder / "portrait.ply")
    refit = room("gazesplat_addon.splat.linear_refit")
    result.mkdir()
    refit.save_refit(result / "portrait.linear.npz", refit.LinearRefit(splats.colours, splats.opacities), splats)
    (result / "metrics.json").write_text(json.dumps({"linear": {"before": {}, "after": {}}}), "utf-8")


def test_work_on_a_portrait_waits_for_its_turn_too_and_is_finished_after_a_crash(gs, room, queue, loaded_blend, tmp_path):
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    (portrait,) = gs.portraits()
    bpy.context.view_layer.objects.active = portrait.root
    first = queue([{"do": "sleep", "seconds": 20.0}])
    assert bpy.ops.gazesplat.refit_linear(quality="draft") == {"FINISHED"}
    live = room("gazesplat_addon.live_jobs")
    refit = live.watched()[-1]
    assert refit.queued and refit.photo_name == "Mara: linear light"
    words = drawn_words(room)
    assert "Mara: linear light" in words and "Waits for its turn" in words
    first.cancel()
    finish(room, first)
    live.forget(refit.id)
    # Another Blender did the work and crashed before it was brought in; the file is opened again.
    state, paths = room("gazesplat_addon.jobs.state"), room("backend.contract.paths")
    paths.write_json_atomically(refit.folder / "pid.json", {"pid": 1, "started": "long ago"})
    (refit.folder / "events.jsonl").write_text(json.dumps({"v": 1, "t": 1.0, "type": "done"}) + "\n", "utf-8")
    write_refit(room, portrait, refit.folder / "result")
    bpy.ops.wm.read_homefile(use_empty=True)
    (again,) = [one for one in room("gazesplat_addon.known_jobs").known() if one.id == refit.id]
    assert again.state == state.DONE and not again.imported
    with pytest.raises(gs.GazeSplatError) as caught:
        again.import_result()
    assert caught.value.code == "portrait-gone" and "Mara" in caught.value.message and again.folder.is_dir()
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    gs.portraits()[0].name = "Renamed"
    assert again.import_result().name == "Renamed"
    assert "gs_linear" in gs.portraits()[0].object.data.attributes and again.imported and not again.folder.exists()
    (gs.portraits()[0].folder / "portrait.linear.npz").unlink()


def test_the_time_left(room, tmp_path):
    words = room("panels.job_list")
    assert [words.time_left(one) for one in (None, 20.0, 130.0, 7200.0)] == [
        "", "under a minute left", "about 2 min left", "about 2.0 h left"]
    folder = room("gazesplat_addon.jobs.folder").create_job(tmp_path / "jobs", "dummy", options={})
    job = room("gazesplat_addon.jobs.state").Job(folder)
    for event in ({"type": "hello", "t": 100.0}, {"type": "progress", "t": 130.0, "fraction": 0.25}):
        job._take(event)
    assert job.seconds_left == pytest.approx(90.0)
    job._take({"type": "progress", "t": 50.0, "fraction": 0.25})    # the clock was set back: the gap counts as nothing
    assert job.seconds_left == pytest.approx(90.0)


def picture(path):
    image = bpy.data.images.new("p", 60, 20)
    pixels = np.zeros((20, 60, 4), np.float32)
    pixels[..., 3] = 1.0
    pixels[:, 20:40, 0] = 1.0
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def test_pictures_become_icons(room, clean, tmp_path):
    icons = room("gazesplat_addon.preview_icons")
    assert icons.icon_of(None) == icons.icon_of(tmp_path / "none.png") == 0
    (tmp_path / "empty.png").touch()
    assert icons.icon_of(tmp_path / "empty.png") == 0
    icons.icon_of(picture(tmp_path / "p.png"))
    (first,) = icons._pictures    # in background there are no icons to show, but the picture is taken in
    icons.icon_of(tmp_path / "p.png")
    assert list(icons._pictures) == [first] and tuple(icons._pictures[first].image_size) == (60, 20)
    os.utime(tmp_path / "p.png", (1.0, 1.0))
    icons.icon_of(tmp_path / "p.png")
    (second,) = icons._pictures
    assert second != first


def test_a_job_shows_how_far_it_is(room, queue, tmp_path):
    job = queue([{"do": "stage", "name": "Working"}, {"do": "preview", "picture": str(picture(tmp_path / "p.png"))},
                 {"do": "sleep", "seconds": 2.5}, {"do": "progress", "fraction": 0.5}, {"do": "sleep", "seconds": 20.0}])
    deadline = time.monotonic() + 60.0
    while job.seconds_left is None and time.monotonic() < deadline:
        job.poll()
        time.sleep(0.05)
    assert 1.5 < job.seconds_left < 60.0 and job.preview.read_bytes() == (tmp_path / "p.png").read_bytes()
    job.cancel()
    finish(room, job)
    assert job.state == "cancelled" and job.seconds_left is None


def test_a_portrait_is_an_asset(gs, clean, loaded_blend):
    bpy.ops.wm.read_homefile(use_empty=True)
    portrait = gs.load(loaded_blend.parent, name="Mara")
    portrait.person = "Mara Example"
    picture(loaded_blend.parent / "preview.png")
    bpy.context.view_layer.objects.active = portrait.root
    assert bpy.ops.gazesplat.mark_as_asset() == {"FINISHED"}
    collection = portrait.root.users_collection[0]
    assert collection.asset_data.description == "GazeSplat portrait of Mara Example"
    pixels = np.array(collection.preview.image_pixels_float).reshape(256, 256, 4)
    assert np.allclose(pixels[128, 128], (1.0, 0.0, 0.0, 1.0), atol=0.02) and pixels[..., 0].mean() > 0.95    # the middle one of three
    assert portrait.mark_as_asset() == collection and len(collection.asset_data.tags) == 2


def test_menus_name_operators_that_exist(gs, room, clean):
    from tests.blender.test_operators_panels import Layout, context_for
    menus = room("panels.menus")
    for cls in (menus.GAZESPLAT_MT_add, menus.GAZESPLAT_MT_object):
        panel = type("Menu", (), {"layout": Layout()})()
        cls.draw(panel, context_for())
        assert len(panel.layout.words) >= 3
