# SPDX-License-Identifier: GPL-3.0-or-later
"""The live display's life in a scene: what it reads, what rests meanwhile, and what it leaves behind."""
from __future__ import annotations

import logging
import time

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.nodes.portrait import RESTS
from gazesplat.gazesplat_addon.scene import carriers, portrait_object, store
from gazesplat.gazesplat_addon.viewport import resting
from gazesplat.gazesplat_addon.viewport.display import LiveDisplay
from tests.golden import scenes
from tests.offscreen import start_gpu
from tests.portrait_files import write_portrait


@pytest.fixture
def carrier(root) -> bpy.types.Object:
    """The splats of ``root``."""
    return store.part_of(root, store.SPLATS)


@pytest.fixture
def live():
    """A live display as it is where windows are, switched on."""
    display = LiveDisplay()
    display.has_viewports, display.on = True, True
    display.settle()
    yield display
    display.close()


def shown_vertices(carrier: bpy.types.Object) -> int:
    return len(carrier.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices)


def rests(carrier: bpy.types.Object) -> bool:
    return compat.get_modifier_input(carriers.display_modifier(carrier), RESTS)


def test_node_display_rests_only_while_the_live_one_is_on(carrier, live):
    assert rests(carrier) and shown_vertices(carrier) == 0
    live.on = False
    live.settle()
    assert not rests(carrier) and shown_vertices(carrier) > 1000


def test_closing_leaves_nothing(carrier, live):
    assert live._handle is not None
    live.close()
    assert live._handle is None and not rests(carrier)


def test_exact_quads_are_shown_all_the_same(carrier, live):
    compat.set_modifier_input(carriers.display_modifier(carrier), "Exact in Viewport", True)
    assert shown_vertices(carrier) == 4 * len(carrier.data.vertices)


def test_gaze_change_costs_a_resting_display_nothing(root, carrier):
    def change(yaw_deg: float) -> float:
        root["gaze_yaw"] = yaw_deg
        root.update_tag()
        started = time.process_time()
        bpy.context.view_layer.update()
        return time.process_time() - started

    awake = min(change(yaw) for yaw in (1.0, 2.0, 3.0, 4.0))
    resting.settle(True)
    change(5.0)
    asleep = min(change(yaw) for yaw in (6.0, 7.0, 8.0, 9.0))
    assert asleep < awake / 3.0


def test_render_does_not_see_that_the_display_rests(root, carrier, tmp_path):
    scene = bpy.context.scene
    scenes.set_size(scene, 48, 48)
    awake = scenes.render(scene, tmp_path)
    resting.settle(True)
    np.testing.assert_array_equal(scenes.render(scene, tmp_path, prepare=False), awake)
    assert awake[..., 3].max() > 0.9


def test_files_are_saved_awake(carrier, live, tmp_path):
    live.before_saving()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"), copy=True)
    live.after_saving()
    assert rests(carrier)
    name = carrier.name
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert not rests(bpy.data.objects[name])


def test_viewport_render_shows_the_nodes(carrier, live, monkeypatch):
    monkeypatch.setattr("gazesplat.gazesplat_addon.viewport.display._viewport_is_rendered", lambda: True)
    live.frame_begins()
    assert not rests(carrier) and not live.render_ended()      # a frame has just begun
    live._last_frame_s -= 10.0
    assert live.render_ended() and rests(carrier)


def test_undo_keeps_the_display_at_rest(carrier, live):
    name = carrier.name
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="cube")
    bpy.ops.ed.undo()
    live.file_changed()
    live.settle()
    assert rests(bpy.data.objects[name])


def test_new_portrait_is_noticed(live, root, tmp_path):
    other = portrait_object.load_portrait(write_portrait(tmp_path / "Noa", head_count=100), name="Noa")
    depsgraph = bpy.context.evaluated_depsgraph_get()
    live.settle()
    assert rests(store.part_of(other, store.SPLATS)) and shown_vertices(store.part_of(other, store.SPLATS)) == 0
    start_gpu()
    live.depsgraph_changed(depsgraph)
    assert len(live.portraits.seen(depsgraph)) == 2


def test_what_is_shown_is_what_the_scene_says(live, root, carrier):
    start_gpu()
    root.matrix_world = place = Matrix.Translation((0.1, 0.0, 0.2))
    root["gaze_yaw"], root["gaze_pitch"], root["blink_left"], root["look_at"] = 11.0, -3.0, 0.4, 0.0
    root.update_tag()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    (one,) = live.portraits.seen(depsgraph)
    assert one.carrier == carrier and one.shown.splats.count == len(carrier.data.vertices)
    np.testing.assert_allclose(one.shown.to_world, np.array(place), atol=1e-6)
    np.testing.assert_allclose(one.shown.eyes["left"], (11.0, -3.0, 0.4, 1.0), atol=1e-4)
    assert live.portraits.seen(depsgraph)[0] is one      # nothing is read again while nothing changes
    root["gaze_yaw"] = 5.0
    root.update_tag()
    bpy.context.view_layer.update()
    live.depsgraph_changed(depsgraph)
    (moved,) = live.portraits.seen(depsgraph)
    assert moved.shown.splats is one.shown.splats and abs(moved.shown.eyes["left"][0] - 5.0) < 1e-4
    carrier.hide_set(True)
    bpy.context.view_layer.update()
    live.depsgraph_changed(depsgraph)
    assert live.portraits.seen(bpy.context.evaluated_depsgraph_get()) == []


def test_changed_splats_are_sent_again(live, carrier):
    start_gpu()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    (one,) = live.portraits.seen(depsgraph)
    carrier.data.vertices[0].co.x += 1.0
    carrier.data.update()
    bpy.context.view_layer.update()
    live.portraits.mesh_changed(carrier.data)
    live.portraits.changed()
    assert live.portraits.seen(depsgraph)[0].shown.splats is not one.shown.splats


def test_edit_mode_shows_the_splats_of_before(live, carrier):
    start_gpu()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    (one,) = live.portraits.seen(depsgraph)
    bpy.context.view_layer.objects.active = carrier
    for mode in ("EDIT", "OBJECT"):
        bpy.ops.object.mode_set(mode=mode)
        live.portraits.mesh_changed(carrier.data)
        live.portraits.changed()
        (now,) = live.portraits.seen(bpy.context.evaluated_depsgraph_get())
        assert (now.shown.splats is one.shown.splats) == (mode == "EDIT")
    live.portraits.forget()
    bpy.ops.object.mode_set(mode="EDIT")
    assert live.portraits.seen(bpy.context.evaluated_depsgraph_get()) == []       # nothing to read: no error either


@pytest.mark.parametrize("error", [GazeSplatError("splats-damaged", "The splats are damaged.", "Undo."), RuntimeError("no shader")])
def test_trouble_switches_off_with_one_message(live, carrier, monkeypatch, caplog, error):
    def fail(_context):
        raise error

    monkeypatch.setattr(live, "_draw_over", fail)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            live._draw()
    assert len(caplog.records) == 1 and live.problem
    live.settle()
    assert not rests(carrier)      # the artist sees something all the same
    live.switch(True)
    assert live.active


def test_faults_come_out_once(live, monkeypatch):
    def fail(_context):
        raise KeyError("a bug")

    monkeypatch.setattr(live, "_draw_over", fail)
    with pytest.raises(KeyError):
        live._draw()
    live._draw()
    assert "fault" in live.problem
