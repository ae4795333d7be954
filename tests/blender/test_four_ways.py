# SPDX-License-Identifier: GPL-3.0-or-later
"""One portrait posed and drawn four ways: numpy twin, node display in Cycles, our engine, live display. All pairs are one picture.

The pose formulas are written in ``rig/``, which the engine's worker uses, in ``nodes/`` and in ``viewport/glsl/``.
"""
from __future__ import annotations

import itertools

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar
from gazesplat.gazesplat_addon.scene import carriers
from gazesplat.gazesplat_addon.splat.ply import read_ply
from tests.engine_pictures import carrier_of, db, display, engine_scene, rendered
from tests.golden import scenes
from tests.offscreen import pixels, start_gpu, view_of

LEAST_DB = 95.0
# Cycles sorts in single precision: rows of splats at one depth, as made-up eyes have them, go by rounding in a few pixels.
NODES, SAME, GUESSED_SHARE, LEAST_DB_OF_THE_SAME = "node display", 2.0 / 255.0, 0.001, 76.0
POSES = {
    "looks up and winks": {"gaze_yaw": 14.0, "gaze_pitch": 9.0, "blink_left": 0.6, "pupil": 1.3},
    "looks down, half shut": {"gaze_yaw": -17.0, "gaze_pitch": -12.0, "blink_left": 0.4, "blink_right": 0.5, "pupil": 0.7},
    "shut": {"gaze_yaw": 5.0, "gaze_pitch": -4.0, "blink_left": 1.0, "blink_right": 0.95},
    "head turned": {"gaze_yaw": -9.0, "gaze_pitch": 3.0, "head": (0.11, 0.07, -0.23), "blink_right": 0.2},
}


@pytest.fixture
def portrait(gs, clean, tmp_path):
    portrait = engine_scene(gs, tmp_path)
    compat.set_modifier_input(carriers.display_modifier(carrier_of(portrait)), "Scene Linear", False)
    return portrait


def pose(portrait, values: dict) -> None:
    """Pose as an artist does: by the controls of the root and the head's rotation."""
    for name in ("gaze_yaw", "gaze_pitch", "blink_left", "blink_right"):
        portrait.root[name] = values.get(name, 0.0)
    portrait.root["pupil"] = values.get("pupil", 1.0)
    head = next(part for part in portrait.root.children if part.get("gazesplat_part") == "head")
    head.rotation_euler = values.get("head", (0.0, 0.0, 0.0))
    portrait.root.update_tag()
    bpy.context.view_layer.update()


def by_twin(portrait, values: dict, folder) -> np.ndarray:
    """Return what the twin's pose looks like, drawn by the readable reference."""
    splats = read_ply(folder / "portrait.ply")
    rig, groups = load_sidecar(folder, len(splats))
    camera = scenes.reference_camera(bpy.context.scene)
    world = np.array(carrier_of(portrait).evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    turned, pupil = (values.get("gaze_yaw", 0.0), values.get("gaze_pitch", 0.0)), values.get("pupil", 1.0)
    wanted = Pose({side: EyePose(*turned, values.get(f"blink_{side}", 0.0), pupil) for side in ("left", "right")})
    posed = pose_splats(splats, groups, rig, wanted, (np.linalg.inv(world) @ np.append(camera.position, 1.0))[:3])
    return scenes.draw_reference(scenes.Posed(posed.means @ world[:3, :3].T + world[:3, 3], world[:3, :3] @ posed.factors, posed.opacities,
                                              posed.colours, posed.groups), camera)


def by_live_display(room) -> dict[str, np.ndarray]:
    """Return what the live display draws of what it finds in the scene; nothing where there is no OpenGL without a window."""
    try:
        start_gpu()
    except pytest.skip.Exception:
        return {}
    painter = room("gazesplat_addon.viewport.painter").Painter()
    portraits = room("gazesplat_addon.viewport.live").LivePortraits()
    (seen,) = portraits.seen(bpy.context.evaluated_depsgraph_get())
    painter.paint(view_of(scenes.reference_camera(bpy.context.scene)), [seen.shown], wait=True)
    return {"live display": pixels(painter.blended)}


@pytest.mark.parametrize("name", POSES)
def test_all_four_draw_one_picture(portrait, room, tmp_path, name):
    folder, scene = tmp_path / "Mara", bpy.context.scene
    at_rest = by_twin(portrait, {}, folder)
    pose(portrait, POSES[name])
    pictures = {"twin": by_twin(portrait, POSES[name], folder), **by_live_display(room), "engine": display(rendered(tmp_path)),
                NODES: scenes.render(scene, tmp_path)}
    for one, other in itertools.combinations(pictures, 2):
        a, b = pictures[one], pictures[other]
        guessed = (np.abs(a - b).max(axis=2) > SAME) if NODES in (one, other) else np.zeros(a.shape[:2], bool)
        said = f"{one}, {other}: {db(a, b):.1f} dB, {guessed.mean():.5f} of the pixels sorted otherwise"
        assert guessed.mean() <= GUESSED_SHARE, said
        assert db(np.where(guessed[..., None], b, a), b) > (LEAST_DB_OF_THE_SAME if NODES in (one, other) else LEAST_DB), said
    assert np.mean(np.abs(pictures["twin"] - at_rest).max(axis=2) > 0.1) > 0.004     # else nothing was posed
