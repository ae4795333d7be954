# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that earlier versions of GazeSplat and other Blenders have saved keep opening, animating and rendering (tests/data)."""
from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon import compat
from gazesplat.gazesplat_addon.nodes.library import VERSION_KEY
from gazesplat.gazesplat_addon.nodes.portrait import portrait_tree
from gazesplat.gazesplat_addon.nodes.versions import current_version, groups_of
from tests.synthetic import synthetic_portrait

DATA = Path(__file__).resolve().parents[1] / "data"
VERSIONS, BLENDERS = ("early", "0.1.0"), ("4.5", "5.2")
FILES = [f"{version}-blender-{blender}" for version in VERSIONS for blender in BLENDERS]
FRAMES = (1, 5, 9, 13, 24)


@pytest.fixture
def opened(clean, gs):
    """Open one of the saved files with the extension enabled and return its portrait."""
    def opened(name: str):
        bpy.ops.wm.open_mainfile(filepath=str(DATA / f"{name}.blend"))
        (portrait,) = gs.portraits()
        return portrait
    return opened


def poses(portrait) -> np.ndarray:
    """Yaw, pitch, blink and pupil of both eyes at some frames."""
    found = []
    for frame in FRAMES:
        portrait.scene.frame_set(frame)
        for eye in (portrait.eyes.left.now, portrait.eyes.right.now):
            found.append((eye.yaw_deg, eye.pitch_deg, eye.blink, eye.pupil))
    return np.array(found)


def picture(portrait, path: Path) -> np.ndarray:
    portrait.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.array(image.pixels[:], np.float32).reshape(*image.size, 4)
    bpy.data.images.remove(image)
    return pixels


@pytest.mark.parametrize("name", FILES)
def test_it_opens_animates_looks_and_renders(opened, name, tmp_path):
    portrait = opened(name)
    assert np.ptp(poses(portrait)[:, 0]) > 1.0, "what was animated still moves"
    portrait.look_at((0.3, -0.6, 0.1))
    assert portrait.animate("tired", seed=5) > 10
    assert portrait.check_motion().findings
    portrait.scene.frame_set(12)
    assert portrait.root["life_lids"] > 0.0 and portrait.eyes.left.now.blink >= portrait.root["life_lids"] - 1e-4
    assert np.ptp(picture(portrait, tmp_path / "frame.png")[..., :3]) > 0.2
    assert portrait.setup_render(engine="eevee") and portrait.setup_render(engine="cycles")
    assert not [f.sentence for f in portrait.check_farm().findings if f.code.startswith("drivers") and f.holds is False]


@pytest.mark.parametrize("version", VERSIONS)
def test_either_blender_plays_what_the_other_has_saved(opened, version):
    """5.2 moved the modifier inputs that drivers write: without help, eyes of its files stand still in 4.5."""
    by_blender = [poses(opened(f"{version}-blender-{blender}")) for blender in BLENDERS]
    assert np.allclose(*by_blender, atol=1e-3)


@pytest.mark.parametrize("blender", BLENDERS)
def test_opening_an_early_file_changes_no_pose(opened, room, monkeypatch, blender):
    if blender > f"{bpy.app.version[0]}.{bpy.app.version[1]}":
        pytest.skip("nothing moves in a newer Blender's file before it is brought up to date")
    with monkeypatch.context() as untouched:
        untouched.setattr(room("gazesplat_addon.scene.upgrade"), "bring_up_to_date", lambda: [])
        portrait = opened(f"early-blender-{blender}")
        assert "life_lids" not in portrait.root
        before = poses(portrait)
    portrait = opened(f"early-blender-{blender}")
    assert portrait.root["life_lids"] == 0.0
    assert np.array_equal(poses(portrait), before)


def test_the_newest_tree_comes_when_it_is_asked_for(opened, room, tmp_path):
    portrait = opened("early-blender-4.5")
    # Early files keep no rig: it comes from the portrait's folder, or from a newer one's mesh.
    room("gazesplat_addon.scene.kept_rig").keep_rig(portrait.object.data, synthetic_portrait(head_count=10)[2])
    modifier = portrait.object.modifiers[0]
    compat.set_modifier_input(modifier, "Alpha Cap", 0.9)
    before = poses(portrait)
    assert any(f.code == "portrait-old" and f.holds is None for f in portrait.check_farm().findings)
    changes = portrait.upgrade()
    assert [change.split(": ")[1] for change in changes] == ["the newest node tree", "the newest drivers"]
    assert compat.get_modifier_input(modifier, "Alpha Cap") == pytest.approx(0.9)
    assert np.allclose(poses(portrait), before, atol=1e-3) and np.ptp(before[:, 0]) > 1.0
    assert np.ptp(picture(portrait, tmp_path / "frame.png")[..., :3]) > 0.2
    assert portrait.upgrade() == [] and portrait.check_farm(fix=True).passed


def test_keys_and_drivers_on_settings_survive_the_new_tree(opened):
    portrait = opened("0.1.0-blender-4.5")
    modifier = portrait.object.modifiers[0]
    modifier.node_group[VERSION_KEY] = 1
    path = compat.modifier_input_path(modifier, "Low Pass")
    for frame, value in ((1, 0.2), (24, 0.6)):
        compat.set_modifier_input(modifier, "Low Pass", value)
        portrait.object.keyframe_insert(path, frame=frame)
    assert portrait.upgrade()
    portrait.scene.frame_set(24)
    shown = portrait.object.evaluated_get(bpy.context.evaluated_depsgraph_get()).modifiers[0]
    assert compat.get_modifier_input(shown, "Low Pass") == pytest.approx(0.6, abs=1e-3)


def test_a_rig_that_is_lost_is_one_sentence(opened, gs):
    with pytest.raises(gs.GazeSplatError, match="before files kept their eye rig") as refused:
        opened("early-blender-4.5").upgrade()
    assert refused.value.code == "portrait-old" and "folder" in refused.value.hint


def test_what_a_newer_gazesplat_made_is_said(opened, room):
    portrait = opened("0.1.0-blender-4.5")
    portrait.root["gazesplat"]["format"] = 99
    told = room("gazesplat_addon.scene.upgrade").bring_up_to_date()
    assert told == ["Mara was made by a newer GazeSplat: update the extension before you change it."]


def test_a_newer_blenders_file_says_what_it_cannot_show(opened, room, monkeypatch):
    opened("0.1.0-blender-4.5")
    upgrade = room("gazesplat_addon.scene.upgrade")
    monkeypatch.setattr(room("gazesplat_addon.compat"), "newer_blender_of_this_file", lambda: "9.9")
    assert upgrade.bring_up_to_date() == []
    monkeypatch.setattr(upgrade, "_unknown_nodes", lambda: ["Beard"])
    assert upgrade.bring_up_to_date() == ["Beard holds nodes of Blender 9.9 that this one does not know: open the file there."]


def test_a_file_of_a_newer_blender_says_what_will_not_work(clean, gs, room, caplog):
    """A real file of 5.2: nodes that 4.5 lacks in geometry, a material and the compositor."""
    upgrade = room("gazesplat_addon.scene.upgrade")
    with caplog.at_level("WARNING"):
        bpy.ops.wm.open_mainfile(filepath=str(DATA / "newer-nodes-blender-5.2.blend"))
    told = upgrade.will_not_work()
    if bpy.app.version >= (5, 2):
        assert told == []
        return
    assert sorted(line.split(" holds ")[0] for line in told) == ["Beard", "Film", "Skin", "The compositor of Scene"]
    assert all("of Blender 5.2" in line and line.endswith("open the file there.") and line in caplog.text for line in told)
    from tests.blender.test_operators_panels import context_for, drawn
    assert "Blender 5.2" in " ".join(drawn(gs, room, context_for())["GazeSplat"])
    bpy.ops.wm.read_homefile(use_empty=True)
    assert upgrade.will_not_work() == []


def test_upgrading_is_a_button_and_can_be_undone(opened, gs, room):
    from tests.blender.test_operators_panels import context_for, drawn
    portrait = opened("0.1.0-blender-4.5")
    old = portrait.object.modifiers[0].node_group
    old[VERSION_KEY] = 1
    assert "Upgrade Portrait" in drawn(gs, room, context_for(portrait.root))["GazeSplat"]
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.gazesplat.upgrade_portrait("EXEC_DEFAULT", True) == {"FINISHED"}
    (portrait,) = gs.portraits()
    assert portrait.object.modifiers[0].node_group[VERSION_KEY] > 1
    assert "Upgrade Portrait" not in drawn(gs, room, context_for(portrait.root))["GazeSplat"]
    bpy.ops.ed.undo()
    (portrait,) = gs.portraits()
    assert portrait.object.modifiers[0].node_group[VERSION_KEY] == 1 and np.ptp(poses(portrait)[:, 0]) > 1.0


@pytest.mark.parametrize("degree", [0, 3])
def test_the_table_of_versions_is_what_is_built(scene, degree):
    _, _, rig = synthetic_portrait(head_count=10)
    found = dict(groups_of(portrait_tree("Mara", degree, rig)))
    assert len(found) >= 12
    assert found == {name: current_version(name) for name in found}


def test_no_group_is_slow_to_build():
    """Blender looks at the whole tree for each node and link added: a group of 766 nodes held the first import up for four seconds."""
    portrait_tree("Mara", 1, synthetic_portrait()[2])
    assert max(len(tree.nodes) for tree in bpy.data.node_groups) < 250


def test_two_portraits_share_their_groups(clean, gs, portrait_folder):
    gs.load(portrait_folder, name="One")
    groups = {tree.name for tree in bpy.data.node_groups}
    gs.load(portrait_folder, name="Two")
    assert {tree.name for tree in bpy.data.node_groups} - groups == {"GazeSplat Two.splats"}
