# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait leaves Blender as it is posed: by the console, the operator, as one file or a sequence, or with a reason."""
from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from gazesplat.backend.render import reference
from gazesplat.backend.render.interface import Camera, RenderSettings
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, PosedSplats, pose_splats
from gazesplat.gazesplat_addon.splat import harmonics
from gazesplat.gazesplat_addon.splat.files import read_splats


@pytest.fixture
def portrait(clean, gs, loaded_blend):
    """The made-up portrait, in a file that has nothing else."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    return gs.portraits()[0]


def picture(means, factors, opacities, colours, w2c) -> np.ndarray:
    camera = Camera(96, 96, 260.0, 260.0, 48.0, 48.0, w2c)
    posed = PosedSplats(means, factors, opacities, colours, np.zeros(len(means), np.uint8))
    return reference.render(posed, camera, RenderSettings(transmittance_stop=0.0)).rgb


def of_file(path, w2c) -> np.ndarray:
    splats = read_splats(path)
    eye = -w2c[:3, :3].T @ w2c[:3, 3]
    return picture(splats.means, splats.linear_factors(), splats.opacities, harmonics.colours(splats, splats.means, eye), w2c)


def of_scene(gs_portrait, made_up, w2c) -> np.ndarray:
    """What the scene shows: the twin's pose by the eyes' own account, placed by Blender's matrix."""
    splats, groups, rig = made_up
    eyes = gs_portrait.eyes
    pose = Pose({side: EyePose(now.yaw_deg, now.pitch_deg, now.blink, now.pupil)
                 for side, now in (("left", eyes.left.now), ("right", eyes.right.now))})
    depsgraph = bpy.context.evaluated_depsgraph_get()
    world = np.array(gs_portrait.object.evaluated_get(depsgraph).matrix_world)
    posed = pose_splats(splats, groups, rig, pose)
    return picture(posed.means @ world[:3, :3].T + world[:3, 3], world[:3, :3] @ posed.factors, posed.opacities, posed.colours, w2c)


def psnr_db(a, b) -> float:
    return float(-10.0 * np.log10(max(np.mean((a - b) ** 2), 1e-20)))


def looking(portrait) -> np.ndarray:
    """A camera half a metre before the face, as it is placed now."""
    world = np.array(portrait.object.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    target, away = (world @ [0.003, -0.05, 0.0, 1.0])[:3], world[:3, :3] @ [0.21, -0.9, 0.1]
    back = away / np.linalg.norm(away)
    right = np.cross((0.02, 0.03, 1.0), back)
    right /= np.linalg.norm(right)
    w2c = np.eye(4)
    w2c[:3, :3] = np.stack([right, -np.cross(back, right), -back])
    w2c[:3, 3] = -w2c[:3, :3] @ (target + 0.5 * back)
    return w2c


def direct(portrait) -> None:
    """Look aside, blink, turn the head, move and stretch the whole: keyed from frame 1 to 10."""
    root = portrait.root
    root["look_at"] = 0.0
    for frame, yaw, blink, turn in ((1, 0.0, 0.0, 0.0), (10, 20.0, 0.8, 0.3)):
        portrait.gaze, portrait.eyes.left.blink, portrait.head.rotation_euler.z = (yaw, -6.0), blink, turn
        for name in ("gaze_yaw", "gaze_pitch", "blink_left"):
            root.keyframe_insert(f'["{name}"]', frame=frame)
        portrait.head.keyframe_insert("rotation_euler", frame=frame)
    root.location, root.rotation_euler, root.scale = (0.3, -0.2, 0.1), (0.1, 0.2, 0.4), (1.2, 0.9, 1.0)


def test_a_file_renders_as_the_scene_does(portrait, made_up, tmp_path):
    direct(portrait)
    scene = bpy.context.scene
    scene.frame_set(3)
    (path,) = portrait.export(tmp_path / "mara.ply", frame=10)
    assert path == tmp_path / "mara.ply" and scene.frame_current == 3, "the scene's frame is as it was"
    scene.frame_set(10)
    w2c = looking(portrait)
    expected = of_scene(portrait, made_up, w2c)
    assert (expected.max(2) > 0.2).mean() > 0.1, "the head is in the picture"
    assert psnr_db(of_file(path, w2c), expected) > 60.0
    (spz,) = portrait.export(str(tmp_path / "mara.spz"))
    assert psnr_db(of_file(spz, w2c), expected) > 38.0
    assert spz.stat().st_size < 0.5 * path.stat().st_size
    scene.frame_set(1)
    assert psnr_db(of_file(path, w2c), of_scene(portrait, made_up, w2c)) < 35.0, "another frame is another picture"


def test_a_sequence_is_numbered(portrait, tmp_path):
    direct(portrait)
    paths = portrait.export(tmp_path / "mara.ply", start=8, end=10)
    assert [path.name for path in paths] == ["mara_0008.ply", "mara_0009.ply", "mara_0010.ply"]
    assert sorted(tmp_path.iterdir()) == paths
    assert not np.allclose(read_splats(paths[0]).means, read_splats(paths[2]).means, atol=1e-4)
    (hashed,) = portrait.export(tmp_path / "f##_of_mara.spz", start=7, end=7)
    assert hashed.name == "f07_of_mara.spz"


def test_stopping_leaves_whole_files_only(portrait, tmp_path):
    scene = bpy.context.scene
    scene.frame_set(5)
    steps = portrait.export_steps(tmp_path / "mara.ply", start=1, end=100)
    first, second = next(steps), next(steps)
    assert (first.done, second.done, second.total) == (1, 2, 100)
    steps.close()
    assert sorted(tmp_path.iterdir()) == [first.path, second.path] and scene.frame_current == 5
    assert len(read_splats(second.path)) == len(portrait.object.data.vertices)


def test_the_header_says_whose_face_it_is(portrait, tmp_path):
    (path,) = portrait.export(tmp_path / "mara.ply")
    header = path.read_bytes().split(b"end_header")[0].decode("ascii")
    assert f"comment GazeSplat: {portrait.name} as posed at frame 1" in header
    assert "comment source: synthetic" in header and "comment consent: not recorded" in header


def test_an_export_comes_in_again_as_a_plain_splat_in_its_place(portrait, gs, tmp_path):
    direct(portrait)
    for suffix in (".ply", ".spz"):
        (path,) = portrait.export(tmp_path / f"mara{suffix}", frame=10)
        plain = gs.load(path)
        assert not plain.rigged
        points = [np.array([v.co for v in p.object.data.vertices]) for p in (plain,)]
        np.testing.assert_allclose(points[0], read_splats(path).means, atol=1e-5)
        (again,) = plain.export(tmp_path / f"again{suffix}")
        np.testing.assert_allclose(read_splats(again).means, read_splats(path).means, atol=1e-5)
        plain.delete()


@pytest.mark.parametrize("path, asked, code", [
    ("mara.obj", {}, "bad-format"), ("mara", {}, "bad-format"), ("nowhere/mara.ply", {}, "no-folder"),
    ("mara.ply", {"start": 5, "end": 4}, "bad-value"), ("mara.ply", {"frame": 1, "end": 4}, "bad-value"),
    ("mara.ply", {"start": 1, "end": 10 ** 9}, "bad-value")])
def test_what_cannot_be_is_refused(portrait, gs, tmp_path, path, asked, code):
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.export(tmp_path / path, **asked)
    assert caught.value.code == code and caught.value.hint and not list(tmp_path.iterdir())


def test_its_own_file_is_not_overwritten(portrait, gs):
    own = portrait.folder / "portrait.ply"
    before = own.read_bytes()
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.export(own)
    assert caught.value.code == "own-file" and own.read_bytes() == before


def test_hidden_and_squashed_portraits_say_so(portrait, gs, tmp_path):
    portrait.root.scale.x = 0.0
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.export(tmp_path / "mara.ply")
    assert caught.value.code == "no-size"
    portrait.root.scale.x = 1.0
    bpy.context.view_layer.layer_collection.children[0].exclude = True
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.export(tmp_path / "mara.ply")
    assert caught.value.code == "hidden" and not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_nothing(portrait, gs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.export(tmp_path / "mara.ply")
    assert caught.value.code == "disk-full" and not list(tmp_path.iterdir())


def test_the_operator_writes_what_the_console_does(portrait, tmp_path):
    assert bpy.ops.gazesplat.export_portrait(filepath=str(tmp_path / "by_click.ply")) == {"FINISHED"}
    portrait.export(tmp_path / "by_word.ply")
    assert (tmp_path / "by_click.ply").read_bytes() == (tmp_path / "by_word.ply").read_bytes()
    bpy.ops.gazesplat.export_portrait(filepath=str(tmp_path / "run.spz"), sequence=True, start=3, end=4)
    assert {"run_0003.spz", "run_0004.spz"} <= {path.name for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError, match=r"does not end in \.ply or \.spz"):
        bpy.ops.gazesplat.export_portrait(filepath=str(tmp_path / "x.obj"))


class FakeManager:
    """What an operator asks of a window manager that background Blender lacks."""

    def __init__(self):
        self.log = []

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.log.append(name)


def stepped(room, steps):
    """Return an operator-like object with the stepped verb's own methods, and its context."""
    verb = room("operators.base").SteppedVerb
    told = []
    fields = {name: getattr(verb, name) for name in ("execute", "modal", "_begin", "_advance", "_end", "_reported", "tell")}
    one = type("Fake", (), {**fields, "bl_idname": "fake", "bl_label": "Fake", "in_window": True, "steps": lambda self, context: steps,
                            "told": lambda self, step: f"{step.done} done", "report": lambda self, kind, text: told.append(text)})()
    workspace = SimpleNamespace(status_text_set=lambda text: None)
    return one, SimpleNamespace(window_manager=FakeManager(), window=None, workspace=workspace), told


def event(kind: str, value: str = "PRESS"):
    return SimpleNamespace(type=kind, value=value)


def test_in_a_window_it_goes_on_step_by_step_and_escape_stops_it(portrait, tmp_path, room):
    one, context, told = stepped(room, portrait.export_steps(tmp_path / "mara.ply", start=1, end=3))
    assert one.execute(context) == {"RUNNING_MODAL"} and not list(tmp_path.iterdir())
    for done in (1, 2):
        assert one.modal(context, event("TIMER")) == {"RUNNING_MODAL"}
        assert len(list(tmp_path.iterdir())) == done
    assert one.modal(context, event("MOUSEMOVE")) == {"RUNNING_MODAL"}
    assert one.modal(context, event("ESC")) == {"CANCELLED"}
    assert told == ["Stopped after 2 of 3"] and len(list(tmp_path.iterdir())) == 2
    assert context.window_manager.log[-2:] == ["event_timer_remove", "progress_end"]

    one, context, told = stepped(room, portrait.export_steps(tmp_path / "mara.ply", start=1, end=1))
    one.execute(context)
    assert [one.modal(context, event("TIMER")) for _ in range(2)] == [{"RUNNING_MODAL"}, {"FINISHED"}]
    assert told == ["1 done"] and context.window_manager.log[-1] == "progress_end"


def test_an_error_halfway_ends_the_steps(portrait, tmp_path, room):
    one, context, told = stepped(room, portrait.export_steps(tmp_path / "mara.ply", start=1, end=9))
    one.execute(context)
    one.modal(context, event("TIMER"))
    portrait.root.scale = (0.0, 0.0, 0.0)
    assert one.modal(context, event("TIMER")) == {"CANCELLED"}
    assert "scaled to nothing" in told[0] and context.window_manager.log[-1] == "progress_end"
