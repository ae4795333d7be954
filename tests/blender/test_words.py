# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors, reports and panels in another language: a translator gives Blender whole texts, "{0}" where a value stands."""
from __future__ import annotations

import ast
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = {
    "There is no file {0}.": "Die Datei {0} gibt es nicht.",
    "{0} blinks {1} times a minute": "{1}-mal in der Minute blinzelt {0}",
    "{0} looks at {1}": "{0} schaut {1} an",
    "The motion holds: {0}": "Die Bewegung stimmt: {0}",
    "the whole report is the text {0}": "der ganze Bericht ist der Text {0}",
    "Select a portrait, or any part of one": "Erst ein Porträt auswählen",
    "{0} is in the scene": "{0} und {1} sind da",    # does not fit
    "No consent is noted. This is a real person's face: ask before you show or change it.": "Kein Einverständnis ist vermerkt.",
}


@pytest.fixture
def german(gs, room, monkeypatch):
    """The interface in German, with a translation of some of our texts; the bpy module has no languages of its own."""
    words = room("gazesplat_addon.words")
    for look_up in ("rpt_", "iface_"):
        monkeypatch.setattr(words, look_up, lambda text: CATALOGUE.get(text, text))
    monkeypatch.setattr(words, "_locale", lambda: "de_DE")


def test_errors_and_reports_speak_the_language_of_the_interface(german, clean, room, tmp_path):
    words = room("gazesplat_addon.words")
    assert words.told("Mara blinks 17.5 times a minute") == "17.5-mal in der Minute blinzelt Mara"
    assert words.told("Mara looks at Camera") == "Mara schaut Camera an", "names stay"
    assert words.told("The motion holds: the whole report is the text Check.txt") == (
        "Die Bewegung stimmt: der ganze Bericht ist der Text Check.txt"), "a text within a text"
    assert words.told("Nobody translated this 5 times") == "Nobody translated this 5 times"
    with pytest.raises(RuntimeError, match=r"Die Datei .*none\.ply gibt es nicht\."):
        bpy.ops.gazesplat.import_portrait(filepath=str(tmp_path / "none.ply"))


def test_a_translation_that_does_not_fit_harms_nobody(german, room, caplog):
    assert room("gazesplat_addon.words").told("Mara is in the scene") == "Mara is in the scene"
    assert "does not fit" in caplog.text


def test_panels_say_errors_of_the_backend_translated_too(german, gs, clean, room):
    from tests.blender.test_operators_panels import Layout, context_for
    layout = Layout()
    room("panels.base").sentence(layout, context_for(width=2000), "There is no file selfie.jpg.")
    assert layout.words == ["Die Datei selfie.jpg gibt es nicht."]


def test_every_error_that_values_are_put_into_can_be_translated(room):
    """What a message is made of when it is raised is found again in it."""
    templates, found = room("gazesplat_addon.words").templates(), []
    for path in (path for folder in ("gazesplat_addon", "operators", "backend/stages") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "GazeSplatError" and len(node.args) > 1:
                for said in node.args[1:]:
                    if isinstance(said, ast.JoinedStr):
                        parts = [str(one.value) if isinstance(one, ast.Constant) else "Mara" for one in said.values]
                        text = "".join(parts)
                        found.append(any(pattern.fullmatch(text) for pattern in templates.values()))
    assert len(found) > 150 and all(found)


def test_a_disabled_button_says_why_in_the_language_of_the_interface(german, clean, room):
    with pytest.raises(RuntimeError, match="Erst ein Porträt auswählen"):
        bpy.ops.gazesplat.add_blinks()


def test_nothing_reports_past_the_translation():
    reports = [path.name for path in (ROOT / "operators").glob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))
               if isinstance(node, ast.Attribute) and ast.unparse(node) in ("self.report", "cls.poll_message_set")]
    assert reports == ["base.py", "base.py"], "report by Verb.tell, say why not by Verb.refused"
