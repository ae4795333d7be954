# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever an artist can hover says in a sentence what it is for, in the form of Blender's own tooltips."""
from __future__ import annotations

import bpy

# Blender gives these to every operator and file dialog.
_BLENDERS_OWN = {"rna_type", "filepath", "filename", "directory", "files", "name", "job"}


def operators():
    names = [name for name in dir(bpy.ops.gazesplat) if not name.startswith("_")]
    assert len(names) > 25
    return {name: getattr(bpy.ops.gazesplat, name).get_rna_type() for name in names}


def test_every_operator_has_a_tooltip(gs):
    without = [name for name, rna in operators().items() if len(rna.description) < 20 or rna.description.endswith(".")]
    assert not without


def test_every_choice_has_a_tooltip(gs):
    owners = {**operators(), "scene": type(bpy.context.scene.gazesplat).bl_rna}
    without = [f"{owner}.{prop.identifier}" for owner, rna in owners.items() for prop in rna.properties
               if prop.identifier not in _BLENDERS_OWN and not prop.is_hidden and not prop.description]
    assert not without


def test_every_control_of_a_portrait_has_a_tooltip(clean, gs):
    root = gs.load_sample().root
    shown = ("look_at", "gaze_yaw", "gaze_pitch", "blink_left", "blink_right", "pupil", "life")
    without = [name for name in shown if not root.id_properties_ui(name).as_dict().get("description")]
    assert not without


# What changes nothing in the file, or lets another operator do it later, with an undo step of its own.
_NOTHING_TO_UNDO = {"cancel_job", "capture_gaze", "check_motion", "copy_setup_command", "examine_backend", "export_portrait",
                    "rebuild_eyes", "reconstruct", "refit_linear", "remove_backend", "remove_job", "retry_job", "setup_backend",
                    "write_farm_job"}


def test_every_other_operator_can_be_undone_and_repeated(gs, room):
    verbs = [one for one in room("operators").CLASSES if issubclass(one, bpy.types.Operator)]
    assert all("REGISTER" in one.bl_options for one in verbs), "the redo panel and the info log leave it out"
    assert {one.bl_idname.partition(".")[2] for one in verbs if "UNDO" not in one.bl_options} == _NOTHING_TO_UNDO


def test_every_operator_is_found_by_its_words_and_copied_as_a_call(gs, room):
    labels = {}
    for one in room("operators").CLASSES:
        if issubclass(one, bpy.types.Operator):
            labels.setdefault(one.bl_label, []).append(one.bl_idname)
            # "Copy Python Command" prints the settings a button gives: each must be told from its name.
            assert all(prop.name for prop in getattr(bpy.ops.gazesplat, one.bl_idname.partition(".")[2]).get_rna_type().properties)
    assert all(len(names) == 1 for names in labels.values()), "two operators of one name in the search (F3)"


def test_the_search_finds_all_that_can_be_done_with_a_portrait(gs, room):
    """F3 looks in menus. Left out: what is about one layer, or goes on with something that was begun."""
    begun = {"leave_eyes", "rebuild_eyes", "remove_splat_plate", "upgrade_portrait"}
    verb = room("operators.base").PortraitVerb
    names = [one.bl_idname.partition(".")[2] for one in room("operators").CLASSES if issubclass(one, verb)]
    wanted = {name for name in names if "layer" not in operators()[name].properties}
    listed = {name for group in room("panels.menus")._OBJECT_GROUPS for name in group}
    assert wanted - begun <= listed


def test_what_panels_say_is_translated(clean, gs, room, monkeypatch):
    from tests.blender.test_operators_panels import context_for, drawn
    monkeypatch.setattr(room("gazesplat_addon.words"), "iface_", str.upper)
    words = drawn(gs, room, context_for())
    assert words["GazeSplat"] and all(word == word.upper() for word in words["GazeSplat"])
