# SPDX-License-Identifier: GPL-3.0-or-later
"""What GazeSplat says, in the language of the interface.

Blender looks whole strings up, and an error is a finished sentence when it arrives: "No portrait is called Mara." So it is compared with
the texts that the source puts values into, which are what translators translate: "No portrait is called {0}." Nothing that raises an
error or reports need know of it; ``operators/base.py`` and ``panels/base.py`` ask here. ``templates`` lists what there is to translate.
"""
from __future__ import annotations

import ast
import logging
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_

_ROOT = Path(__file__).resolve().parents[1]
_ROOMS = ("operators", "gazesplat_addon", "backend")
# Of what else is put together (paths, formats, names of attributes), sentences differ by words with a space between.
_WORDS = re.compile(r"[A-Za-z]{2,}[,:]? |^ ?[a-z]{2,} ")
_SOURCES_LANGUAGE = ("", "en_US")

_log = logging.getLogger(__name__)


def translated(text: str, **values: object) -> str:
    """Return a text with values put in after it was translated: what is looked up must not change."""
    return iface_(text).format(**values)


def told(text: str) -> str:
    """Return a finished text, such as an error's, in the language that reports are in; as it is where there is no translation."""
    return _in_other_words(text, rpt_)


def shown(text: str) -> str:
    """Return a finished text in the language of the interface; as it is where there is no translation."""
    return _in_other_words(text, iface_)


def _in_other_words(text: str, look_up: Callable[[str], str]) -> str:
    known = look_up(text)
    if known != text or _locale() in _SOURCES_LANGUAGE:
        return known
    return _put_together_anew(text, look_up)


def _locale() -> str:
    return bpy.app.translations.locale


def _put_together_anew(text: str, look_up: Callable[[str], str]) -> str:
    """Return a text as translators say the source's text that it was made from, the longest that it may be; as it is, if they do not.

    Values are texts of ours or names. A name is not looked up: an object called Camera is not to be called Kamera.
    """
    for template, pattern in templates().items():
        known = look_up(template)
        found = pattern.fullmatch(text) if known != template else None
        if found is None:
            continue
        try:
            return known.format(*(_put_together_anew(value, look_up) for value in found.groups()))
        except (IndexError, KeyError, ValueError) as error:
            _log.warning("the translation %r does not fit %r: %s", known, template, error)
    return text


@cache
def templates() -> dict[str, re.Pattern]:
    """Return every text of the package that values are put into, "{0}" for the first, and what finds the values; longest first.

    It reads the sources, once, in half a second, and only where the interface speaks another language.
    """
    found = {}
    for path in (path for room in _ROOMS for path in sorted((_ROOT / room).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.update([_template(node)])
    return {text: found[text] for text in sorted(found, key=len, reverse=True) if _WORDS.search(text)}


def _template(node: ast.JoinedStr) -> tuple[str, re.Pattern]:
    said, pattern, count = [], [], 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            said.append(str(part.value).replace("{", "{{").replace("}", "}}"))
            pattern.append(re.escape(str(part.value)))
        else:
            said.append(f"{{{count}}}")
            pattern.append("(.*?)")
            count += 1
    return "".join(said), re.compile("".join(pattern), re.DOTALL)
