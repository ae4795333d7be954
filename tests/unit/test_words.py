# SPDX-License-Identifier: GPL-3.0-or-later
"""What the interface says can be translated: Blender looks whole strings up, so none may be put together before that."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SAID = ("bl_label", "bl_description")
_SAID_OF_PROPERTIES = ("name", "description")


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).glob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text("utf-8"))


def test_names_and_tooltips_are_whole_strings():
    found, put_together = 0, []
    for path, tree in trees("operators", "panels", "gazesplat_addon"):
        for node in ast.walk(tree):
            values = []
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _SAID:
                values = [node.value]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("bpy.props."):
                values = [one.value for one in node.keywords if one.arg in _SAID_OF_PROPERTIES]
            found += len(values)
            put_together += [f"{path}:{one.lineno}" for one in values if not isinstance(one, ast.Constant)]
    assert found > 150 and not put_together


def test_panels_put_values_into_translated_texts():
    with_words = []
    for path, tree in trees("panels"):
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr):
                continue
            fixed = "".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))
            if re.search(r"[A-Za-z]{2}", fixed.replace("gazesplat.", "")):
                with_words.append(f"{path}:{node.lineno}: {fixed}")
    assert not with_words, "use translated('{name} ...', name=...)"
