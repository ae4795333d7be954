# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python on the pages of docs/, and which suite runs it."""
from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

# Run by tests/blender/test_api_console_docs.py and tests/backend/test_docs_rendering.py, top to bottom.
BLENDER_PAGES = ("../README.md", "console.md", "motion.md", "guide/first_portrait.md", "guide/eyes.md", "guide/motion.md",
                 "guide/rendering.md", "guide/farms.md", "farm.md")
BACKEND_PAGES = ("rendering.md",)


def snippets(page: str) -> list[tuple[int, str]]:
    """Return (line, code) of a page's Python blocks; other languages are not run."""
    text = (DOCS / page).read_text("utf-8")
    return [(text[:match.start()].count("\n") + 2, match[1]) for match in _BLOCK.finditer(text)]


def pages_with_snippets() -> set[str]:
    """Return every page that shows Python; the README is one, although it is no page of the site."""
    pages = ["../README.md", *(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))]
    return {page for page in pages if snippets(page)}
