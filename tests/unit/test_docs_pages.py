# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide keeps up with the sources: every error code has its row, every snippet is run by a test, every link leads somewhere."""
from __future__ import annotations

import ast
import re

from tests.docs_snippets import BACKEND_PAGES, BLENDER_PAGES, DOCS, pages_with_snippets, snippets

SOURCES = ("gazesplat_addon", "backend", "operators", "panels")
# Stories of the dummy give their own codes.
NOT_FOR_ARTISTS = ("backend/bench/", "backend/dummy.py")


def codes_of(source: str) -> set[str]:
    """Return the codes that a file's GazeSplatError(...) and warn(...) calls name."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    named = [node for node in calls if (getattr(node.func, "id", "") or getattr(node.func, "attr", "")) in ("GazeSplatError", "warn")]
    words = [word.value for node in named for word in ast.walk(node.args[0]) if isinstance(word, ast.Constant)]
    return {word for word in words if isinstance(word, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", word)}


def test_every_code_is_in_troubleshooting(root):
    said = set(re.findall(r"`([a-z0-9-]+)`", (DOCS / "troubleshooting.md").read_text("utf-8")))
    files = [path for folder in SOURCES for path in (root / folder).rglob("*.py")]
    used = {code: path.relative_to(root).as_posix() for path in files if not path.relative_to(root).as_posix().startswith(NOT_FOR_ARTISTS)
            for code in codes_of(path.read_text("utf-8"))}
    assert len(used) > 100
    missing = {code: where for code, where in used.items() if code not in said}
    assert not missing, f"docs/troubleshooting.md lacks {missing}"


def test_troubleshooting_has_no_code_that_is_gone(root):
    rows = re.findall(r"^\| ((?:`[a-z0-9-]+`(?:, )?)+) \|", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    said = {code for row in rows for code in re.findall(r"`([^`]+)`", row)}
    sources = "\n".join(path.read_text("utf-8") for folder in SOURCES for path in (root / folder).rglob("*.py"))
    gone = {code for code in said if f'"{code}"' not in sources}
    assert said and not gone, f"nobody says {gone} any more"


def test_every_page_with_python_is_run():
    assert pages_with_snippets() == {*BLENDER_PAGES, *BACKEND_PAGES}
    assert all(snippets(page) for page in (*BLENDER_PAGES, *BACKEND_PAGES))


def test_links_of_the_guide_lead_somewhere(root):
    broken = []
    for page in [*DOCS.rglob("*.md"), root / "README.md", root / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith(("http", "mailto:")) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert not broken


def test_every_call_of_the_pages_is_there(root):
    """Also of those whose snippets are not run."""
    console = ast.parse((root / "__init__.py").read_text("utf-8"))
    (names,) = (node.value for node in console.body if isinstance(node, ast.Assign) and node.targets[0].id == "_CONSOLE_NAMES")
    pages = "\n".join(page.read_text("utf-8") for page in [*(root / "docs").rglob("*.md"), root / "README.md"])
    called = set(re.findall(r"\bgs\.([a-zA-Z_]+)", pages))
    assert len(called) > 10 and called <= set(ast.literal_eval(names)), called - set(ast.literal_eval(names))
