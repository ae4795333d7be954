# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong while the engine renders: no hang, no half-written frame, and a message that says what to do."""
from __future__ import annotations

import os
import signal

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from tests.engine_pictures import HEIGHT, WIDTH, carrier_of, engine_scene, pixels_of, rendered


@pytest.fixture
def portrait(gs, clean, tmp_path):
    return engine_scene(gs, tmp_path)


@pytest.fixture
def engine(room):
    """The module of the enabled extension's engine."""
    return room("gazesplat_addon.engine.render_engine")


def interrupt(engine, monkeypatch, act):
    """Do something while Blender waits for the first picture, and let ``act`` say whether the artist has cancelled."""
    draw = engine._worker.draw

    def interrupted(python, request, portraits, should_stop, show=None):
        calls = []

        def asked() -> bool:
            calls.append(None)
            return act(len(calls)) or should_stop()

        return draw(python, request, portraits, asked, show)

    monkeypatch.setattr(engine._worker, "draw", interrupted)


def test_worker_killed_in_the_middle_of_a_frame_is_started_again(portrait, engine, monkeypatch, tmp_path):
    before = rendered(tmp_path)
    scene, killed = bpy.context.scene, []
    scene.gazesplat_render.samples = 64

    def kill_once(call: int) -> bool:
        if call == 2 and not killed:
            killed.append(engine._worker.pid)
            os.kill(killed[0], signal.SIGKILL)
        return False

    interrupt(engine, monkeypatch, kill_once)
    scene.render.filter_size = 0.0
    np.testing.assert_allclose(rendered(tmp_path), before, atol=1e-5)
    assert killed and engine._worker.pid not in (None, killed[0])


def test_worker_that_dies_again_and_again_is_reported_and_nothing_is_written(portrait, engine, monkeypatch, tmp_path):
    rendered(tmp_path)

    def kill_always(call: int) -> bool:
        if engine._worker.pid is not None:
            os.kill(engine._worker.pid, signal.SIGKILL)
        return False

    interrupt(engine, monkeypatch, kill_always)
    scene = bpy.context.scene
    scene.gazesplat_render.samples, scene.render.filepath = 4096, str(tmp_path / "never.exr")
    with pytest.raises(RuntimeError, match="Render again"):
        bpy.ops.render.render(write_still=True)
    monkeypatch.undo()
    scene.gazesplat_render.samples = 1
    assert rendered(tmp_path)[..., 3].max() > 0.9


def test_escape_ends_a_long_picture_at_once(portrait, engine, monkeypatch, tmp_path):
    before = rendered(tmp_path)
    scene = bpy.context.scene
    scene.gazesplat_render.samples = 4096
    interrupt(engine, monkeypatch, lambda call: call > 3)
    bpy.ops.render.render()
    monkeypatch.undo()
    scene.gazesplat_render.samples = 1
    np.testing.assert_array_equal(rendered(tmp_path), before)


def test_camera_inside_the_head(portrait, tmp_path):
    scene = bpy.context.scene
    scene.camera.matrix_world = Matrix.Translation((0.0, 0.07, 0.0)) @ scene.camera.matrix_world.to_3x3().to_4x4()
    for kind in ("PERSP", "ORTHO"):
        scene.camera.data.type = kind
        picture = rendered(tmp_path)
        assert np.isfinite(picture).all() and picture.shape == (HEIGHT, WIDTH, 4)


def test_values_that_are_not_numbers(portrait, capfd, tmp_path):
    before = rendered(tmp_path)
    portrait.root.location.x = float("nan")
    assert not rendered(tmp_path).any()
    portrait.root.location.x = 0.01
    np.testing.assert_allclose(rendered(tmp_path), before, atol=1e-5)
    scene = bpy.context.scene
    scene.camera.location.x = float("nan")
    with pytest.raises(RuntimeError, match="not numbers"):
        bpy.ops.render.render()
    assert "Traceback" not in "".join(capfd.readouterr())


def test_damaged_splats_and_damaged_rig_are_said(portrait):
    mesh = carrier_of(portrait).data
    mesh["gazesplat_rig"] = "{"
    with pytest.raises(RuntimeError, match="Reload the portrait"):
        bpy.ops.render.render()
    mesh.attributes.remove(mesh.attributes["scale"])
    del mesh["gazesplat_rig"]
    with pytest.raises(RuntimeError, match="lost their attribute"):
        bpy.ops.render.render()


def test_portrait_deleted_and_duplicated_during_an_animation(gs, portrait, room, tmp_path):
    scene = bpy.context.scene
    store = room("gazesplat_addon.scene.store")
    alone = rendered(tmp_path)

    def meddle(scene, *_):
        if scene.frame_current == 2:
            copy = carrier_of(portrait).copy()
            copy.location.x += 0.05
            scene.collection.objects.link(copy)
        elif scene.frame_current == 4:
            for name in [o.name for o in scene.objects if o.get("gazesplat_part") == "splats" and o != carrier_of(portrait)]:
                bpy.data.objects.remove(bpy.data.objects[name])
            store.delete(portrait.root)

    scene.frame_start, scene.frame_end, scene.render.filepath = 1, 4, str(tmp_path / "clip_")
    bpy.app.handlers.frame_change_pre.append(meddle)
    try:
        bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.frame_change_pre.remove(meddle)
    frames = [pixels_of(tmp_path / f"clip_{frame:04d}.exr") for frame in (1, 2, 3, 4)]
    np.testing.assert_array_equal(frames[0], alone)
    assert frames[1][..., 3].sum() > 1.05 * alone[..., 3].sum()
    np.testing.assert_array_equal(frames[2], frames[1])
    assert not frames[3].any()
