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
