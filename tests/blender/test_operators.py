# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist clicks: every operator, its poll message, its undo step, its errors."""
from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest


@pytest.fixture
def folder(loaded_blend):
    """Where the portrait's files lie."""
    return loaded_blend.parent


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    return gs.portraits()[0]


@pytest.fixture(autouse=True)
def bugs_show(room, monkeypatch):
    """A bug in an operator is a traceback here, not a polite report."""
    monkeypatch.setattr(room("operators.base"), "reraise_bugs", True)


@pytest.fixture
def backend(room, monkeypatch, tmp_path):
    """Reconstructions run this interpreter and the dummy story; jobs live in a folder of the test's own."""
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", sys.executable)
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    start = room("gazesplat_addon.reconstruction").start

    def dummy(photo, *, options, **asked):
        return start(photo, kind="dummy", options={**options, **story}, **asked)

    story = {}
    monkeypatch.setattr(room("gazesplat_addon.reconstruction"), "start", dummy)
    yield story
    room("gazesplat_addon.live_jobs").detach()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "mära photo.png"
    path.write_bytes(b"no picture, but the dummy does not look")
    return path


def operators():
    return [getattr(bpy.ops.gazesplat, name) for name in dir(bpy.ops.gazesplat)]


def test_every_operator_teaches(clean, gs):
    assert len(operators()) >= 15
    for operator in operators():
        rna = operator.get_rna_type()
        assert len(rna.description) > 20 and not rna.description.endswith("."), operator.idname_py()
        for name, prop in rna.properties.items():
            hidden = name in ("rna_type", "filepath", "filter_glob", "filter_image", "filter_movie", "filter_folder", "check_existing")
            assert hidden or prop.description, f"{operator.idname_py()}.{name}"


@pytest.mark.parametrize("name", ["add_saccades", "add_blinks", "add_head_drift", "clear_generated", "look_at_camera", "look_at_nothing",
                                  "look_at_object", "set_up_render", "delete_portrait", "export_portrait"])
def test_without_a_portrait_the_button_says_why(clean, gs, name):
    with pytest.raises(RuntimeError, match="Select a portrait"):
        getattr(bpy.ops.gazesplat, name)()


def test_import_portrait(clean, gs, folder):
    assert bpy.ops.gazesplat.import_portrait(filepath=str(folder / "portrait.ply")) == {"FINISHED"}
    assert len(gs.portraits()) == 1


def test_nothing_arrives_while_something_is_edited(clean, gs, folder):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    for arrival in (lambda: bpy.ops.gazesplat.import_portrait(filepath=str(folder / "portrait.ply")), bpy.ops.gazesplat.add_sample,
                    bpy.ops.gazesplat.import_result):
        with pytest.raises(RuntimeError, match="Leave edit mode first"):
            arrival()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert gs.portraits() == []


def handlers() -> dict:
    return {cls.bl_idname: cls for cls in bpy.types.FileHandler.__subclasses__() if cls.bl_idname.startswith("GAZESPLAT")}


def viewport(tab: str | None) -> SimpleNamespace:
    """A 3D view whose sidebar is closed (None) or shows a tab."""
    regions = [SimpleNamespace(type="WINDOW"), SimpleNamespace(type="UI", active_panel_category=tab)]
    spaces = SimpleNamespace(active=SimpleNamespace(show_region_ui=tab is not None))
    return SimpleNamespace(area=SimpleNamespace(type="VIEW_3D", regions=regions, spaces=spaces))


def test_splat_files_can_be_dropped_into_the_view(clean, gs, folder, tmp_path):
    handler = handlers()["GAZESPLAT_FH_portrait"]
    assert set(handler.bl_file_extensions.split(";")) == {".ply", ".spz"}
    assert handler.poll_drop(viewport(None)) and not handler.poll_drop(SimpleNamespace(area=SimpleNamespace(type="OUTLINER")))
    drop = bpy.ops.gazesplat.import_portrait
    assert handler.bl_import_operator == drop.idname_py()
    # What Blender does with a dropped file: the operator is invoked with its path.
    assert drop("INVOKE_DEFAULT", filepath=str(folder / "portrait.ply")) == {"FINISHED"}
    assert len(gs.portraits()) == 1 and gs.portraits()[0].rigged


def test_photos_and_videos_can_be_dropped_while_our_tab_is_open(clean, gs, backend, photo, folder, room, monkeypatch):
    handler = handlers()["GAZESPLAT_FH_photo"]
    assert {".jpg", ".jpeg", ".png", ".mp4", ".mov"} <= set(handler.bl_file_extensions.split(";"))
    assert handler.bl_import_operator == "gazesplat.reconstruct"
    assert handler.poll_drop(viewport("GazeSplat"))
    assert not handler.poll_drop(viewport("Tool")), "Blender makes an empty of the picture"
    assert not handler.poll_drop(viewport(None)) and not handler.poll_drop(SimpleNamespace(area=None))
    backend["portrait"] = str(folder)
    assert bpy.ops.gazesplat.reconstruct("INVOKE_DEFAULT", filepath=str(photo)) == {"FINISHED"}
    kinds = room("gazesplat_addon.reconstruction").kind_of
    assert [kinds(Path(name)) for name in ("a.JPG", "b.png", "c.MOV", "d.mp4")] == ["selfie", "selfie", "video", "video"]


def test_the_file_menu_offers_import_and_export(portrait, room):
    menus, shown = room("panels.menus"), []
    menu = SimpleNamespace(layout=SimpleNamespace(operator=lambda idname, **words: shown.append(idname)))
    for kind, draw in ((bpy.types.TOPBAR_MT_file_import, menus.draw_import), (bpy.types.TOPBAR_MT_file_export, menus.draw_export)):
        assert draw in kind._dyn_ui_initialize()
        draw(menu, bpy.context)
    assert shown == ["gazesplat.import_portrait", "gazesplat.export_portrait"]


def test_errors_end_in_one_sentence(clean, gs, tmp_path, caplog):
    with caplog.at_level(logging.INFO), pytest.raises(RuntimeError) as caught:
        bpy.ops.gazesplat.import_portrait(filepath=str(tmp_path / "none.ply"))
    assert "none.ply" in str(caught.value) and "Traceback" not in str(caught.value)
    assert "no-file" in caplog.text


def test_a_bug_ends_in_one_sentence_too(portrait, room, monkeypatch, caplog):
    monkeypatch.setattr(room("operators.base"), "reraise_bugs", False)
    monkeypatch.setattr(room("gazesplat_addon.motion"), "add_blinks", lambda *a, **k: 1 // 0)
    with pytest.raises(RuntimeError, match="A fault in GazeSplat: ZeroDivisionError") as caught:
        bpy.ops.gazesplat.add_blinks()
    assert "Traceback" not in str(caught.value)
    assert "Traceback" in caplog.text


def test_generators_write_and_clear(portrait):
    assert bpy.ops.gazesplat.add_saccades(seed=3, state="talking") == {"FINISHED"}
    assert bpy.ops.gazesplat.add_blinks(seed=3, use_scene_range=False, start=10, end=90, per_minute=60.0) == {"FINISHED"}
    assert bpy.ops.gazesplat.add_head_drift(seed=3) == {"FINISHED"}
    assert portrait.root.animation_data.action and portrait.head.animation_data.action
    assert bpy.ops.gazesplat.clear_generated() == {"FINISHED"}
    assert portrait.clear() == 0


def test_an_operator_does_what_the_console_does(portrait):
    from tests.blender.test_api import keys_of
    bpy.ops.gazesplat.add_blinks(seed=4, per_minute=30.0)
    clicked = keys_of(portrait)
    portrait.clear()
    portrait.add_blinks(seed=4, per_minute=30.0)
    assert keys_of(portrait) == clicked


def test_look_at_the_other_selected_object(portrait):
    candle = bpy.data.objects.new("Candle", None)
    bpy.context.collection.objects.link(candle)
    candle.location = (0.3, -0.6, 0.0)
    bpy.context.view_layer.objects.active = portrait.root
    portrait.root.select_set(True)
    with pytest.raises(RuntimeError, match="hold Shift"):
        bpy.ops.gazesplat.look_at_object()
    candle.select_set(True)
    assert bpy.ops.gazesplat.look_at_object() == {"FINISHED"}
    assert portrait.eyes.left.now.yaw_deg > 10.0
    assert bpy.ops.gazesplat.look_at_nothing() == {"FINISHED"}
    assert abs(portrait.eyes.left.now.yaw_deg) < 0.01
    bpy.context.view_layer.objects.active = candle
    assert bpy.ops.gazesplat.look_at_object(target="Candle") == {"FINISHED"}
    assert portrait.eyes.left.now.yaw_deg > 10.0


def test_look_at_camera_needs_one(portrait):
    bpy.context.scene.camera = None
    with pytest.raises(RuntimeError, match="no camera"):
        bpy.ops.gazesplat.look_at_camera()
    bpy.context.scene.camera = portrait.camera
    assert bpy.ops.gazesplat.look_at_camera() == {"FINISHED"}
    assert abs(portrait.eyes.left.now.yaw_deg) < 6.0


def test_with_two_portraits_the_selected_one_is_meant(portrait, gs, folder):
    other = gs.load(folder, name="Otto")
    bpy.context.view_layer.objects.active = None
    with pytest.raises(RuntimeError, match="Select a portrait"):
        bpy.ops.gazesplat.add_blinks()
    bpy.context.view_layer.objects.active = other.object
    bpy.ops.gazesplat.add_blinks(seed=1, per_minute=60.0)
    assert other.clear() > 0 and portrait.clear() == 0


def test_set_up_render_and_delete(portrait, gs):
    assert bpy.ops.gazesplat.set_up_render(engine="cycles") == {"FINISHED"}
    assert portrait.render_problems() == []
    assert bpy.ops.gazesplat.delete_portrait() == {"FINISHED"}
    assert gs.portraits() == []


def test_undo_takes_an_import_back(clean, gs, folder):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.gazesplat.import_portrait("EXEC_DEFAULT", True, filepath=str(folder / "portrait.ply"))
    assert len(gs.portraits()) == 1
    bpy.ops.ed.undo()
    assert gs.portraits() == []


def watched(room):
    return room("gazesplat_addon.live_jobs").watched()


def poll_until_ended(room):
    live = room("gazesplat_addon.live_jobs")
    import time
    deadline = time.monotonic() + 60.0
    while live.poll():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_reconstruct_shows_progress_and_imports(clean, gs, room, backend, photo, folder):
    backend.update(portrait=str(folder), story=[{"do": "stage", "name": "look"}, {"do": "count", "steps": 4, "seconds": 0.4}])
    assert bpy.ops.gazesplat.reconstruct(filepath=str(photo)) == {"FINISHED"}
    (job,) = watched(room)
    assert job.photo_name == "mära photo" and job.state == "running"
    poll_until_ended(room)
    assert job.state == "done" and job.progress == 1.0
    if not gs.portraits():  # without a window nothing is imported by itself
        assert bpy.ops.gazesplat.import_result(job=job.id) == {"FINISHED"}
    assert [portrait.name for portrait in gs.portraits()] == ["mära photo"]
    assert watched(room) == []


def test_undoing_an_import_offers_it_again_and_redoing_takes_the_offer_back(clean, gs, room, backend, photo, folder):
    bpy.context.preferences.edit.use_global_undo = True
    backend.update(portrait=str(folder), story=[{"do": "stage", "name": "look"}])
    bpy.ops.gazesplat.reconstruct(filepath=str(photo))
    (job,) = watched(room)
    bpy.ops.ed.undo_push(message="before")
    poll_until_ended(room)
    if not gs.portraits():  # without a window nothing is imported by itself
        bpy.ops.gazesplat.import_result("EXEC_DEFAULT", True, job=job.id)
    assert len(gs.portraits()) == 1 and watched(room) == []
    bpy.ops.ed.undo()
    assert gs.portraits() == [] and watched(room) == [job] and not job.imported
    bpy.ops.ed.redo()
    assert len(gs.portraits()) == 1 and watched(room) == []
    bpy.ops.ed.undo()
    bpy.ops.gazesplat.import_result("EXEC_DEFAULT", True, job=job.id)
    (portrait,) = gs.portraits()
    assert watched(room) == []
    bpy.context.view_layer.objects.active = portrait.root
    bpy.ops.gazesplat.delete_portrait("EXEC_DEFAULT", True)
    bpy.ops.object.empty_add()
    bpy.ops.ed.undo_push(message="an empty")
    bpy.ops.ed.undo()
    assert gs.portraits() == [] and watched(room) == [], "who deletes a portrait does not want it back"
    bpy.ops.ed.undo()
    assert len(gs.portraits()) == 1 and watched(room) == []
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.ed.undo_push(message="another file")
    bpy.ops.object.empty_add()
    bpy.ops.ed.undo_push(message="an empty")
    bpy.ops.ed.undo()
    assert watched(room) == [], "another file, another life"


def test_a_failed_job_stays_until_dismissed(clean, room, backend, photo):
    backend.update(story=[{"do": "fail", "code": "no-face", "message": "There is no face.", "hint": "Use another photo."}])
    bpy.ops.gazesplat.reconstruct(filepath=str(photo))
    poll_until_ended(room)
    (job,) = watched(room)
    assert job.state == "failed" and job.error.code == "no-face"
    with pytest.raises(RuntimeError, match="There is no face. Use another photo."):
        bpy.ops.gazesplat.import_result(job=job.id)
    assert bpy.ops.gazesplat.open_log(job=job.id) == {"FINISHED"}
    assert any(job.id in text.name for text in bpy.data.texts)
    assert bpy.ops.gazesplat.remove_job(job=job.id) == {"FINISHED"}
    assert watched(room) == [] and not job.folder.exists()


def test_cancel_a_job(clean, room, backend, photo):
    backend.update(story=[{"do": "count", "steps": 600, "seconds": 60.0}])
    bpy.ops.gazesplat.reconstruct(filepath=str(photo))
    (job,) = watched(room)
    with pytest.raises(RuntimeError, match="Cancel it first"):
        bpy.ops.gazesplat.remove_job(job=job.id)
    assert bpy.ops.gazesplat.cancel_job(job=job.id) == {"FINISHED"}
    poll_until_ended(room)
    assert job.state == "cancelled"


def escape(room, region="UI", tab="GazeSplat", playing=False, kind="ESC", job=""):
    """Return (what became of the key, which job was cancelled or asked about) for Esc with the mouse there."""
    over = SimpleNamespace(type=region, active_panel_category=tab)
    context, done = SimpleNamespace(region=over, screen=SimpleNamespace(is_animation_playing=playing)), []
    verb = SimpleNamespace(job=job, execute=lambda context: {"FINISHED"},
                           _ask=lambda context, event, job: done.append(job.id) or {"RUNNING_MODAL"})
    outcome = room("operators.cancel_job").GAZESPLAT_OT_cancel_job.invoke(verb, context, SimpleNamespace(type=kind))
    return outcome, done or [verb.job]


def test_escape_over_our_tab_means_the_job_that_runs(clean, room, backend, photo):
    assert escape(room)[0] == {"PASS_THROUGH"}, "nothing runs"
    backend.update(story=[{"do": "progress", "fraction": 0.1}, {"do": "sleep", "seconds": 60.0}])
    bpy.ops.gazesplat.reconstruct(filepath=str(photo))
    bpy.ops.gazesplat.reconstruct(filepath=str(photo))
    running, queued = sorted(watched(room), key=lambda job: job.queued)
    assert queued.queued and escape(room) == ({"FINISHED"}, [running.id])
    for elsewhere in ({"region": "WINDOW"}, {"region": "HEADER"}, {"tab": "Tool"}, {"playing": True}):
        assert escape(room, **elsewhere)[0] == {"PASS_THROUGH"}, elsewhere
    running.cancel()
    assert escape(room)[0] == {"PASS_THROUGH"}, "it stops already, and what waits is not meant"
    queued.cancel()
    poll_until_ended(room)


def test_what_took_long_is_asked_about_first(clean, room, backend, photo, monkeypatch):
    backend.update(story=[{"do": "progress", "fraction": 0.1}, {"do": "sleep", "seconds": 60.0}])
    bpy.ops.gazesplat.reconstruct(filepath=str(photo))
    (job,) = watched(room)
    monkeypatch.setattr(type(job), "seconds_spent", property(lambda self: 35 * 60.0))
    assert escape(room) == ({"RUNNING_MODAL"}, [job.id])
    assert escape(room, kind="LEFTMOUSE", job=job.id) == ({"RUNNING_MODAL"}, [job.id]), "its button asks too"
    assert not job.stopping
    job.cancel()
    poll_until_ended(room)


def test_jobs_that_are_gone_say_so(clean, backend):
    with pytest.raises(RuntimeError, match="There is no reconstruction"):
        bpy.ops.gazesplat.cancel_job(job="20200101-000000-selfie-0000")


def test_reconstruct_without_a_photo_or_a_backend(clean, backend, tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="There is no file"):
        bpy.ops.gazesplat.reconstruct(filepath=str(tmp_path / "gone.jpg"))
    assert not list((tmp_path / "jobs").glob("*"))
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", str(tmp_path / "no-python"))
    with pytest.raises(RuntimeError, match="backend is not set up"):
        bpy.ops.gazesplat.reconstruct(filepath=str(tmp_path / "gone.jpg"))


def test_nothing_runs_by_itself_in_background_mode(clean, gs, room):
    live = room("gazesplat_addon.live_jobs")
    assert bpy.app.background
    live.attach()
    assert not bpy.app.timers.is_registered(live._tick) and not bpy.app.timers.is_registered(live._find_again)
