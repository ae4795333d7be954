# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar without a window: every panel draws in every state, names operators and properties that exist, and says what is next."""
from __future__ import annotations

import sys
from types import SimpleNamespace

import bpy
import pytest


@pytest.fixture
def folder(loaded_blend):
    """Where the portrait's files lie."""
    return loaded_blend.parent


@pytest.fixture
def jobs_folder(clean, room, monkeypatch, tmp_path):
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", sys.executable)
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    yield tmp_path / "jobs"
    room("gazesplat_addon.live_jobs").detach()


class Layout:
    """Takes what a panel draws: checks that operators and properties exist, keeps the words."""

    def __init__(self, words=None):
        self.__dict__.update(words=[] if words is None else words)

    def __setattr__(self, name, value):
        assert name in bpy.types.UILayout.bl_rna.properties, f"a layout has no {name}"

    def _part(self, **kwargs):
        return Layout(self.words)

    row = column = box = _part

    def label(self, *, text="", icon="NONE"):
        self._icon(icon)
        self.words.append(text)

    def separator(self):
        pass

    def template_icon(self, *, icon_value, scale):
        assert icon_value > 0

    def progress(self, *, factor, text):
        assert 0.0 <= factor <= 1.0
        self.words.append(text)

    def operator(self, idname, *, text=None, icon="NONE", emboss=True, depress=False):
        self._icon(icon)
        group, name = idname.split(".")
        rna = getattr(getattr(bpy.ops, group), name).get_rna_type()
        self.words.append(rna.name if text is None else text)

        class Properties:
            def __setattr__(self, key, value):
                assert key in rna.properties, f"{idname} has no {key}"
        return Properties()

    def prop(self, owner, path, *, text=None, slider=False, placeholder=""):
        owner.path_resolve(path)
        self.words.append(path if text is None else text or placeholder)

    @staticmethod
    def _icon(icon):
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items


def context_for(active=None, width=290):
    scene = bpy.context.scene
    interface = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
    return SimpleNamespace(scene=scene, active_object=active, preferences=interface, region=SimpleNamespace(width=width))


def drawn(gs, room, context):
    """Draw every panel that shows and return the words by panel."""
    words, shown = {}, set()
    for cls in room("panels").CLASSES:
        if not getattr(cls, "poll", lambda _: True)(context) or getattr(cls, "bl_parent_id", cls.__name__) not in {*shown, cls.__name__}:
            continue
        shown.add(cls.__name__)
        # What Blender passes as self: the layout, and the class's own methods.
        panel = SimpleNamespace(layout=Layout())
        for name, value in vars(cls).items():
            if name.startswith("_draw"):
                setattr(panel, name, value.__get__(panel))
        if hasattr(cls, "draw_header_preset"):
            cls.draw_header_preset(panel, context)
        cls.draw(panel, context)
        words[cls.bl_label] = panel.layout.words
    return words


def said(words):
    return " ".join(words["GazeSplat"])


def test_without_a_backend(jobs_folder, gs, room, monkeypatch):
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", "/no/such/python")
    words = drawn(gs, room, context_for())
    assert "set up the backend" in said(words) and "Set Up Backend for Photos..." in words["New Portrait"]
    assert "not set up" in " ".join(words["Backend"])
    assert {"GazeSplat", "New Portrait", "Backend"} == set(words)


def test_with_a_backend(jobs_folder, gs, room):
    assert "Choose a photo" in said(drawn(gs, room, context_for()))


def test_the_doctors_report(jobs_folder, gs, room, monkeypatch):
    status = room("gazesplat_addon.backend_status")
    report = {"ready": False, "device": {"kind": "cpu", "name": "x86", "cpu_threads": 2}, "get": ["pip install numba"],
              "packages": {"numba": {"status": "missing", "reason": "", "needed_for": "portraits"},
                           "torch": {"status": "missing", "reason": "", "needed_for": "training"}},
              "models": {"face.task": {"status": "damaged"}}}
    monkeypatch.setattr(status, "last_report", lambda: report)
    words = drawn(gs, room, context_for())["Backend"]
    assert {"Not ready", "numba: missing", "face.task: damaged", "pip install numba"} <= set(words)    # somebody's own environment
    monkeypatch.setattr(room("gazesplat_addon.backend_setup"), "state", lambda: "ready")
    words = drawn(gs, room, context_for())["Backend"]
    assert {"Not ready", "numba: missing", "Repair...", "Set Up...", "Remove..."} <= set(words) and "pip install numba" not in words
    assert any("Install GazeSplat again" in word for word in words)


def test_directing_a_portrait(jobs_folder, gs, room, folder):
    portrait = gs.load(folder, name="Mara")
    context = context_for(portrait.object)
    words = drawn(gs, room, context)
    assert list(words) == ["GazeSplat", "Eyes", "Motion", "Layers", "One by One", "Render", "With Other Objects", "Farm",
                           "Origin and Consent", "Another Portrait", "Person and Consent", "Backend", "Sampling"][:len(words)]
    assert "press Animate" in said(words)
    assert "Mara" in words["Eyes"]
    portrait.look_at(bpy.context.scene.camera)
    assert "Target" in drawn(gs, room, context)["Eyes"]
    portrait.add_saccades(seed=1)
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    assert "Set up the render" in said(drawn(gs, room, context))
    for engine in ("cycles", "eevee", "gazesplat"):
        assert bpy.ops.gazesplat.set_up_render(engine=engine) == {"FINISHED"}
        words = drawn(gs, room, context)
        assert "F12" in said(words) and "Ready: F12 renders" in words["Render"]


def test_a_cube_round_the_portrait_is_named_and_hidden_by_a_button(jobs_folder, gs, room, folder):
    portrait = gs.load(folder, name="Mara")
    bpy.ops.mesh.primitive_cube_add(size=2.0)
    cube, bpy.context.scene.camera = bpy.context.active_object, None
    bpy.ops.mesh.primitive_cube_add(size=6.0)    # a room, which is meant
    context = context_for(portrait.object)
    assert f"{cube.name} hides Mara" in said(drawn(gs, room, context))
    bpy.context.view_layer.objects.active = portrait.root
    assert bpy.ops.gazesplat.hide_enclosing() == {"FINISHED"}
    assert cube.hide_viewport and cube.hide_render and not bpy.context.active_object.hide_render
    words = drawn(gs, room, context)
    assert "Look through a camera" in said(words) and "Look Through Photo Camera" in said(words)
    assert bpy.ops.gazesplat.look_through_photo() == {"FINISHED"}
    assert bpy.context.scene.camera == portrait.camera and "Look Through Photo Camera" not in said(drawn(gs, room, context))


def test_the_engine_that_is_set_up_is_pressed(jobs_folder, gs, room, folder):
    scene = gs.load(folder, name="Mara").scene
    is_set = room("panels.render")._is_set
    for engine, mode in (("cycles", "exact"), ("eevee", "scene-linear"), ("gazesplat", "exact")):
        bpy.ops.gazesplat.set_up_render(engine=engine, colour_mode=mode)
        pressed = [(one, way) for one in ("cycles", "eevee", "gazesplat") for way in ("exact", "scene-linear") if is_set(scene, one, way)]
        assert pressed == [(engine, mode)] if engine != "gazesplat" else {one for one, _ in pressed} == {"gazesplat"}


def test_which_of_two_portraits(jobs_folder, gs, room, folder):
    gs.load(folder, name="Mara")
    gs.load(folder, name="Otto")
    words = drawn(gs, room, context_for())
    assert "Select the portrait" in said(words) and "Eyes" not in words


def test_a_plain_splat(jobs_folder, gs, room, folder, tmp_path):
    (tmp_path / "plain.ply").write_bytes((folder / "portrait.ply").read_bytes())
    plain = gs.load(tmp_path / "plain.ply")
    assert not plain.rigged
    words = drawn(gs, room, context_for(plain.root))
    assert "no eyes to direct" in said(words) and "Eyes" not in words and "Render" in words


@pytest.mark.parametrize(("story", "expected"), [
    ([{"do": "stage", "name": "Finding the face"}, {"do": "progress", "fraction": 0.5, "text": "half way"}, {"do": "sleep", "seconds": 30}],
     "Finding the face  50%"),
    ([{"do": "fail", "code": "no-face", "message": "There is no face.", "hint": "Use another photo."}], "There is no face."),
    ([{"do": "abort"}], "The backend stopped"),
    ([{"do": "warn", "code": "soft", "message": "It is soft.", "hint": ""}], "It is soft."),
])
def test_jobs(jobs_folder, gs, room, folder, story, expected, tmp_path):
    live, photo = room("gazesplat_addon.live_jobs"), tmp_path / "selfie.jpg"
    photo.write_bytes(b"nothing")
    job = room("gazesplat_addon.reconstruction").start(photo, kind="dummy", quality="draft", seed=0,
                                                        options={"story": story, "portrait": str(folder)})
    live.watch(job)
    job.wait(timeout_s=3.0)
    words = drawn(gs, room, context_for())
    assert expected in said(words)
    if job.state == "done":
        assert "Import the finished portrait" in said(words)
        job.import_result()
        assert {"In the scene", expected} <= set(drawn(gs, room, context_for())["GazeSplat"])
        assert bpy.ops.gazesplat.remove_job(job=job.id) == {"FINISHED"}
        assert expected not in said(drawn(gs, room, context_for())) and job.folder.exists()
    job.cancel()
    assert job.stopping == (not job.ended)
    drawn(gs, room, context_for())
    job.wait(timeout_s=20.0)
    drawn(gs, room, context_for(width=150))
    assert job.ended
