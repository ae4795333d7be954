# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm doctor: what is wrong for a farm is found, said with a way out, and mended where that can be done."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon.farm.check import check
from gazesplat.gazesplat_addon.scene import portrait_object, store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ready(root, stage):
    """A portrait that is set up for Cycles."""
    portrait_object.set_up_render(root, stage, engine="CYCLES")
    return root


def wrong(checked) -> set[str]:
    return {finding.code for finding in checked.findings if finding.holds is False}


def test_a_portrait_set_up_for_cycles_is_ready(ready, stage):
    checked = check(stage)
    assert checked.passed and not wrong(checked), checked.text
    assert "ready for a farm" in checked.text and checked.mended == ()


def test_a_fresh_portrait_is_not_and_can_be_mended(root, stage):
    assert "settings" in wrong(check(stage)) or "engine" in wrong(check(stage))
    mended = check(stage, fix=True)
    assert mended.passed and mended.mended, mended.text
    assert check(stage).passed, "it stays mended"


def test_our_own_engine_is_replaced(ready, stage, room):
    stage.render.engine = "GAZESPLAT"
    found = check(stage)
    assert "engine" in wrong(found) and "needs GazeSplat" in found.text
    assert check(stage, fix=True).passed and stage.render.engine == "CYCLES"


def test_other_things_get_scene_linear_colour(root, stage):
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube")))
    checked = check(stage, fix=True)
    # What is left is that this portrait has no colours for linear light: only a refit can make them.
    assert [f.sentence for f in checked.findings if f.holds is False and "no colours for linear light" not in f.sentence] == []


def test_python_drivers_are_named(ready, stage):
    curve = ready.driver_add("location", 0)
    curve.driver.type, curve.driver.expression = "SCRIPTED", "sum([1, 2]) ** 2"
    found = next(f for f in check(stage).findings if f.code == "drivers")
    assert found.holds is False and "sum([1, 2]) ** 2" in found.sentence and ready.name in found.sentence and found.mend is None


def test_drivers_that_do_nothing_are_named(ready, stage):
    ready.driver_add("location", 0).data_path = "no_such_property"
    bpy.context.view_layer.update()
    assert "drivers-broken" in wrong(check(stage))


def test_files_outside_are_packed_and_missing_ones_named(ready, stage, tmp_path):
    picture = bpy.data.images.new("Backdrop", 4, 4)
    picture.filepath_raw, picture.file_format = str(tmp_path / "backdrop.png"), "PNG"
    picture.save()
    picture.use_fake_user = True
    gone = bpy.data.sounds.load(_silence(tmp_path / "voice.wav"))
    gone.use_fake_user = True
    assert "outside-files" in wrong(check(stage))
    (tmp_path / "voice.wav").unlink()
    found = check(stage, fix=True)
    assert wrong(found) == {"missing-files"} and "voice.wav" in found.text
    assert bpy.data.images["Backdrop"].packed_file is not None


def test_painted_pictures_are_packed(ready, stage):
    picture = bpy.data.images.new("Painted", 4, 4)
    picture.use_fake_user = True
    picture.pixels[0] = 0.5
    assert picture.is_dirty and "unsaved-pictures" in wrong(check(stage))
    assert check(stage, fix=True).passed and picture.packed_file is not None


def test_scripts_that_register_are_switched_off(ready, stage):
    bpy.data.texts.new("rig_ui.py").use_module = True
    assert "scripts" in wrong(check(stage))
    assert check(stage, fix=True).passed


def test_floaters_and_splats_of_no_size_are_hidden_in_place(ready, stage):
    mesh = store.splats_of(ready)
    count = len(mesh.vertices)
    mesh.attributes["position"].data[3].vector = (1e4, 0.0, 0.0)
    mesh.attributes["scale"].data[7].vector = (0.0, 0.0, 0.0)
    mesh.attributes["position"].data[11].vector = (float("nan"), 0.0, 0.0)
    assert wrong(check(stage)) == {"floaters", "zero-scales", "splats-broken"}
    groups = np.empty(count, np.int32)
    mesh.attributes["gs_group"].data.foreach_get("value", groups)
    assert check(stage, fix=True).passed
    assert len(mesh.vertices) == count, "the eye rig relies on their order"
    for hidden in (3, 7, 11):
        assert mesh.attributes["radiance:base"].data[hidden].color[3] == 0.0
        assert np.linalg.norm(mesh.attributes["position"].data[hidden].vector) < 1.0
        assert min(mesh.attributes["scale"].data[hidden].vector) > 0.0
    after = np.empty(count, np.int32)
    mesh.attributes["gs_group"].data.foreach_get("value", after)
    assert (after == groups).all()


def test_a_missing_camera_is_said(ready, stage):
    stage.camera = None
    assert wrong(check(stage)) == {"camera"}


def test_findings_can_be_read_by_scripts(ready, stage):
    stage.camera = None
    told = json.loads(json.dumps(check(stage).as_dict()))
    assert told["passed"] is False
    assert {"code": "camera", "holds": False} .items() <= next(f for f in told["findings"] if f["code"] == "camera").items()
    assert all(f["fix"] for f in told["findings"] if f["holds"] is False)


def test_the_operator_says_it_in_one_line(clean, gs, portrait_folder):
    portrait = gs.load(portrait_folder)
    assert bpy.ops.gazesplat.check_farm(fix=True) == {"FINISHED"}
    assert gs.check_farm().passed and portrait.check_farm().passed
    assert "ready for a farm" in bpy.data.texts["Scene Farm Check"].as_string()


# What ``blender -b FILE --python doctor.py -- ...`` does.
_BLENDER = """
import runpy, sys, bpy
bpy.context.preferences.filepaths.use_scripts_auto_execute = False
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], use_scripts=False)
runpy.run_path(sys.argv[2], run_name="__main__")
"""


def said(answer: subprocess.CompletedProcess) -> dict:
    """Return the doctor's line among Blender's own, some of which come after it."""
    return json.loads(next(line for line in answer.stdout.splitlines() if line.startswith("{")))


def test_pipelines_ask_without_the_extension(ready, stage, tmp_path):
    stage.render.engine = "GAZESPLAT" if hasattr(bpy.types, "GAZESPLAT_engine") else "BLENDER_WORKBENCH"
    blend, doctor = tmp_path / "shot.blend", ROOT / "gazesplat_addon" / "farm" / "doctor.py"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True)

    def ask(*flags: str) -> subprocess.CompletedProcess:
        env = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile")}
        return subprocess.run([sys.executable, "-c", _BLENDER, str(blend), str(doctor), "--", *flags], env=env, capture_output=True,
                              text=True, check=False, timeout=200)
    first = ask("--json")
    assert first.returncode == 1, first.stderr
    assert said(first)["passed"] is False
    mended = ask("--fix", "--save")
    assert mended.returncode == 0 and "ready for a farm" in mended.stdout, mended.stdout + mended.stderr
    again = ask("--json")
    assert again.returncode == 0 and said(again)["mended"] == []


def _silence(path) -> str:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return str(path)
