# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids and irises over the photo in Blender: they lie where they were found, are read as they were moved, and build the eyes again."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view

ROOT = Path(__file__).resolve().parents[2]
ASTRONAUT = ROOT / "docs" / "examples" / "astronaut.png"
needs_backend = pytest.mark.skipif("GAZESPLAT_BACKEND_PYTHON" not in os.environ, reason="GAZESPLAT_BACKEND_PYTHON names no backend")
# Marks of a made-up 640 x 480 photo, of which a part was reduced to the made-up camera's picture.
LEFT = {"upper": [[400, 200], [410, 185], [430, 178], [450, 184], [461, 199]],
        "lower": [[400, 200], [410, 206], [430, 210], [450, 207], [461, 199]], "iris": [429, 193, 12]}
RIGHT = {"upper": [[340, 200], [330, 185], [310, 178], [290, 184], [279, 199]],
         "lower": [[340, 200], [330, 206], [310, 210], [290, 207], [279, 199]], "iris": [311, 193, 12]}
CROP = {"left_px": 100.0, "top_px": 60.0, "scale": 0.8}


@pytest.fixture
def folder(portrait_folder):
    """The made-up portrait with marks and a photo."""
    marks = {"left": LEFT, "right": RIGHT}
    handles = {side: {lid: [[p, p] for p in eye[lid]] for lid in ("upper", "lower")} for side, eye in marks.items()}
    (portrait_folder / "portrait.scan.json").write_text(json.dumps(
        {"format": "gazesplat-scan", "version": 1, "marks": marks, "handles": handles, "crop": CROP}), "utf-8")
    image = bpy.data.images.new("photo", 32, 24)
    image.filepath_raw, image.file_format = str(portrait_folder / "portrait.photo.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return portrait_folder


@pytest.fixture
def portrait(clean, gs, folder, tmp_path, monkeypatch, room):
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    return gs.load(folder, name="Mara")


@pytest.fixture
def drawn(portrait, room):
    """The parts of the portrait while its marks are drawn, with the portrait in an odd place."""
    portrait.root.location, portrait.root.rotation_euler, portrait.root.scale = (0.3, -2.0, 1.0), (0.2, 0.1, -0.7), (2.0, 2.0, 2.0)
    portrait.show_eye_guides()
    bpy.context.view_layer.update()
    return room("gazesplat_addon.scene.store").parts_of(portrait.root)


def seen(portrait, guide) -> np.ndarray:
    """Return where a guide's control points appear in the whole photo, by Blender's own camera model."""
    rig = json.loads((portrait.folder / "portrait.json").read_text())["camera"]
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = rig["width"], rig["height"], 100
    views = [world_to_camera_view(bpy.context.scene, portrait.camera, guide.matrix_world @ point.co)
             for point in guide.data.splines[0].bezier_points]
    crop = np.array([(view.x * rig["width"], (1.0 - view.y) * rig["height"]) for view in views])
    return crop / CROP["scale"] + [CROP["left_px"], CROP["top_px"]]


def test_guides_lie_where_the_eyes_were_found(portrait, drawn):
    for letter, marks in (("L", LEFT), ("R", RIGHT)):
        for lid in ("upper", "lower"):
            np.testing.assert_allclose(seen(portrait, drawn[f"guide.{letter}.{lid}"]), marks[lid], atol=0.1)
        ring = seen(portrait, drawn[f"guide.{letter}.iris"])
        np.testing.assert_allclose(ring.mean(0), marks["iris"][:2], atol=0.1)
        np.testing.assert_allclose(np.linalg.norm(ring - ring.mean(0), axis=1), marks["iris"][2], atol=0.1)
    # The photo: its corners are those of the camera's picture.
    photo, camera = drawn["photo"], portrait.camera
    frame = camera.data.view_frame(scene=bpy.context.scene)
    upper_left = camera.matrix_world.inverted() @ (photo.matrix_world @ photo.location.__class__((0.0, 0.0, 0.0)))
    corner = min(frame, key=lambda c: (c.x - c.y))
    np.testing.assert_allclose(np.array(upper_left)[:2] / upper_left.z, np.array(corner)[:2] / corner.z, atol=1e-5)


def test_guides_belong_to_the_portrait_and_stay_in_their_plane(portrait, drawn, room):
    store = room("gazesplat_addon.scene.store")
    guides = {kind: part for kind, part in drawn.items() if kind.startswith("guide.")}
    assert len(guides) == 6
    for part in (*guides.values(), drawn["photo"], drawn["eye_guides"]):
        assert store.root_of(part) == portrait.root and part.hide_render and all(part.lock_rotation) and part.lock_location[2]
    for part in guides.values():
        assert part.data.dimensions == "2D"
    assert portrait.object.hide_viewport and portrait.eye_guides_shown
    before = len(bpy.data.curves), len(bpy.data.images)
    portrait.show_eye_guides()
    assert (len(bpy.data.curves), len(bpy.data.images)) == before, "drawn again, not twice"
    assert portrait.hide_eye_guides() and not portrait.hide_eye_guides()
    assert not portrait.object.hide_viewport and not bpy.data.curves
    portrait.show_eye_guides()
    portrait.delete()
    assert not bpy.data.curves and not [o for o in bpy.data.objects if "guide" in o.name]


def test_what_is_moved_is_read_whatever_it_was_moved_with(portrait, drawn, room):
    read = room("gazesplat_addon.scene.eye_guides").read
    found = read(portrait.root)
    for side, marks in (("left", LEFT), ("right", RIGHT)):
        for name in ("upper", "lower", "iris"):
            np.testing.assert_allclose(getattr(found[side], name), marks[name], atol=0.01)
    bpy.context.view_layer.objects.active = drawn["guide.L.upper"]
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.curve.select_all(action="SELECT")
    pixel = drawn["guide.L.upper"].matrix_world.to_scale().y
    bpy.ops.transform.translate(value=(0.0, 3.0 * pixel, pixel), orient_type="LOCAL")    # what would leave the plane does not
    bpy.ops.object.mode_set(mode="OBJECT")
    drawn["guide.R.iris"].location.x += 2.0
    drawn["guide.R.iris"].scale = (10.0, 10.0, 10.0)
    bpy.context.view_layer.update()
    moved = read(portrait.root)
    np.testing.assert_allclose(moved["left"].upper, np.array(LEFT["upper"]) - [0.0, 3.0], atol=0.01)
    np.testing.assert_allclose(moved["right"].iris, [313.0, 193.0, 10.0], atol=0.01)


def test_refusals_say_what_is_wrong(portrait, drawn, gs):
    def refused(spoil) -> str:
        portrait.show_eye_guides()
        spoil({part["gazesplat_part"]: part for part in bpy.data.objects if "gazesplat_part" in part})
        with pytest.raises(gs.GazeSplatError) as caught:
            portrait.rebuild_eyes()
        assert caught.value.hint.endswith((".", ")"))
        return caught.value.code

    def point(kind, k, **to):
        def move(parts):
            for axis, value in to.items():
                setattr(parts[kind].data.splines[0].bezier_points[k].co, axis, value)
        return move

    assert refused(point("guide.L.upper", 1, x=455.0)) == "eye-points-order"
    assert refused(point("guide.L.upper", 2, y=-230.0)) == "lids-crossed"
    assert refused(point("guide.R.lower", 0, y=-215.0)) == "lids-apart"
    assert refused(lambda parts: setattr(parts["guide.R.iris"].location, "y", -260.0)) == "iris-outside"
    assert refused(lambda parts: setattr(parts["guide.R.iris"], "scale", (90.0, 90.0, 1.0))) == "iris-size"
    assert refused(lambda parts: bpy.data.objects.remove(parts["guide.L.lower"])) == "guide-deleted"
    assert refused(lambda parts: parts["guide.L.lower"].data.splines[0].bezier_points.add(1)) == "guide-points"
    portrait.hide_eye_guides()
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.rebuild_eyes()
    assert caught.value.code == "no-guides"
    (portrait.folder / "portrait.photo.png").unlink()
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.show_eye_guides()
    assert caught.value.code == "no-photo"
    (portrait.folder / "portrait.scan.json").unlink()
    with pytest.raises(gs.GazeSplatError) as caught:
        portrait.show_eye_guides()
    assert caught.value.code == "no-scan"


def test_undo_takes_the_drawing_away_and_brings_it_back(portrait, gs, room):
    """With an undo step of its own, as the operator makes it."""
    bpy.context.view_layer.objects.active = portrait.root
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.gazesplat.correct_eyes("EXEC_DEFAULT", True) == {"FINISHED"}
    bpy.data.objects["Mara.guide.L.iris"].location.x += 2.0
    bpy.ops.ed.undo_push(message="moved")
    bpy.ops.ed.undo()
    (portrait,) = gs.portraits()
    read = room("gazesplat_addon.scene.eye_guides").read
    np.testing.assert_allclose(read(portrait.root)["left"].iris, LEFT["iris"], atol=0.01)
    bpy.ops.ed.undo()
    (portrait,) = gs.portraits()
    assert not portrait.eye_guides_shown and not portrait.object.hide_viewport
    bpy.ops.ed.redo()
    (portrait,) = gs.portraits()
    assert portrait.eye_guides_shown and portrait.object.hide_viewport


def test_the_panel_says_what_to_do(portrait, room):
    next_step = room("panels.next_step").next_step
    assert "Rebuild Eyes" not in next_step(bpy.context.scene, portrait)
    portrait.show_eye_guides()
    assert "Rebuild Eyes" in next_step(bpy.context.scene, portrait)


@needs_backend
def test_the_astronauts_lid_is_corrected_by_the_operators(clean, gs, room, tmp_path, monkeypatch):
    monkeypatch.setattr(room("gazesplat_addon.preferences"), "jobs_folder", lambda: tmp_path / "jobs")
    folder = tmp_path / "astronaut"
    words = [os.environ["GAZESPLAT_BACKEND_PYTHON"], "-I", ROOT / "backend", "reconstruct", ASTRONAUT, "--out", folder,
             "--quality", "draft", "--option", "linear_refit=false"]
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=600)
    portrait = gs.load(folder)
    portrait.gaze = (7.0, 0.0)

    def read_all():
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "metrics.json"}

    files = read_all()
    bpy.context.view_layer.objects.active = portrait.root
    assert bpy.ops.gazesplat.correct_eyes() == {"FINISHED"}
    assert portrait.rebuild_eyes() == portrait
    assert read_all() == files, "nothing moved, nothing changed"
    assert not portrait.eye_guides_shown and not list((tmp_path / "jobs").iterdir())

    found = portrait.eye_marks["left"]
    assert bpy.ops.gazesplat.correct_eyes() == {"FINISHED"}
    upper = room("gazesplat_addon.scene.store").parts_of(portrait.root)["guide.L.upper"]
    upper.data.splines[0].bezier_points[2].co.y += 3.0
    assert bpy.ops.gazesplat.rebuild_eyes() == {"FINISHED"}
    (job,) = room("gazesplat_addon.live_jobs").watched()
    assert job.result(timeout_s=300.0) == portrait
    room("gazesplat_addon.live_jobs").forget(job.id)
    rose = np.array(found["upper"][2]) - portrait.eye_marks["left"]["upper"][2]
    assert rose[1] == pytest.approx(3.0, abs=0.1) and portrait.gaze == (7.0, 0.0)
    assert portrait.eye_marks["left"]["lower"] == pytest.approx(np.array(found["lower"]), abs=1e-3)
    assert (folder / "portrait.ply").read_bytes() != files["portrait.ply"]
